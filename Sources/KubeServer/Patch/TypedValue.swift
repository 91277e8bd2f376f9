// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What differs between two values of one type.
struct FieldComparison {
    /// Fields that only the new value has.
    var added = FieldSet()
    /// Fields whose value differs.
    var modified = FieldSet()
    /// Fields that only the old value has.
    var removed = FieldSet()

    /// Whether nothing differs.
    var isEmpty: Bool { added.isEmpty && modified.isEmpty && removed.isEmpty }

    /// The differences outside of `fields` and what lies below them.
    func excluding(_ fields: FieldSet) -> FieldComparison {
        FieldComparison(
            added: added.recursiveDifference(fields),
            modified: modified.recursiveDifference(fields),
            removed: removed.recursiveDifference(fields)
        )
    }
}

/// A value with its type: field sets, comparison, merge and removal as server-side apply defines them.
struct TypedValue {
    /// The value.
    var value: JSONValue
    /// Its type.
    let shape: TypeShape

    /// How an element of a list with this shape is identified; `nil` where a key is missing.
    static func identity(of element: JSONValue, at index: Int, in shape: TypeShape) -> PathElement? {
        switch shape.identity {
        case .atomic: return .index(index)
        case .set: return element.isNull || element.object != nil || element.array != nil ? nil : .value(element)
        case .keys(let names):
            var pairs: [(String, JSONValue)] = []
            guard case .structure(let structure) = shape.element.content else { return nil }
            for name in names {
                if let value = element[name] {
                    pairs.append((name, value))
                } else if let fallback = structure.fields[name]?.defaultValue {
                    pairs.append((name, fallback))
                }
            }
            return pairs.isEmpty ? nil : .key(JSONObject(pairs: pairs))
        }
    }

    /// Elements with their identities; elements without one are identified by their index.
    static func identified(_ elements: [JSONValue], in shape: TypeShape) -> [(PathElement, JSONValue)] {
        elements.enumerated().map { (identity(of: $1, at: $0, in: shape) ?? .index($0), $1) }
    }

    /// Every field of the value.
    var fieldSet: FieldSet {
        var set = FieldSet()
        Self.collect(value, shape, into: &set)
        return set
    }

    /// Adds the fields below a value to `set`; true when the value itself is a leaf.
    @discardableResult
    private static func collect(_ value: JSONValue, _ shape: TypeShape, into set: inout FieldSet) -> Bool {
        if shape.isAtomic { return true }
        switch value {
        case .object(let members):
            for (name, member) in members {
                let element = PathElement.field(name)
                var below = FieldSet()
                let isLeaf = collect(member, shape.member(name) ?? .anything, into: &below)
                let isEmpty = member == .null || member.object?.isEmpty ?? false
                if isLeaf || isEmpty || !shape.declares(name) { set.members.insert(element) }
                set[element] = below
            }
            return false
        case .array(let elements):
            guard shape.identity != .atomic else { return true }
            for (element, value) in identified(elements, in: shape) {
                var below = FieldSet()
                collect(value, shape.element, into: &below)
                set.members.insert(element)
                set[element] = below
            }
            return false
        default: return true
        }
    }

    /// What differs from this value to `new`.
    func compared(to new: JSONValue) -> FieldComparison {
        var comparison = FieldComparison()
        Self.compare(value, new, shape, at: [], into: &comparison)
        return comparison
    }

    private static func compare(
        _ old: JSONValue?,
        _ new: JSONValue?,
        _ shape: TypeShape,
        at path: [PathElement],
        into comparison: inout FieldComparison
    ) {
        if old == nil && new == nil { return }
        if old == new { return }
        let isGranular = compareBelow(old, new, shape, at: path, into: &comparison)
        if old == nil {
            comparison.added.insert(path[...])
        } else if new == nil {
            comparison.removed.insert(path[...])
        } else if !isGranular, !areEqual(old, new, shape) {
            comparison.modified.insert(path[...])
        }
    }

