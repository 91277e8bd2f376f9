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

    /// The identities that several elements have, as only updates may leave them: those have one owner as a whole.
    private static func repeated(in elements: [(PathElement, JSONValue)]) -> Set<PathElement> {
        var seen: Set<PathElement> = []
        return Set(elements.map(\.0).filter { !seen.insert($0).inserted })
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
            let elements = identified(elements, in: shape)
            let repeated = Self.repeated(in: elements)
            for (element, value) in elements {
                set.members.insert(element)
                if repeated.contains(element) { continue }
                var below = FieldSet()
                collect(value, shape.element, into: &below)
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
            for name in (oldMembers ?? [:]).merging(newMembers ?? [:], { $2 }).keys {
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
        let before = Dictionary(grouping: identified(oldElements ?? [], in: shape)) { $0.0 }
        let after = Dictionary(grouping: identified(newElements ?? [], in: shape)) { $0.0 }
        for element in Set(before.keys).union(after.keys) {
            compare(
                (before[element] ?? []).map(\.1),
                (after[element] ?? []).map(\.1),
                shape.element,
                at: path + [element],
                into: &comparison
            )
        }
        return true
    }

    /// Compares the elements with one identity: mostly one on each side; several count as a whole.
    private static func compare(
        _ old: [JSONValue],
        _ new: [JSONValue],
        _ shape: TypeShape,
        at path: [PathElement],
        into comparison: inout FieldComparison
    ) {
        switch (old.count > 1, new.count > 1) {
        case (false, false): compare(old.first, new.first, shape, at: path, into: &comparison)
        case (true, true): if old != new { comparison.modified.insert(path[...]) }
        case (true, false):
            compare(nil, new.first, shape, at: path, into: &comparison)
            comparison.removed.insert(path[...])
        case (false, true):
            compare(old.first, nil, shape, at: path, into: &comparison)
            comparison.added.insert(path[...])
        }
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
        case (.object(let members), .object(let changes)):
            return .object(members.merging(changes) { merge($1, $2, shape.member($0) ?? .anything) })
        // Null takes nothing away from what others put there.
        case (.object(let members), .null): return members.isEmpty ? applied : live
        case (.array(let elements), .array(let changes)):
            guard shape.identity != .atomic else { return applied }
            return .array(merge(identified(elements, in: shape), identified(changes, in: shape), shape))
        case (.array(let elements), .null): return elements.isEmpty || shape.identity == .atomic ? applied : live
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
        // What is there several times isn't merged with, but replaced.
        let values = Dictionary(live) { _, _ in JSONValue.null }
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

    /// The value without the fields of `set`; what gets empty by that stays, unless it is in the set itself.
    func removing(_ set: FieldSet) -> JSONValue { Self.remove(value, set, shape) }

    private static func remove(_ value: JSONValue, _ set: FieldSet, _ shape: TypeShape) -> JSONValue {
        if set.isEmpty || shape.isAtomic { return value }
        switch value {
        case .object(let members):
            var kept: [(String, JSONValue)] = []
            for (name, member) in members {
                let element = PathElement.field(name)
                if set.members.contains(element) { continue }
                kept.append((name, remove(member, set[element], shape.member(name) ?? .anything)))
            }
            return .object(JSONObject(pairs: kept))
        case .array(let elements):
            guard shape.identity != .atomic else { return value }
            return .array(
                identified(elements, in: shape).filter { !set.members.contains($0.0) }
                    .map { remove($1, set[$0], shape.element) }
            )
        default: return value
        }
    }
}
