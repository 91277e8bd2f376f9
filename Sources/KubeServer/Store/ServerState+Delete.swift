// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension ServerState {
    /// What a delete led to.
    enum DeleteOutcome {
        /// The object is gone; its last state.
        case removed(KubeObject)
        /// The object waits for finalizers or its grace period; its present state.
        case waiting(KubeObject)
    }

    /// The namespaces that no cluster goes without (admission plugin NamespaceLifecycle).
    private static let immortalNamespaces: Set = ["default", "kube-public", "kube-system"]

    /// The longest grace in seconds that a deletion's time shows.
    private static let longestGrace: Int64 = 1 << 31

    /// Deletes an object, or starts to.
    mutating func delete(
        _ resource: APIResource,
        _ key: ObjectKey,
        options: DeletionOptions
    ) throws(APIStatus) -> DeleteOutcome {
        var object = try object(resource, key)
        try checkPreconditions(object, resource, options)
        if resource.storage == .namespaces, Self.immortalNamespaces.contains(key.name) {
            throw .forbidden(.namespaces, key.name, "this namespace may not be deleted")
        }
        for plugin in configuration.admission {
            _ = try plugin.review(
                AdmissionRequest(
                    operation: .delete,
                    resource: resource.type,
                    object: object,
                    old: object,
                    dryRun: options.dryRun
                )
            )
        }
        let before = object
        if options.propagation != nil { setPropagation(&object, options) }
        if resource.storage == .definitions, !object.isBeingDeleted {
            object.finalizers = object.finalizers + [DefinitionRules.cleanupFinalizer]
        }
        let grace = graceSeconds(object, resource, options)
        let wasBeingDeleted = object.isBeingDeleted
        if grace == 0, object.finalizers.isEmpty, !holdsNamespace(object, resource) {
            if !options.dryRun { remove(resource.storage, key) }
            return .removed(object)
        }
        if wasBeingDeleted {
            let running = object["metadata", "deletionGracePeriodSeconds"]?.integer ?? 0
            if grace < running { shortenDeletion(&object, from: running, to: grace) }
        } else {
            startDeletion(&object, resource, grace: grace)
            if resource.storage != .definitions, let generation = object.generation {
                object["metadata", "generation"] = .integer(generation &+ 1)
            }
        }
        guard object != before, !options.dryRun else { return .waiting(object) }
        put(resource.storage, key, resource.toStorage(object))
        object.resourceVersion = String(store.revision)
        if resource.storage == .definitions { removeInstances(ofDefinition: key.name) }
        return .waiting(object)
    }

    /// The pod's grace; zero for other kinds, and where nothing runs that could use it.
    private func graceSeconds(_ object: KubeObject, _ resource: APIResource, _ options: DeletionOptions) -> Int64 {
        guard resource.storage == .pods else { return 0 }
        if ["Succeeded", "Failed"].contains(object["status", "phase"]?.string ?? "") { return 0 }
        if (object["spec", "nodeName"]?.string ?? "").isEmpty { return 0 }
        if let wanted = options.gracePeriodSeconds { return wanted < 0 ? 1 : wanted }
        if object.isBeingDeleted { return object["metadata", "deletionGracePeriodSeconds"]?.integer ?? 0 }
        let own = object["spec", "terminationGracePeriodSeconds"]?.integer ?? 30
        return own < 0 ? 1 : own
    }

    private func startDeletion(_ object: inout KubeObject, _ resource: APIResource, grace: Int64) {
        let moment = configuration.time.now() + .seconds(min(grace, Self.longestGrace))
        object["metadata", "deletionTimestamp"] = .string(moment.rfc3339)
        object["metadata", "deletionGracePeriodSeconds"] = .integer(grace)
        if resource.storage == .namespaces { object["status", "phase"] = "Terminating" }
        if resource.storage == .definitions {
            object["metadata", "deletionGracePeriodSeconds"] = nil
            terminating(&object)
        }
    }

    /// A shorter grace counts from when the deletion started, not from now.
    private func shortenDeletion(_ object: inout KubeObject, from running: Int64, to grace: Int64) {
        if let end = object["metadata", "deletionTimestamp"]?.string.flatMap(WallTime.init(rfc3339:)) {
            object["metadata", "deletionTimestamp"] = .string(
                (end - .seconds(min(running, Self.longestGrace) - grace)).rfc3339
            )
        }
        object["metadata", "deletionGracePeriodSeconds"] = .integer(grace)
    }

    /// Whether a namespace still waits for its contents to go.
    private func holdsNamespace(_ object: KubeObject, _ resource: APIResource) -> Bool {
        resource.storage == .namespaces && !(object["spec", "finalizers"]?.array ?? []).isEmpty
    }

    /// The garbage collector's finalizers say what the client wants for the objects that this one owns.
    private func setPropagation(_ object: inout KubeObject, _ options: DeletionOptions) {
        var finalizers = object.finalizers.filter { $0 != "foregroundDeletion" && $0 != "orphan" }
        switch options.propagation {
        case .foreground: finalizers.append("foregroundDeletion")
        case .orphan: finalizers.append("orphan")
        case .background, nil: break
        }
        object.finalizers = finalizers
    }

    private func checkPreconditions(
        _ object: KubeObject,
        _ resource: APIResource,
        _ options: DeletionOptions
    ) throws(APIStatus) {
        func refuse(_ what: String, _ wanted: String, _ found: String) -> APIStatus {
            var status = APIStatus.conflict(
                resource.storage,
                object.name,
                "the \(what) in the precondition (\(wanted)) does not match the \(what) in record (\(found)). "
                    + "The object might have been \(what == "UID" ? "deleted and then recreated" : "modified")"
            )
            status.kind = resource.type.kind
            status.message = status.message.replacingPrefix(
                "Operation cannot be fulfilled on \(resource.storage.qualifiedName)",
                "Operation cannot be fulfilled on "
                    + (resource.type.group.isEmpty
                        ? resource.type.kind : "\(resource.type.kind).\(resource.type.group)")
            )
            return status
        }
        if let uid = options.uid, uid != object.uid { throw refuse("UID", uid, object.uid ?? "") }
        if let version = options.resourceVersion, version != object.resourceVersion {
            throw refuse("ResourceVersion", version, object.resourceVersion ?? "")
        }
    }
}

extension String {
    /// The text with `prefix`, where it starts with it, replaced by `other`.
    func replacingPrefix(_ prefix: String, _ other: String) -> String {
        hasPrefix(prefix) ? other + dropFirst(prefix.count) : self
    }
}
