// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// A list after a strategic merge patch. Elements are found by their keys, so that long lists take no longer than reading them.
struct MergedList {
    /// The elements, in order.
    var elements: [JSONValue]
    /// The order in which the server has them, for a `$setElementOrder` directive: the original one; where elements were
    /// deleted, new ones take the freed places at its end.
    ///
    /// The API server happens to work so, and clients see the result.
    var server: [JSONValue]
}

extension MergedList {
    /// `original` with `changes` merged into it.
    ///
    /// Elements of the patch have its order; the others stay before those that they stood before.
    init(_ original: [JSONValue], _ changes: [JSONValue], _ field: TypeField) throws(PatchError) {
        guard !original.isEmpty || !changes.isEmpty else {
            self.init(elements: [], server: [])
            return
        }
        let typeName = try Self.typeName(original, changes)
        let key = field.patch.mergeKey
        guard typeName == "object" else {
            guard key.isEmpty else { throw .badType(original.first ?? changes[0], expected: PatchError.goMap) }
            var seen: Set<JSONValue> = []
            let elements = (original + changes).filter { seen.insert($0).inserted }
            self.init(elements: try Self.arranged(elements, by: changes, server: original, field), server: original)
            return
        }
        guard !key.isEmpty else { throw .withoutMergeKey }
        let sorted = try SortedChanges(changes, key)
        let kept = original.filter { element in element[key].map { !sorted.deleted.contains($0) } ?? true }
        if sorted.isReplacement {
            let elements = try Self.arranged(sorted.plain, by: [], server: sorted.plain, field)
            self.init(elements: elements, server: kept)
            return
        }
        let merged = try Self.merged(kept, sorted.plain, field)
        self.init(
            elements: try Self.arranged(merged, by: sorted.plain, server: kept, field),
            server: Array(merged.prefix(original.count))
        )
    }

    /// The elements of a patch by what they ask for.
    private struct SortedChanges {
        /// Elements to merge.
        var plain: [JSONValue] = []
        /// The keys of elements to delete.
        var deleted: Set<JSONValue> = []
        /// Whether the patch's elements replace all others.
        var isReplacement = false

        init(_ changes: [JSONValue], _ key: String) throws(PatchError) {
            for change in changes {
                let members = change.object ?? JSONObject()
                guard let directive = members[StrategicMergePatch.patchDirective] else {
                    plain.append(change)
                    continue
                }
                switch directive.string {
                case "delete":
                    guard let value = members[key] else { throw .noMergeKey(members, key) }
                    deleted.insert(value)
                case "replace": isReplacement = true
                case "merge": throw .failed("merging lists cannot yet be specified in the patch")
                default: throw .unknownDirective(directive, in: members)
                }
            }
        }
    }

    /// `elements` with each of `changes` merged into the one with its key, or put after them as it is.
    private static func merged(
        _ elements: [JSONValue],
        _ changes: [JSONValue],
        _ field: TypeField
    ) throws(PatchError) -> [JSONValue] {
        let key = field.patch.mergeKey
        var result = elements
        var waiting = [[JSONObject]](repeating: [], count: elements.count)
        var places: [JSONValue: Int] = [:]
        for (place, element) in elements.enumerated() {
            if let value = element[key], places[value] == nil { places[value] = place }
        }
        for change in changes {
            let members = change.object ?? JSONObject()
            guard let value = members[key] else { throw .noMergeKey(members, key) }
            if let place = places[value] {
                waiting[place].append(members)
            } else {
                places[value] = result.count
                result.append(change)
                waiting.append([])
            }
        }
        for (place, changes) in waiting.enumerated() where !changes.isEmpty {
            let current = result[place].object ?? JSONObject()
            result[place] = .object(try StrategicMergePatch.merged(current, inTurn: changes, field.shape.element))
        }
        return result
    }

    // MARK: Order

    /// `elements` that `wanted` names in its order, and the others in the server's; of these each stands before the first
    /// of those that the server has after it, as far as their order leaves that open.
    static func arranged(
        _ elements: [JSONValue],
        by wanted: [JSONValue],
        server: [JSONValue],
        _ field: TypeField
    ) throws(PatchError) -> [JSONValue] {
        let ranks = positions(try keys(of: wanted, field))
        let places = positions(try keys(of: server, field))
        let keys = try keys(of: elements, field)
        func sorted(_ indices: [Int], by order: [JSONValue: Int]) -> [Int] {
            let positions = indices.map { order[keys[$0]] ?? order.count }
            return indices.indices.sorted { (positions[$0], $0) < (positions[$1], $1) }.map { indices[$0] }
        }
        let named = sorted(elements.indices.filter { ranks[keys[$0]] != nil }, by: ranks)
        let others = sorted(elements.indices.filter { ranks[keys[$0]] == nil }, by: places)
        var result: [JSONValue] = []
        var next = 0
        for index in named {
            if let place = places[keys[index]] {
                while next < others.count, let own = places[keys[others[next]]], own < place {
                    result.append(elements[others[next]])
                    next += 1
                }
            }
            result.append(elements[index])
        }
        return result + others[next...].map { elements[$0] }
    }

    /// Refuses a patch whose elements come in another order than its `$setElementOrder` directive says.
    static func checkOrder(
        of changes: [JSONValue],
        _ order: [JSONValue],
        _ field: TypeField
    ) throws(PatchError) {
        guard !changes.isEmpty, !order.isEmpty else { return }
        let directive = StrategicMergePatch.patchDirective
        let staying = field.patch.mergeKey.isEmpty ? changes : changes.filter { $0[directive]?.string != "delete" }
        var (next, place) = (0, 0)
        while next < staying.count, place < order.count {
            if staying[next][directive] != nil {
                next += 1
                continue
            }
            if try key(of: staying[next], field) == key(of: order[place], field) { next += 1 }
            place += 1
        }
        guard next < staying.count, place >= order.count else { return }
        throw .failed(
            "The order in patch list:\n\(GoWording.value(.array(changes)))\n doesn't match $setElementOrder list:\n"
                + "\(GoWording.value(.array(order)))\n"
        )
    }

    private static func positions(_ keys: [JSONValue]) -> [JSONValue: Int] {
        Dictionary(zip(keys, keys.indices)) { first, _ in first }
    }

    private static func keys(of elements: [JSONValue], _ field: TypeField) throws(PatchError) -> [JSONValue] {
        var keys: [JSONValue] = []
        for element in elements { keys.append(try key(of: element, field)) }
        return keys
    }

    /// What identifies an element: its merge key's value, or itself.
    private static func key(of element: JSONValue, _ field: TypeField) throws(PatchError) -> JSONValue {
        let name = field.patch.mergeKey
        if name.isEmpty { return element }
        guard let members = element.object else { throw .badType(element, expected: PatchError.goMap) }
        guard let key = members[name] else { throw .noMergeKey(members, name) }
        return key
    }

    /// The type that all elements have.
    static func typeName(_ original: [JSONValue], _ changes: [JSONValue]) throws(PatchError) -> String {
        guard let first = original.first ?? changes.first else {
            throw .failed("no elements in any of the given slices")
        }
        if first.array != nil { throw .unprocessable("lists of lists are not supported") }
        let name = first.typeName
        guard original.allSatisfy({ $0.typeName == name }), changes.allSatisfy({ $0.typeName == name }) else {
            throw .failed(
                "list element types are not identical: \(GoWording.value(.array([.array(original), .array(changes)])))"
            )
        }
        return name
    }
}
