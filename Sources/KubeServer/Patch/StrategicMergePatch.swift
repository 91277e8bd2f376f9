// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Kubernetes' strategic merge patch: a merge patch that knows which lists are merged, and by which member.
///
/// Directives: `$patch` (`merge`, `replace`, `delete`), `$retainKeys`, `$setElementOrder/LIST` and
/// `$deleteFromPrimitiveList/LIST`.
public enum StrategicMergePatch {
    static let orderPrefix = "$setElementOrder/"
    static let deletionPrefix = "$deleteFromPrimitiveList/"

    /// `value` with `patch` merged into it.
    /// - Throws: 400 for a patch that isn't an object, and for directives that make no sense.
    public static func apply(
        _ patch: JSONValue,
        to value: JSONValue,
        schema: TypeSchema
    ) throws(PatchError) -> JSONValue {
        try apply(patch, to: value, shape: schema.root)
    }

    static func apply(_ patch: JSONValue, to value: JSONValue, shape: TypeShape) throws(PatchError) -> JSONValue {
        guard let changes = patch.object, let members = value.object else {
            throw .malformed("error decoding patch: the patch must be an object")
        }
        return .object(try merge(changes, into: members, shape))
    }

    private static func merge(
        _ patch: JSONObject,
        into original: JSONObject,
        _ shape: TypeShape
    ) throws(PatchError) -> JSONObject {
        var patch = patch
        var result = original
        if let directive = patch["$patch"] {
            patch["$patch"] = nil
            switch directive.string {
            case "replace": return withoutDirectives(patch)
            case "delete": return JSONObject()
            case "merge": break
            default: throw .malformed("Unknown patch type found: \(directive.jsonText)")
            }
        }
        try retainKeys(of: &patch, in: &result)
        for name in patch.keys where name.hasPrefix(deletionPrefix) {
            let list = String(name.dropFirst(deletionPrefix.count))
            if let elements = result[list]?.array, let deleted = patch[name]?.array {
                result[list] = .array(elements.filter { !deleted.contains($0) })
            }
            patch[name] = nil
        }
        for name in patch.keys where name.hasPrefix(orderPrefix) {
            guard let order = patch[name]?.array else {
                throw .malformed("\(name) must be a list")
            }
            try reorder(String(name.dropFirst(orderPrefix.count)), order, patch: &patch, result: &result, shape)
            patch[name] = nil
        }
        for (name, change) in patch {
            result[name] = try merge(change, into: result[name], field(name, shape))
        }
        return result
    }

    /// The merged value of one member; `nil` removes it.
    private static func merge(
        _ change: JSONValue,
        into current: JSONValue?,
        _ field: TypeField
    ) throws(PatchError) -> JSONValue? {
        switch change {
        case .null: return nil
        case .object(let changes):
            if field.patch.replaces { return change }
            return .object(try merge(changes, into: current?.object ?? JSONObject(), field.shape))
        case .array(let elements):
            guard field.patch.merges else { return change }
            let merged = try merge(elements, into: current?.array ?? [], field)
            return .array(arranged(merged, by: order(of: elements, field), field))
        default: return change
        }
    }

    private static func field(_ name: String, _ shape: TypeShape) -> TypeField {
        if case .structure(let structure) = shape.content, let field = structure.fields[name] { return field }
        return TypeField(shape: shape.member(name) ?? .anything)
    }

    /// A map that is taken over whole: without directives.
    private static func withoutDirectives(_ members: JSONObject) -> JSONObject {
        members.filter { name, _ in
            name != "$patch" && name != "$retainKeys" && !name.hasPrefix(orderPrefix) && !name.hasPrefix(deletionPrefix)
        }
    }

    private static func retainKeys(of patch: inout JSONObject, in result: inout JSONObject) throws(PatchError) {
        guard let directive = patch["$retainKeys"] else { return }
        guard let keys = directive.array?.compactMap(\.string) else {
            throw .malformed("$retainKeys must be a list of strings")
        }
        patch["$retainKeys"] = nil
        let retained = Set(keys)
        for (name, value) in patch where !name.hasPrefix("$") && value != .null && !retained.contains(name) {
            throw .malformed("\(name) is in the patch but not in its $retainKeys list \(directive.jsonText)")
        }
        result = result.filter { name, _ in retained.contains(name) }
    }

    // MARK: Lists

