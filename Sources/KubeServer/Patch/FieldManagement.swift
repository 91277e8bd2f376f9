// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel

/// Server-side apply and the tracking of who owns which field, for one kind and subresource.
///
/// The order of work for a write is: for an apply, `apply` and then defaulting; for anything else, defaulting and then
/// `update`. Neither drops unknown fields: `apply` refuses them, for `update` prune before.
public struct FieldManagement: Sendable {
    let schema: TypeSchema
    let type: ResourceType
    let subresource: String
    private let ignored: FieldSet

    /// Management for writes to `type` through `subresource` (`status`, `scale`; `nil` for the object itself).
    ///
    /// With `hasStatus` writes to the object itself don't touch `status`.
    public init(schema: TypeSchema, type: ResourceType, subresource: String? = nil, hasStatus: Bool = true) {
        self.schema = schema
        self.type = type
        self.subresource = subresource ?? ""
        var ignored = FieldSet()
        for name in ["apiVersion", "kind", "metadata"] { ignored.members.insert(.field(name)) }
        var metadata = FieldSet()
        for name in [
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
            "resourceVersion",
        ] {
            metadata.members.insert(.field(name))
        }
        ignored[.field("metadata")] = metadata
        stripped = ignored
        var reset = FieldSet()
        switch self.subresource {
        case "":
            if hasStatus { reset.members.insert(.field("status")) }
        case "status":
            reset.members.insert(.field("spec"))
            var labels = FieldSet()
            labels.members.insert(.field("labels"))
            reset[.field("metadata")] = labels
        default: break
        }
        self.ignored = reset
    }

    /// Fields that nobody owns: the identity of the object and what the server writes.
    private let stripped: FieldSet

    /// The object that results when `manager` applies `applied` to `live` (`nil`: it is created).
    ///
    /// The result keeps what `live` has in `metadata`; `metadata.managedFields` is up to date. When nothing but ownership
    /// changes no time is written.
    /// - Throws: 409 `Conflict` with a cause for each field of other managers that would change, unless `force`; 400 and
    ///   500 for an object that can't be applied.
    public func apply(
        live: JSONValue?,
        applied: JSONValue,
        manager: String,
        force: Bool,
        now: WallTime
    ) throws(APIStatus) -> JSONValue {
        try checkApplied(applied)
        let result = try resolved(live: live, applied: applied, manager: manager, force: force, now: now)
        return manager == "kubectl" ? withLastApplied(result, live: live, applied: applied) : result
    }

    private func resolved(
        live: JSONValue?,
        applied: JSONValue,
        manager: String,
        force: Bool,
        now: WallTime
    ) throws(APIStatus) -> JSONValue {
        do {
            return try applying(live: live, applied: applied, manager: manager, force: force, now: now)
        } catch let conflict {
            // Like the API server, lets kubectl take over what its client-side apply wrote.
            guard manager == "kubectl", let live, let explained = explainedByLastApplied(live) else {
                throw conflict.status
            }
            let rest = conflict.fields.mapValues { $0.difference(explained) }.filter { !$0.value.isEmpty }
            guard rest.isEmpty else { throw FieldConflict(fields: rest).status }
        }
        do {
            return try applying(live: live, applied: applied, manager: manager, force: true, now: now)
        } catch let conflict {
            throw conflict.status
        }
    }

    private func applying(
        live: JSONValue?,
        applied: JSONValue,
        manager: String,
        force: Bool,
        now: WallTime
    ) throws(FieldConflict) -> JSONValue {
        var old = live ?? emptyObject
        var managed = ManagedFields(old.at("metadata", "managedFields"))
        old.set(nil, at: "metadata", "managedFields")
        let identity = FieldManager(name: manager, isApplier: true, subresource: subresource, apiVersion: "")
        if managed.entries.isEmpty, live != nil {
            claim(from: emptyObject, to: old, by: beforeFirstApply, in: &managed)
            managed.entries[beforeFirstApply]?.time = now.rfc3339
        }
        let last = managed.entries[identity]
        let owned = TypedValue(value: applied, shape: schema.root).fieldSet
            .difference(stripped).recursiveDifference(ignored)
        managed.entries[identity] = ManagedFieldsEntry(fields: owned, apiVersion: type.apiVersion, time: last?.time)
        var new = TypedValue(value: old, shape: schema.root).merging(applied)
        new = prune(new, last: last?.fields, managed: managed)
        let comparison = compared(old, new)
        try settle(comparison, by: identity, in: &managed, force: force)
        if owned.isEmpty { managed.entries[identity] = nil }
        if new != old { managed.entries[identity]?.time = now.rfc3339 }
        new.set(managed.json, at: "metadata", "managedFields")
        return new
    }

    /// The object `new` with `manager` as the owner of what differs from `live` (`nil`: it is created).
    ///
    /// `managedFields` of `new` count where they are given; `[]` and `[{}]` clear them. An object without managed fields that
    /// isn't new stays without.
    public func update(live: JSONValue?, new: JSONValue, manager: String, now: WallTime) -> JSONValue {
        var old = live ?? emptyObject
        var result = new
        let given = new.at("metadata", "managedFields")
        var managed = ManagedFields(old.at("metadata", "managedFields"))
        if subresource.isEmpty, let entries = given?.array {
            if entries.isEmpty || entries == [.emptyObject] {
                managed = ManagedFields()
            } else {
                let table = ManagedFields(given)
                if !table.entries.isEmpty { managed = table }
            }
        }
        old.set(nil, at: "metadata", "managedFields")
        result.set(nil, at: "metadata", "managedFields")
        if managed.entries.isEmpty, live != nil { return result }
        if subresource == "scale", !isOwned(whatChanges(from: old, to: result), in: managed) {
            // The API server tracks a Scale by itself, and begins to track nothing that no one owns.
            result.set(managed.json, at: "metadata", "managedFields")
            return result
        }
        let identity = FieldManager(
            name: manager,
            isApplier: false,
            subresource: subresource,
            apiVersion: type.apiVersion
        )
        if claim(from: old, to: result, by: identity, in: &managed) {
            // Through `scale` the API server writes no time.
            managed.entries[identity]?.time = subresource == "scale" ? nil : now.rfc3339
            managed.cap()
        }
        result.set(managed.json, at: "metadata", "managedFields")
        return result
    }

