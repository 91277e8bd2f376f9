// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension ServerState {
    /// How the new state of an object comes about.
    enum Change {
        /// The client sent the whole object.
        case replacement
        /// The client sent a patch, which the server applied.
        case patch
        /// The client sent an apply; the managed fields are computed already.
        case apply
    }

    /// Changes an object; `transform` makes its new state, in the version of `resource`, of the present one.
    mutating func update(
        _ resource: APIResource,
        _ key: ObjectKey,
        subresource: String? = nil,
        change: Change,
        options: WriteOptions,
        transform: (KubeObject) throws(APIStatus) -> KubeObject
    ) throws(APIStatus) -> WriteOutcome {
        let live = try object(resource, key)
        var new = try transform(live)
        try checkIdentity(&new, live: live, resource, key, change: change)
        restoreMetadata(&new, live: live)
        keepOtherPart(&new, live: live, resource, subresource)
        new = defaulted(new, resource)
        if resource.storage == .services { keepAddress(&new, live: live) }
        if subresource != "status" { bumpGeneration(&new, live: live, resource) }
        try refuse(
            ObjectRules.finalizers(live, to: new) + ObjectRules.updating(live, to: new, resource),
            new,
            resource
        )
        var outcome = try reviewed(
            AdmissionRequest(
                operation: .update,
                resource: resource.type,
                subresource: subresource,
                object: new,
                old: live,
                dryRun: options.dryRun
            ),
            resource
        )
        record(&outcome.object, live: live, resource, subresource, change: change, manager: options.manager)
        try requireReadable(outcome.object, resource)
        if resource.storage == .definitions, subresource == nil {
            outcome.warnings += DefinitionRules.warnings(outcome.object)
        }
        if resource.storage == .services, !isFinished(outcome.object) {
            try settleAddress(&outcome.object, live: live, dryRun: options.dryRun)
        }
        // Numbers that are written alike are alike: `1.0` is stored as `1`.
        let isUnchanged = outcome.object == live || outcome.object.json.encoded() == live.json.encoded()
        if options.dryRun || (isUnchanged && !isFinished(live)) { return outcome }
        if isFinished(outcome.object) {
            remove(resource.storage, key)
            return outcome
        }
        outcome.stored = put(resource.storage, key, resource.toStorage(outcome.object))
        outcome.object.resourceVersion = String(store.revision)
        if resource.storage == .definitions { acceptDefinition(named: key.name) }
        return outcome
    }

    /// Notes who owns what changed, unless the client's apply did; nothing changes where that would be all.
    private func record(
        _ new: inout KubeObject,
        live: KubeObject,
        _ resource: APIResource,
        _ subresource: String?,
        change: Change,
        manager: String
    ) {
        if case .apply = change {
        } else {
            new.json = fields(resource, subresource)
                .update(live: live.json, new: new.json, manager: manager, now: configuration.time.now())
        }
        new.json = FieldManagement.withoutEmptyChange(live: live.json, new: new.json)
    }

    /// Whether nothing holds the object back from going away any more.
    func isFinished(_ object: KubeObject) -> Bool {
        guard object.isBeingDeleted, object.finalizers.isEmpty else { return false }
        if object.kind == "Namespace", !(object["spec", "finalizers"]?.array ?? []).isEmpty { return false }
        return (object["metadata", "deletionGracePeriodSeconds"]?.integer ?? 0) == 0
    }

    private func checkIdentity(
        _ new: inout KubeObject,
        live: KubeObject,
        _ resource: APIResource,
        _ key: ObjectKey,
        change: Change
    ) throws(APIStatus) {
        if new.name.isEmpty { new.name = key.name }
        guard new.name == key.name else {
            throw .otherName(new.name, than: key)
        }
        try place(&new, resource, namespace: key.namespace)
        let version = new.resourceVersion ?? ""
        if version.isEmpty, resource.isCustom, case .replacement = change {
            var status = APIStatus.invalid(
                group: resource.type.group,
                kind: resource.type.plural,
                name: key.name,
                causes: [.invalid("metadata.resourceVersion", 0, "must be specified for an update")]
            )
            status.kind = resource.type.plural
            throw status
        }
        if let uid = new.uid, !uid.isEmpty, let liveUID = live.uid, uid != liveUID {
            if case .patch = change {
                let cause = APIStatus.Cause.invalid("metadata.uid", .string(uid), "field is immutable")
                try refuse([cause, cause], live, resource)
            }
            let path = ["/registry", resource.storage.group, resource.storage.plural, key.namespace ?? "", key.name]
                .filter { !$0.isEmpty }.joined(separator: "/")
            throw .conflict(
                resource.storage,
                key.name,
                "StorageError: invalid object, Code: 4, Key: \(path), ResourceVersion: 0, AdditionalErrorMsg: "
                    + "Precondition failed: UID in precondition: \(uid), UID in object meta: \(liveUID)"
            )
        }
        if !version.isEmpty, version != live.resourceVersion { throw .conflict(resource.storage, key.name) }
    }

    private func restoreMetadata(_ new: inout KubeObject, live: KubeObject) {
        new.json["apiVersion"] = live.json["apiVersion"]
        new.json["kind"] = live.json["kind"]
        for member in [
            "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation",
            "resourceVersion", "generateName",
        ] {
            new["metadata", member] = live["metadata", member]
        }
        new["metadata", "selfLink"] = nil
        Self.dropEmptyMetadata(of: &new)
    }

    /// Read into its type, as the API server does, what is empty is absent.
    static func dropEmptyMetadata(of object: inout KubeObject) {
        for member in ["labels", "annotations", "finalizers", "ownerReferences"] {
            let value = object["metadata", member]
            if value?.object?.isEmpty ?? value?.array?.isEmpty ?? false { object["metadata", member] = nil }
        }
    }

    /// A write to the main resource leaves the status alone, and a write to `/status` the rest.
    private func keepOtherPart(
        _ new: inout KubeObject,
        live: KubeObject,
        _ resource: APIResource,
        _ subresource: String?
    ) {
        switch subresource {
        case "status":
            var result = live
            result["status"] = new["status"]
            result["metadata", "managedFields"] = new["metadata", "managedFields"]
            if resource.storage == .nodes || resource.storage == .pods {
                result.labels = new.labels
                result.annotations = new.annotations
            }
            // Its controller writes the revision together with the status.
            if resource.storage == .deployments { result.annotations = new.annotations }
            new = result
        case "finalize":
            var result = live
            result["spec", "finalizers"] = new["spec", "finalizers"]
            new = result
        default:
            if resource.hasStatus { new["status"] = live["status"] }
            if resource.storage == .namespaces { new["spec", "finalizers"] = live["spec", "finalizers"] }
        }
    }

    /// A Service keeps its address where the client names none, and loses it with a type that has none.
    ///
    /// What the client changed by itself stays.
    private func keepAddress(_ new: inout KubeObject, live: KubeObject) {
        guard Self.isExternal(new) else {
            if (new["spec", "clusterIP"]?.string ?? "").isEmpty {
                new["spec", "clusterIP"] = live["spec", "clusterIP"]
                new["spec", "clusterIPs"] = live["spec", "clusterIPs"]
            }
            for member in ["ipFamilies", "ipFamilyPolicy"] where new["spec", member] == nil {
                new["spec", member] = live["spec", member]
            }
            return
        }
        guard !Self.isExternal(live) else { return }
        for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]
        where new["spec", member] == live["spec", member] {
            new["spec", member] = nil
        }
    }

    /// Takes or frees the address of a Service whose type changes; nothing may refuse the change after this.
    private mutating func settleAddress(
        _ new: inout KubeObject,
        live: KubeObject,
        dryRun: Bool
    ) throws(APIStatus) {
        switch (Self.isExternal(live), Self.isExternal(new)) {
        case (true, false):
            let before = addresses
            try addresses.allocate(&new)
            if dryRun { addresses = before }
        case (false, true): if !dryRun { addresses.release(live) }
        case (true, true), (false, false): break
        }
    }

    private static func isExternal(_ service: KubeObject) -> Bool {
        service["spec", "type"]?.string == "ExternalName"
    }

    private func bumpGeneration(_ new: inout KubeObject, live: KubeObject, _ resource: APIResource) {
        guard resource.tracksGeneration || resource.isCustom, let generation = live.generation else { return }
        if Self.desire(new, resource) != Self.desire(live, resource) {
            new["metadata", "generation"] = .integer(generation &+ 1)
        }
    }

    /// The part of an object whose changes `metadata.generation` counts; of deployments the annotations are one.
    private static func desire(_ object: KubeObject, _ resource: APIResource) -> JSONValue {
        var json = object.json
        json["metadata"] = resource.storage == .deployments ? object["metadata", "annotations"] : nil
        if resource.hasStatus { json["status"] = nil }
        return json
    }
}
