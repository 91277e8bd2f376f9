// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import Synchronization

/// Answers requests for resources: the verbs on collections, objects and subresources.
struct ResourceHandler: Sendable {
    /// The state of the server.
    let state: StateBox
    /// What the server was made of.
    let configuration: APIServerConfiguration

    /// Answers a request whose path names a resource.
    func answer(_ request: ServerRequest, _ target: RequestTarget) async throws(APIStatus) -> ServerAnswer {
        guard
            let resource = state.with({
                $0.registry.resource(group: target.group, version: target.version, plural: target.plural)
            }),
            resource.type.isNamespaced || target.namespace == nil
        else { throw .unknownResource }
        if !resource.isStored {
            guard request.method == .post, target.name == nil else { throw .methodNotAllowed }
            return try AccessReview.answer(
                request,
                resource,
                state,
                isToken: configuration.accepts,
                now: configuration.time.now()
            )
        }
        if let name = target.name, resource.type.isNamespaced, target.namespace == nil {
            _ = name
            throw .unknownResource
        }
        guard let form = request.accept.form() else {
            throw .notAcceptable(isCustom: resource.isCustom)
        }
        let answer = ObjectAnswer(
            form: form,
            include: request.query["includeObject"] ?? "Metadata",
            time: configuration.time
        )
        if target.isWatch {
            guard request.method == .get else { throw .methodNotAllowed }
            guard target.subresource == nil else { throw .unknownResource }
            return try list(request, target, resource, answer)
        }
        if target.subresource != nil { return try await subresource(request, target, resource, answer) }
        if let name = target.name {
            return try object(request, ObjectKey(namespace: target.namespace, name: name), resource, answer)
        }
        return try collection(request, target, resource, answer)
    }

    private func collection(
        _ request: ServerRequest,
        _ target: RequestTarget,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        switch request.method {
        case .get: return try list(request, target, resource, answer)
        case .post:
            guard !resource.type.isNamespaced || target.namespace != nil else { throw .methodNotAllowed }
            let options = try request.writeOptions("CreateOptions")
            let decoded = try BodyDecoder.object(request, resource, validation: options.validation)
            let outcome = try state.with { state throws(APIStatus) in
                try state.create(resource, namespace: target.namespace, decoded.object, options: options)
            }
            return written(outcome, resource, answer, decoded.warnings)
        case .delete: return try deleteCollection(request, target, resource, answer)
        default: throw .methodNotAllowed
        }
    }

    private func object(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        switch request.method {
        case .get: return try get(request, key, resource, answer)
        case .put: return try replace(request, key, nil, resource, answer)
        case .patch: return try patch(request, key, nil, resource, answer)
        case .delete:
            let options = try deletionOptions(request)
            let outcome = try state.with { state throws(APIStatus) in
                try state.delete(resource, key, options: options)
            }
            return deleted(outcome, resource, answer)
        default: throw .methodNotAllowed
        }
    }

    private func list(
        _ request: ServerRequest,
        _ target: RequestTarget,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        let query = try ListQuery(request.query, resource: resource, target: target)
        if query.isWatch {
            // A stream of documents in YAML has no form that clients know.
            guard !request.accept.prefersYAML else { throw .notAcceptable(isCustom: resource.isCustom) }
            return watch(query, target, resource, answer)
        }
        let page = try state.with { state throws(APIStatus) in
            try state.list(resource, namespace: target.namespace, query)
        }
        return ServerAnswer(json: answer.bytes(of: page, resource))
    }

    /// The object as it is now; an older resource version is satisfied by it, a later one can't be.
    func get(
        _ request: ServerRequest,
        _ key: ObjectKey,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        let wanted = try ListQuery.revision(request.query["resourceVersion"], isList: false) ?? 0
        let found = try state.with { state throws(APIStatus) in
            try state.store.requireRevision(wanted)
            return try state.stored(resource, key)
        }
        return ServerAnswer(json: answer.bytes(of: found, resource))
    }

