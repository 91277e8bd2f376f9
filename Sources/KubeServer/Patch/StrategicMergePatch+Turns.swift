// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Many patches of one object, one after the other: what a list does to an element that it names again and again.
///
/// Each of them alone would copy all that the others have gathered. Here each member, and each element of a list, gets its own
/// changes in their order; only where a directive or the order of a list is at stake, one patch is merged at a time.
extension StrategicMergePatch {
    /// `original` with each of `patches` merged into it in turn.
    static func merged(
        _ original: JSONObject,
        inTurn patches: [JSONObject],
        _ shape: TypeShape
    ) throws(PatchError) -> JSONObject {
        var result = original
        var rest = patches[...]
        while let patch = rest.first {
            let plain = rest.prefix { !$0.keys.contains { $0.hasPrefix("$") } }
            rest = rest.dropFirst(max(1, plain.count))
            guard plain.count > 1 else {
                result = try merged(result, patch, shape)
                continue
            }
            var changes: [JSONValue: [JSONValue]] = [:]
            for patch in plain {
                for (name, change) in patch { changes[.string(name), default: []].append(change) }
            }
            let names = JSONObject(pairs: changes.keys.compactMap(\.string).map { ($0, .null) })
            result = try result.merging(names) { (name, current, _) throws(PatchError) in
                try merged(current, inTurn: changes[.string(name)] ?? [], field(name, shape))
            }
        }
        return result
    }

    /// The value of one member after each of `changes` in turn; `nil` when there is none.
    private static func merged(
        _ current: JSONValue?,
        inTurn changes: [JSONValue],
        _ field: TypeField
    ) throws(PatchError) -> JSONValue? {
        var value = current
        var rest = changes[...]
        while let change = rest.first {
            switch (value, change) {
            case (.object(let members)?, .object) where !field.patch.replaces:
                let run = rest.prefix { $0.object != nil }
                rest = rest.dropFirst(run.count)
                value = .object(try merged(members, inTurn: run.compactMap(\.object), field.shape))
            case (.array(let elements)?, .array) where field.patch.merges:
                let run = rest.prefix { $0.array != nil }
                rest = rest.dropFirst(run.count)
                value = .array(try merged(elements, inTurn: run.compactMap(\.array), field))
            default:
                rest = rest.dropFirst()
                value = try merged(value, change, field)
            }
        }
        return value
    }

    /// `elements` with each of `lists` merged into them in turn.
    private static func merged(
        _ elements: [JSONValue],
        inTurn lists: [[JSONValue]],
        _ field: TypeField
    ) throws(PatchError) -> [JSONValue] {
        var elements = elements
        var keyed = lists.count > 1 ? KeyedElements(elements, field) : nil
        for list in lists where keyed?.take(list) != true {
            if let keyed { elements = try keyed.elements() }
            elements = try MergedList(elements, list, field).elements
            if keyed != nil { keyed = KeyedElements(elements, field) }
        }
        return try keyed?.elements() ?? elements
    }
}

/// A list of objects with merge keys, and what is still to be merged into them.
private struct KeyedElements {
    private struct Element {
        /// Where it stands: the smallest comes first.
        var place: Int
        var value: JSONObject
        var changes: [JSONObject] = []
    }

    private var byKey: [JSONValue: Element] = [:]
    private var firstPlace = 0
    private let field: TypeField

    /// The elements of a list; `nil` for one with scalars, without keys, or with a key twice.
    init?(_ elements: [JSONValue], _ field: TypeField) {
        self.field = field
        for (place, element) in elements.enumerated() {
            guard let members = element.object, let key = members[field.patch.mergeKey], byKey[key] == nil else {
                return nil
            }
            byKey[key] = Element(place: place, value: members)
        }
    }

    /// Notes a list to be merged, where that moves none of the elements: new ones come first and get the front places, then
    /// those that are there, in their order. Answers false, and notes nothing, for any other list.
    mutating func take(_ list: [JSONValue]) -> Bool {
        var changes: [(key: JSONValue, members: JSONObject)] = []
        var added: Set<JSONValue> = []
        var last: Int?
        for change in list {
            guard let members = change.object, members[StrategicMergePatch.patchDirective] == nil,
                let key = members[field.patch.mergeKey]
            else { return false }
            changes.append((key, members))
            if let place = byKey[key]?.place {
                if let last, place < last { return false }
                last = place
            } else if last == nil || added.contains(key) {
                added.insert(key)
            } else {
                return false
            }
        }
        firstPlace -= added.count
        var place = firstPlace
        for (key, members) in changes {
            guard byKey[key] == nil else {
                byKey[key]?.changes.append(members)
                continue
            }
            byKey[key] = Element(place: place, value: members)
            place += 1
        }
        return true
    }

    /// The list with all that was noted merged into it.
    func elements() throws(PatchError) -> [JSONValue] {
        var result: [JSONValue] = []
        for element in byKey.values.sorted(by: { $0.place < $1.place }) {
            result.append(
                .object(
                    try StrategicMergePatch.merged(element.value, inTurn: element.changes, field.shape.element)
                )
            )
        }
        return result
    }
}