    /// Compares members or elements; false when the values have to be compared as a whole.
    private static func compareBelow(
        _ old: JSONValue?,
        _ new: JSONValue?,
        _ shape: TypeShape,
        at path: [PathElement],
        into comparison: inout FieldComparison
    ) -> Bool {
        if shape.isAtomic { return false }
        let (oldMembers, newMembers) = (old?.object, new?.object)
        let (oldElements, newElements) = (old?.array, new?.array)
        let isObject = oldMembers != nil || newMembers != nil
        let isArray = oldElements != nil || newElements != nil
        // Nothing below on either side: a leaf, so that null and empty stay different.
        if (oldMembers?.isEmpty ?? true) && (newMembers?.isEmpty ?? true) && (oldElements?.isEmpty ?? true)
            && (newElements?.isEmpty ?? true) || isObject && isArray
        {
            return false
        }
        if isObject {
            guard isObjectOrNull(old), isObjectOrNull(new) else { return false }
            var names = Set(oldMembers?.keys ?? [])
            names.formUnion(newMembers?.keys ?? [])
            for name in names.sorted() {
                compare(
                    oldMembers?[name],
                    newMembers?[name],
                    shape.member(name) ?? .anything,
                    at: path + [.field(name)],
                    into: &comparison
                )
            }
            return true
        }
        guard isArray, shape.identity != .atomic, isArrayOrNull(old), isArrayOrNull(new) else { return false }
        let before = Dictionary(identified(oldElements ?? [], in: shape)) { first, _ in first }
        let after = Dictionary(identified(newElements ?? [], in: shape)) { first, _ in first }
        for element in Set(before.keys).union(after.keys).sorted(by: { $0.encoded < $1.encoded }) {
            compare(before[element], after[element], shape.element, at: path + [element], into: &comparison)
        }
        return true
    }

    private static func isObjectOrNull(_ value: JSONValue?) -> Bool {
        value == nil || value == .null || value?.object != nil
    }

    private static func isArrayOrNull(_ value: JSONValue?) -> Bool {
        value == nil || value == .null || value?.array != nil
    }

    private static func areEqual(_ old: JSONValue?, _ new: JSONValue?, _ shape: TypeShape) -> Bool {
        switch (old, new) {
        case (.integer?, .double?), (.double?, .integer?): old?.double == new?.double
        default: old == new
        }
    }

    /// The value with `applied` merged over it.
    func merging(_ applied: JSONValue) -> JSONValue { Self.merge(value, applied, shape) }

    private static func merge(_ live: JSONValue?, _ applied: JSONValue?, _ shape: TypeShape) -> JSONValue {
        guard let applied else { return live ?? .null }
        guard let live, !shape.isAtomic else { return applied }
        switch (live, applied) {
        case (.object(var members), .object(let changes)):
            for (name, change) in changes {
                members[name] = merge(members[name], change, shape.member(name) ?? .anything)
            }
            return .object(members)
        case (.array(let elements), .array(let changes)):
            guard shape.identity != .atomic else { return applied }
            return .array(merge(identified(elements, in: shape), identified(changes, in: shape), shape))
        default: return applied
        }
    }

    /// Merges elements by identity. Applied ones keep the applied order; a live one that isn't applied keeps its place
    /// after the live ones before it, where the applied order leaves that open.
    private static func merge(
        _ live: [(PathElement, JSONValue)],
        _ applied: [(PathElement, JSONValue)],
        _ shape: TypeShape
    ) -> [JSONValue] {
        let isApplied = Set(applied.map(\.0))
        let values = Dictionary(live) { first, _ in first }
        var shared = applied.map(\.0).filter { values[$0] != nil }[...]
        var merged: Set<PathElement> = []
        var result: [JSONValue] = []
        var left = live[...]
        var right = applied[...]
        while !left.isEmpty || !right.isEmpty {
            if let own = left.first, own.0 != right.first?.0 {
                if !isApplied.contains(own.0) {
                    result.append(own.1)
                    left.removeFirst()
                    continue
                }
                // It comes later in the applied order.
                if !right.isEmpty, let next = shared.first, next != own.0 {
                    left.removeFirst()
                    continue
                }
                if merged.contains(own.0) || right.isEmpty { left.removeFirst() }
            }
            guard let (element, change) = right.popFirst() else { continue }
            if left.first?.0 == element { left.removeFirst() }
            if shared.first == element { shared.removeFirst() }
            merged.insert(element)
            result.append(values[element].map { merge($0, change, shape.element) } ?? change)
        }
        return result
    }

    /// The value without the fields of `set`.
    func removing(_ set: FieldSet) -> JSONValue { Self.remove(value, set, shape) ?? .null }

    private static func remove(_ value: JSONValue, _ set: FieldSet, _ shape: TypeShape) -> JSONValue? {
        if set.isEmpty || shape.isAtomic { return value }
        switch value {
        case .object(let members):
            guard !members.isEmpty else { return value }
            var kept: [(String, JSONValue)] = []
            for (name, member) in members {
                let element = PathElement.field(name)
                if set.members.contains(element) { continue }
                if let rest = remove(member, set[element], shape.member(name) ?? .anything) {
                    kept.append((name, rest))
                }
            }
            return kept.isEmpty ? nil : .object(JSONObject(pairs: kept))
        case .array(let elements):
            guard shape.identity != .atomic, !elements.isEmpty else { return value }
            var kept: [JSONValue] = []
            for (element, item) in identified(elements, in: shape) where !set.members.contains(element) {
                if let rest = remove(item, set[element], shape.element) { kept.append(rest) }
            }
            return kept.isEmpty ? nil : .array(kept)
        default: return value
        }
    }
}