    private func watch(
        _ query: ListQuery,
        _ target: RequestTarget,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) -> ServerAnswer {
        let limit = configuration.watchBufferLimit
        let (mailbox, id) = state.with { state in
            let selection = state.selection(resource, namespace: target.namespace, query)
            let start = state.start(of: selection, query)
            let mailbox = WatchMailbox(
                selection: selection,
                initial: start.events,
                after: start.after,
                limit: limit
            )
            return (mailbox, state.add(mailbox))
        }
        if case .error? = mailbox.first { mailbox.close() }
        let state = state
        let kind = resource.storage
        let encoder = WatchEncoder(resource: resource, answer: answer)
        let time = configuration.time
        // Without a timeout the server ends a watch after 30 to 60 minutes; a fixed hour is simpler to reason about.
        let seconds = query.timeoutSeconds.flatMap { $0 > 0 ? min($0, 1 << 31) : nil } ?? 3600
        let stream = WatchStream(
            subscription: WatchSubscription(mailbox: mailbox) { state.with { $0.removeMailbox(id, of: kind) } },
            time: time,
            deadline: time.now() + .seconds(seconds),
            bookmarkInterval: query.allowsBookmarks ? configuration.bookmarkInterval : nil,
            currentRevision: { state.with { $0.store.revision } },
            encode: { encoder.line($0) }
        )
        return ServerAnswer(stream: StreamingBody(stream), contentType: "application/json")
    }

    private func deleteCollection(
        _ request: ServerRequest,
        _ target: RequestTarget,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) throws(APIStatus) -> ServerAnswer {
        guard resource.verbs.contains("deletecollection"), !resource.type.isNamespaced || target.namespace != nil
        else { throw .methodNotAllowed }
        let options = try deletionOptions(request)
        var query = try ListQuery(request.query, resource: resource)
        query.isWatch = false
        let page = try state.with { state throws(APIStatus) in
            let page = try state.list(resource, namespace: target.namespace, query)
            for stored in page.objects { _ = try state.delete(resource, stored.key, options: options) }
            return page
        }
        return ServerAnswer(json: answer.bytes(of: page, resource))
    }

    private func deletionOptions(_ request: ServerRequest) throws(APIStatus) -> DeletionOptions {
        var duplicates: [String] = []
        let body =
            request.body.isEmpty
            ? JSONValue.null : try BodyDecoder.parsed(request, kind: "DeleteOptions", duplicates: &duplicates)
        return try DeletionOptions(body: body, query: request.query)
    }

    private func deleted(
        _ outcome: ServerState.DeleteOutcome,
        _ resource: APIResource,
        _ answer: ObjectAnswer
    ) -> ServerAnswer {
        switch outcome {
        case .waiting(let object): return ServerAnswer(answer.json(of: object, resource))
        case .removed(let object):
            if resource.returnsDeletedObject { return ServerAnswer(answer.json(of: object, resource)) }
            var details: JSONValue = ["name": .string(object.name), "kind": .string(resource.type.plural)]
            if !resource.type.group.isEmpty { details["group"] = .string(resource.type.group) }
            details["uid"] = JSONValue(object.uid)
            return ServerAnswer([
                "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success", "details": details,
            ])
        }
    }

    /// The answer to a write that succeeded.
    func written(
        _ outcome: WriteOutcome,
        _ resource: APIResource,
        _ answer: ObjectAnswer,
        _ warnings: [String]
    ) -> ServerAnswer {
        ServerAnswer(
            json: outcome.stored.map { answer.bytes(of: $0, resource) }
                ?? answer.json(of: outcome.object, resource).encoded(),
            status: outcome.isNew ? .created : .ok,
            warnings: warnings + outcome.warnings
        )
    }
}

/// The server's state behind its lock.
final class StateBox: Sendable {
    private let state: Mutex<ServerState>

    /// Keeps `state`.
    init(_ state: sending ServerState) { self.state = Mutex(state) }

    /// Works with the state, alone.
    func with<Result: Sendable, Failure: Error>(
        _ body: (inout ServerState) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var outcome: Swift.Result<Result, Failure>?
        state.withLock { state in
            do throws(Failure) { outcome = .success(try body(&state)) } catch { outcome = .failure(error) }
        }
        guard let outcome else { preconditionFailure("the lock's closure always runs") }
        return try outcome.get()
    }
}
