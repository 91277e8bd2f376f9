// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeModel

extension ResourceHandler {
    /// PUT of an object or of a subresource that speaks the object's own kind.
    func replace(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ subresource: String?,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        let options = try request.writeOptions("UpdateOptions")
        let decoded = try BodyDecoder.object(request, resource, validation: options.validation)
        // Before it is looked up, as the real server: a slip of the pen isn't a missing object.
        let name = decoded.object.name
        guard name.isEmpty || name == key.name else { throw .otherName(name, than: key) }
        let outcome = try state.with { state throws(APIStatus) in
            try state.update(resource, key, subresource: subresource, change: .replacement, options: options) { _ in
                decoded.object
            }
        }
        return written(outcome, resource, answer, decoded.warnings)
    }

    /// PATCH of an object or of a subresource that speaks the object's own kind.
    func patch(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ subresource: String?,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        let kind = try PatchKind.of(request, resource)
        let options = try request.writeOptions("PatchOptions", isApply: kind == .apply)
        if kind == .apply {
            let outcome = try apply(try BodyDecoder.yaml(request.body), key, subresource, resource, options)
            return written(outcome.outcome, resource, answer, outcome.warnings)
        }
        // That there is no such object comes before what is wrong with the patch.
        let read = Result { () throws(APIStatus) in try kind.patch(request, options.validation) }
        var warnings: [String] = []
        let schema = TypeSchema.of(resource)
        let outcome = try state.with { state throws(APIStatus) in
            try state.update(resource, key, subresource: subresource, change: .patch, options: options) {
                live throws(APIStatus) in
                let patch = try read.get()
                let patched = try kind.patched(live.json, patch, schema: schema)
                let decoded = try BodyDecoder.checked(
                    patched,
                    resource,
                    complaints: patch.complaints,
                    validation: options.validation
                ) { why in
                    .invalidPatch(kind == .strategic ? GoWording.value(patch.value) : patched.jsonText, why)
                }
                warnings = decoded.warnings
                return decoded.object
            }
        }
        return written(outcome, resource, answer, warnings)
    }

    /// Server-side apply.
    private func apply(
        _ patch: JSONValue,
        _ key: ObjectKey,
        _ subresource: String?,
        _ resource: APIResource,
        _ options: WriteOptions
    ) throws(APIStatus) -> (outcome: WriteOutcome, warnings: [String]) {
        try checkApplied(patch, key, resource)
        // What the type doesn't have is refused, however fields are validated: it could have no owner.
        try state.with { $0.fields(resource, subresource) }.checkApplied(patch)
        let decoded = try BodyDecoder.checked(patch, resource, validation: options.validation)
        var applied = decoded.object
        if applied.name.isEmpty { applied.name = key.name }
        guard applied.name == key.name else {
            throw .otherName(applied.name, than: key)
        }
        let now = configuration.time.now()
        let intent = applied
        let outcome = try state.with { state throws(APIStatus) -> WriteOutcome in
            var placed = intent
            try state.place(&placed, resource, namespace: key.namespace)
            let management = state.fields(resource, subresource)
            func merged(_ live: JSONValue?) throws(APIStatus) -> KubeObject {
                KubeObject(
                    try management.apply(
                        live: live,
                        applied: intent.json,
                        manager: options.manager,
                        force: options.force,
                        now: now
                    )
                )
            }
            if state.store.object(resource.storage, key) == nil {
                if subresource != nil { throw .notFound(resource.storage, key.name) }
                if intent.uid != nil {
                    throw .conflict(
                        resource.storage,
                        key.name,
                        "uid mismatch: the provided object specified uid "
                            + "\(intent.uid ?? ""), and no existing object was found"
                    )
                }
                return try state.create(
                    resource,
                    namespace: key.namespace,
                    merged(nil),
                    options: options,
                    isApplied: true
                )
            }
            return try state.update(resource, key, subresource: subresource, change: .apply, options: options) {
                live throws(APIStatus) in
                if let version = intent.resourceVersion, !version.isEmpty, version != live.resourceVersion {
                    throw .conflict(resource.storage, key.name)
                }
                return try merged(live.json)
            }
        }
        return (outcome, decoded.warnings)
    }

    private func checkApplied(_ patch: JSONValue, _ key: ObjectKey, _ resource: APIResource) throws(APIStatus) {
        let version = patch["apiVersion"]?.string ?? ""
        let kind = patch["kind"]?.string ?? ""
        if version.isEmpty || kind.isEmpty {
            let parts = version.split(separator: "/", omittingEmptySubsequences: false)
            let group = parts.count == 2 ? String(parts[0]) : ""
            throw .badRequest("invalid object type: \(group)/\(parts.last ?? ""), Kind=\(kind)")
        }
        if let fields = patch.at("metadata", "managedFields"), !fields.isNull {
            throw .badRequest("metadata.managedFields must be nil")
        }
    }