    /// Merges and orders the list `name` by a `$setElementOrder` directive.
    private static func reorder(
        _ name: String,
        _ order: [JSONValue],
        patch: inout JSONObject,
        result: inout JSONObject,
        _ shape: TypeShape
    ) throws(PatchError) {
        let field = field(name, shape)
        let original = result[name]?.array ?? []
        let changes = patch[name]?.array
        guard result[name]?.array != nil || changes != nil else { return }
        let wanted = order.map { key(of: $0, field) }
        if let changes {
            let listed = changes.filter { $0["$patch"] == nil }.map { key(of: $0, field) }
            var position = wanted.startIndex
            for key in listed {
                guard let next = wanted[position...].firstIndex(of: key) else {
                    throw .malformed(
                        "The order in patch list:\n\(JSONValue.array(changes).jsonText)\n doesn't match "
                            + "\(orderPrefix)\(name) list:\n\(JSONValue.array(order).jsonText)\n"
                    )
                }
                position = next + 1
            }
        }
        let merged = try merge(changes ?? [], into: original, field)
        result[name] = .array(arranged(merged, by: wanted, field))
        patch[name] = nil
    }

    /// What identifies an element: its merge key's value, or itself.
    private static func key(of element: JSONValue, _ field: TypeField) -> JSONValue {
        field.patch.mergeKey.isEmpty ? element : element[field.patch.mergeKey] ?? .null
    }

    private static func order(of elements: [JSONValue], _ field: TypeField) -> [JSONValue] {
        elements.filter { $0["$patch"] == nil }.map { key(of: $0, field) }
    }

    /// Elements and the order in which the server has them.
    private struct MergedList {
        /// Original and patched elements, without regard to order.
        var elements: [JSONValue]
        /// The original order; where elements were deleted, new ones take the freed places at its end.
        ///
        /// The API server happens to work so, and clients see the result.
        var server: [JSONValue]
        /// Whether the patch replaced the list.
        var isReplaced = false
    }

    private static func merge(
        _ changes: [JSONValue],
        into original: [JSONValue],
        _ field: TypeField
    ) throws(PatchError) -> MergedList {
        let mergeKey = field.patch.mergeKey
        guard !mergeKey.isEmpty else {
            var result = original
            var seen = Set(original)
            for change in changes where seen.insert(change).inserted { result.append(change) }
            return MergedList(elements: result, server: original)
        }
        var result = original
        var plain: [JSONObject] = []
        var replaces = false
        for change in changes {
            guard var members = change.object else {
                throw .malformed("an element of a merging list must be an object: \(change.jsonText)")
            }
            let directive = members["$patch"]?.string
            members["$patch"] = nil
            switch directive {
            case nil, "merge": plain.append(members)
            case "replace":
                replaces = true
                if !members.isEmpty { plain.append(members) }
            case "delete":
                guard let key = members[mergeKey] else { throw missingKey(members, mergeKey) }
                result.removeAll { $0[mergeKey] == key }
            case .some(let word): throw .malformed("Unknown patch type found: \(word)")
            }
        }
        if replaces {
            let elements = plain.map { JSONValue.object(withoutDirectives($0)) }
            return MergedList(elements: elements, server: original, isReplaced: true)
        }
        for members in plain {
            guard let key = members[mergeKey] else { throw missingKey(members, mergeKey) }
            if let index = result.firstIndex(where: { $0[mergeKey] == key }) {
                let current = result[index].object ?? JSONObject()
                result[index] = .object(try merge(members, into: current, field.shape.element))
            } else {
                result.append(.object(try merge(members, into: JSONObject(), field.shape.element)))
            }
        }
        let server = result.count > original.count ? Array(result.prefix(original.count)) : result
        return MergedList(elements: result, server: server)
    }

    private static func missingKey(_ members: JSONObject, _ key: String) -> PatchError {
        .malformed("map: \(JSONValue.object(members).jsonText) does not contain declared merge key: \(key)")
    }

    /// Elements that `order` names in its order; the others where they stood before the next of those.
    private static func arranged(_ list: MergedList, by order: [JSONValue], _ field: TypeField) -> [JSONValue] {
        if list.isReplaced { return list.elements }
        let rank = Dictionary(order.enumerated().map { ($1, $0) }) { first, _ in first }
        let server = Dictionary(list.server.enumerated().map { (key(of: $1, field), $0) }) { first, _ in first }
        func rankOf(_ element: JSONValue) -> Int? { rank[key(of: element, field)] }
        let ordered = list.elements.enumerated().filter { rankOf($0.element) != nil }
            .sorted { (rankOf($0.element) ?? 0, $0.offset) < (rankOf($1.element) ?? 0, $1.offset) }.map(\.element)
        let others = list.elements.filter { rankOf($0) == nil }
        var result: [JSONValue] = []
        var next = 0
        for element in ordered {
            while next < others.count, let own = server[key(of: others[next], field)],
                let its = server[key(of: element, field)], own < its
            {
                result.append(others[next])
                next += 1
            }
            result.append(element)
        }
        return result + others[next...]
    }
}
