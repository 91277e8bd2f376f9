// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Kubernetes' strategic merge patch: a merge patch that knows which lists are merged, and by which member.
///
/// Directives: `$patch` (`replace`, `delete`), `$retainKeys`, `$setElementOrder/LIST` and `$deleteFromPrimitiveList/LIST`.
/// They count where the object has something to merge with: what is new is taken as it is, but for nulls and for what
/// holds a `$patch`. As in the API server, patches whose directives make no sense are answered with 500.
public enum StrategicMergePatch {
    private static let orderDirective = "$setElementOrder"
    private static let deletionDirective = "$deleteFromPrimitiveList"
    private static let retainDirective = "$retainKeys"
    static let patchDirective = "$patch"

    /// `value` with `patch` merged into it.
    /// - Throws: 400, 422 or 500, as the API server, for a patch that isn't an object, and for directives that make no sense.
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
        return .object(try merged(members, changes, shape))
    }

    /// `original` with `patch` merged into it.
    static func merged(
        _ original: JSONObject,
        _ patch: JSONObject,
        _ shape: TypeShape
    ) throws(PatchError) -> JSONObject {
        if let directive = patch[patchDirective] {
            switch directive.string {
            case "replace": return patch.filter { name, _ in name != patchDirective }
            case "delete": return JSONObject()
            default: throw .unknownDirective(directive, in: patch)
            }
        }
        var result = try retained(original, by: patch)
        // The lists that a directive orders are merged with it, the others with all other members.
        var finished: Set<String> = [retainDirective]
        for (name, order) in patch where name.hasPrefix(orderDirective) {
            let list = try listName(name, order)
            if let elements = try orderedList(list, order, patch: patch[list], original: result[list], shape) {
                result[list] = .array(elements)
            }
            finished.formUnion([name, list])
        }
        for (name, deleted) in patch where name.hasPrefix(deletionDirective) {
            guard let list = listName(name, after: deletionDirective) else {
                throw .malformed("invalid patch format of primitive list")
            }
            result[list] = try deleting(deleted, from: result[list])
            finished.insert(name)
        }
        let rest = patch.filter { name, _ in !finished.contains(name) }
        return try result.merging(rest) { (name, current, change) throws(PatchError) in
            try merged(current, change, field(name, shape))
        }
    }

    /// The merged value of one member; `nil` when there is none.
    static func merged(
        _ current: JSONValue?,
        _ change: JSONValue,
        _ field: TypeField
    ) throws(PatchError) -> JSONValue? {
        switch (current, change) {
        case (_, .null): return nil
        case (.object(let members)?, .object(let changes)):
            return field.patch.replaces ? change : .object(try merged(members, changes, field.shape))
        case (.array(let elements)?, .array(let changes)):
            return field.patch.merges ? .array(try MergedList(elements, changes, field).elements) : change
        default: return withoutDirectives(MergePatch.withoutNulls(change))
        }
    }

    /// What a type has under a name.
    static func field(_ name: String, _ shape: TypeShape) -> TypeField {
        if case .structure(let structure) = shape.content, let field = structure.fields[name] { return field }
        return TypeField(shape: shape.member(name) ?? .anything)
    }

    /// `value` without what holds a `$patch`; `nil` when it does itself.
    static func withoutDirectives(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .object(let members):
            if members[patchDirective] != nil { return nil }
            return .object(
                JSONObject(
                    pairs: members.compactMap { name, member in
                        withoutDirectives(member).map { (name, $0) }
                    }
                )
            )
        case .array(let elements): return .array(elements.compactMap(withoutDirectives))
        default: return value
        }
    }

    // MARK: Directives

    /// The members of `original` that the patch's `$retainKeys` names; all of them where it has none.
    private static func retained(_ original: JSONObject, by patch: JSONObject) throws(PatchError) -> JSONObject {
        guard let directive = patch[retainDirective] else { return original }
        guard let keys = directive.array?.compactMap(\.string) else {
            throw .malformed("invalid patch format of retainKeys")
        }
        let retained = Set(keys)
        for (name, value) in patch where !value.isNull && name != retainDirective && !retained.contains(name) {
            guard name.hasPrefix(orderDirective) || name.hasPrefix(deletionDirective) else {
                throw .malformed("invalid patch format of retainKeys")
            }
        }
        return original.filter { name, _ in retained.contains(name) }
    }

    /// The list that a directive is about: what stands after its first `/`.
    private static func listName(_ name: String, after directive: String) -> String? {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        return parts.count == 2 && parts[0] == directive ? String(parts[1]) : nil
    }

    /// The list that the `$setElementOrder` directive `name` is about.
    private static func listName(_ name: String, _ order: JSONValue) throws(PatchError) -> String {
        guard order.array != nil else { throw .badType(order, expected: "[]interface {}") }
        guard let list = listName(name, after: orderDirective) else {
            throw .malformed("invalid patch format of setElementOrder list")
        }
        return list
    }

    /// A list without some scalars; null takes the list away, and anything else but lists changes nothing.
    private static func deleting(_ deleted: JSONValue, from list: JSONValue?) throws(PatchError) -> JSONValue? {
        if deleted.isNull { return nil }
        guard let elements = list?.array, let deleted = deleted.array, !elements.isEmpty || !deleted.isEmpty else {
            return list
        }
        if try MergedList.typeName(elements, deleted) == "object" { throw .withoutMergeKey }
        let all = Set(deleted)
        return .array(elements.filter { !all.contains($0) })
    }

    /// The list `name` merged with its patch and ordered by a `$setElementOrder` directive; `nil` when neither has it.
    private static func orderedList(
        _ name: String,
        _ order: JSONValue,
        patch: JSONValue?,
        original: JSONValue?,
        _ shape: TypeShape
    ) throws(PatchError) -> [JSONValue]? {
        for list in [original, patch] {
            if let list, list.array == nil { throw .badType(list, expected: "[]interface {}") }
        }
        guard shape.declares(name) else { throw .unknownField(name, shape) }
        let field = field(name, shape)
        let order = order.array ?? []
        try MergedList.checkOrder(of: patch?.array ?? [], order, field)
        let list: MergedList
        switch (original?.array, patch?.array) {
        case (nil, nil): return nil
        case (let elements?, nil): list = MergedList(elements: elements, server: elements)
        case (nil, let changes?): list = MergedList(elements: changes.compactMap(withoutDirectives), server: [])
        case (let elements?, let changes?):
            list =
                field.patch.merges
                ? try MergedList(elements, changes, field) : MergedList(elements: changes, server: elements)
        }
        _ = try MergedList.typeName(original?.array ?? [], patch?.array ?? [])
        return try MergedList.arranged(list.elements, by: order, server: list.server, field)
    }
}