    /// Requests below an object.
    func subresource(
        _ request: ServerRequest,
        _ target: RequestTarget,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) async throws(APIStatus) -> ServerAnswer {
        guard let name = target.name else { throw .unknownResource }
        let key = ObjectKey(namespace: target.namespace, name: name)
        switch target.subresource {
        case "status" where resource.hasStatus: return try same(request, key, "status", resource, answer)
        case "finalize" where resource.storage == .namespaces:
            guard request.method == .put else { throw .methodNotAllowed }
            return try replace(request, key, "finalize", resource, answer)
        case "scale":
            guard let rules = resource.scale else { throw .unknownResource }
            return try scale(request, key, resource, rules)
        case "log" where resource.storage == .pods:
            guard request.method == .get else { throw .methodNotAllowed }
            return try await PodLogHandler(state: state, source: configuration.podLogs).answer(request, key, resource)
        case "eviction" where resource.storage == .pods:
            guard request.method == .post else { throw .methodNotAllowed }
            return try evict(request, key, resource)
        case "exec" where resource.storage == .pods, "attach" where resource.storage == .pods,
            "portforward" where resource.storage == .pods, "proxy" where resource.storage == .pods:
            throw .noStream(target.subresource ?? "")
        default: throw .unknownResource
        }
    }

    private func same(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ subresource: String,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        switch request.method {
        case .get: return try get(request, key, resource, answer)
        case .put: return try replace(request, key, subresource, resource, answer)
        case .patch: return try patch(request, key, subresource, resource, answer)
        default: throw .methodNotAllowed
        }
    }

    private func scale(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ resource: APIResource,
        _ rules: APIResource.Scale
    ) throws(APIStatus) -> ServerAnswer {
        let transform: (KubeObject) throws(APIStatus) -> KubeObject
        let options: WriteOptions
        switch request.method {
        case .get:
            let found = try state.with { state throws(APIStatus) in try state.object(resource, key) }
            return ServerAnswer(try ScaleForm.read(found, resource, rules).json)
        case .put:
            options = try request.writeOptions("UpdateOptions")
            var duplicates: [String] = []
            let body = KubeObject(try BodyDecoder.parsed(request, kind: "Scale", duplicates: &duplicates))
            transform = { live throws(APIStatus) in
                try ScaleForm.applied(body, to: live, resource, rules)
            }
        case .patch:
            let kind = try PatchKind.of(request, resource)
            guard kind != .apply else { throw .notImplemented("server-side apply of the scale subresource") }
            options = try request.writeOptions("PatchOptions")
            let read = Result { () throws(APIStatus) in try kind.patch(request, options.validation) }
            // A Scale has no lists, so a strategic merge is a merge.
            let plain = kind == .strategic ? PatchKind.merge : kind
            transform = { live throws(APIStatus) in
                let scale = ScaleForm.scale(live, rules)
                let changed = try plain.patched(scale.json, try read.get(), schema: .custom(nil))
                return try ScaleForm.applied(KubeObject(changed), to: live, resource, rules)
            }
        default: throw .methodNotAllowed
        }
        let outcome = try state.with { state throws(APIStatus) in
            try state.update(
                resource,
                key,
                subresource: "scale",
                change: .patch,
                options: options,
                transform: transform
            )
        }
        return ServerAnswer(ScaleForm.scale(outcome.object, rules).json, warnings: outcome.warnings)
    }

    /// An eviction deletes the pod; disruption budgets are not enforced, so a pod under one is refused.
    private func evict(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ resource: APIResource
    ) throws(APIStatus) -> ServerAnswer {
        var duplicates: [String] = []
        let body = try BodyDecoder.parsed(request, kind: "Eviction", duplicates: &duplicates)
        let options = try DeletionOptions(body: body["deleteOptions"] ?? .null, query: request.query)
        try state.with { state throws(APIStatus) in
            let pod = try state.object(resource, key)
            let budgets =
                state.store.list(
                    StoredKind(group: "policy", plural: "poddisruptionbudgets"),
                    namespace: key.namespace
                ) ?? []
            for budget in budgets {
                guard let selector = try? LabelSelector(budget.object["spec", "selector"] ?? .null),
                    selector.matches(pod.labels)
                else { continue }
                throw .notImplemented("eviction of pods under a PodDisruptionBudget (\(budget.key.name))")
            }
            _ = try state.delete(resource, key, options: options)
        }
        return ServerAnswer(
            ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "code": 201],
            status: .created
        )
    }
}