    /// `live` when `new` differs from it in nothing but the times of managed fields, otherwise `new`.
    public static func withoutEmptyChange(live: JSONValue, new: JSONValue) -> JSONValue {
        func timeless(_ object: JSONValue) -> JSONValue {
            var object = object
            guard let entries = object.at("metadata", "managedFields")?.array else { return object }
            let stripped = entries.map { entry in
                var entry = entry
                entry["time"] = nil
                return entry.jsonText
            }
            object.set(.array(stripped.sorted().map(JSONValue.string)), at: "metadata", "managedFields")
            return object
        }
        return timeless(live) == timeless(new) ? live : new
    }

    private var beforeFirstApply: FieldManager {
        FieldManager(name: "before-first-apply", isApplier: false, subresource: "", apiVersion: type.apiVersion)
    }

    /// The fields that a write changes or adds.
    private func whatChanges(from old: JSONValue, to new: JSONValue) -> FieldSet {
        let comparison = compared(old, new)
        return comparison.modified.union(comparison.added).difference(stripped)
    }

    /// Whether anybody owns one of these fields.
    private func isOwned(_ fields: FieldSet, in managed: ManagedFields) -> Bool {
        managed.entries.values.contains { !$0.fields.intersection(fields).isEmpty }
    }

    /// Makes `manager` the owner of what differs, and takes it from the others; true when it took a field.
    @discardableResult
    private func claim(
        from old: JSONValue,
        to new: JSONValue,
        by manager: FieldManager,
        in managed: inout ManagedFields
    ) -> Bool {
        let comparison = compared(old, new)
        _ = try? settle(comparison, by: manager, in: &managed, force: true)
        let taken = comparison.modified.union(comparison.added).difference(stripped)
        let own = managed.entries[manager]
        let fields = (own?.fields ?? FieldSet()).difference(comparison.removed).union(taken)
        managed.entries[manager] =
            fields.isEmpty ? nil : ManagedFieldsEntry(fields: fields, apiVersion: type.apiVersion, time: own?.time)
        return !taken.isEmpty
    }

    /// What differs, without the fields that writes through this subresource don't touch.
    private func compared(_ old: JSONValue, _ new: JSONValue) -> FieldComparison {
        TypedValue(value: old, shape: schema.root).compared(to: new).excluding(ignored)
    }

    /// Takes changed fields from other managers, or reports a conflict.
    private func settle(
        _ comparison: FieldComparison,
        by manager: FieldManager,
        in managed: inout ManagedFields,
        force: Bool
    ) throws(FieldConflict) {
        let changed = comparison.modified.union(comparison.added)
        var conflict = FieldConflict()
        for (other, entry) in managed.entries where other != manager {
            let fields = entry.fields.intersection(changed)
            if !fields.isEmpty { conflict.fields[other] = fields }
        }
        if !force, !conflict.fields.isEmpty { throw conflict }
        for (other, entry) in managed.entries where other != manager {
            let rest = entry.fields.difference(conflict.fields[other] ?? FieldSet()).difference(comparison.removed)
            if rest.isEmpty { managed.entries[other] = nil } else { managed.entries[other]?.fields = rest }
        }
    }

    /// `merged` without what the applier had applied before and nobody owns any more.
    private func prune(_ merged: JSONValue, last: FieldSet?, managed: ManagedFields) -> JSONValue {
        guard let last, !last.isEmpty else { return merged }
        let shape = schema.root
        func fields(_ value: JSONValue) -> FieldSet {
            TypedValue(value: value, shape: shape).fieldSet.withDeclaredParents(shape)
        }
        let whole = TypedValue(value: merged, shape: shape)
        let applied = last.withDeclaredParents(shape)
        let all = fields(merged)
        var pruned = whole.removing(applied)
        // What others own comes back, whether as a field or as a parent of one.
        let owned = managed.entries.values.reduce(into: FieldSet()) { $0.formUnion($1.fields) }
            .withDeclaredParents(shape)
        pruned = whole.removing(all.difference(fields(pruned).union(owned)))
        // What is gone only because its parent is gone, and was never applied, comes back too.
        return whole.removing(all.difference(fields(pruned)).intersection(applied))
    }

    /// What the API server compares a new object with.
    private var emptyObject: JSONValue {
        var object = BuiltInShape.empty(schema.root)
        object["apiVersion"] = .string(type.apiVersion)
        object["kind"] = .string(type.kind)
        if object["metadata"] == nil { object["metadata"] = .emptyObject }
        return object
    }

    /// The fields that are as kubectl's client-side apply last wrote them; `nil` where it didn't.
    private func explainedByLastApplied(_ live: JSONValue) -> FieldSet? {
        guard let text = live.at("metadata", "annotations", Self.lastApplied)?.string,
            let last = try? JSONValue(parsing: text), last["apiVersion"]?.string == type.apiVersion,
            TypeCheck.problem(last, schema.root) == nil
        else { return nil }
        let typed = TypedValue(value: last, shape: schema.root)
        let comparison = typed.compared(to: live)
        return typed.fieldSet.difference(comparison.modified).difference(comparison.removed)
    }
}
