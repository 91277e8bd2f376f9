// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
import HTTPTypes
import KubeModel
import Synchronization

/// The embedded Kubernetes API server: a function from request to response that keeps everything in memory.
///
/// It answers as Kubernetes 1.36 does, and refuses with a `Status` what it doesn't do.
public final class APIServer: HTTPExchange {
    /// What it was made of.
    public let configuration: APIServerConfiguration
    private let state: StateBox
    private let openAPIDocuments = OpenAPIDocuments()
    private let requestCounts = RequestCounts()
    private let inFlight = Mutex(0)

    /// A server with the namespaces and the Service that every cluster has at its start.
    public init(configuration: APIServerConfiguration = APIServerConfiguration()) {
        self.configuration = configuration
        var state = ServerState(configuration: configuration)
        state.addInitialObjects()
        self.state = StateBox(state)
    }

    /// A server that goes on from the objects of another, as after a restart on a compacted store.
    public init(configuration: APIServerConfiguration, restoring snapshot: ServerSnapshot) {
        self.configuration = configuration
        state = StateBox(ServerState(configuration: configuration, restoring: snapshot))
    }

    /// Every object as it is now.
    public var snapshot: ServerSnapshot { state.with { $0.store.snapshot } }

    /// Forgets all changes up to now, as etcd's compaction does: lists and watches from earlier versions get 410 `Expired`.
    public func compact() { state.with { $0.compact(through: $0.store.revision) } }

    /// Ends every watch after what it was sent, as a server does that shuts down.
    public func endWatches() { state.with { $0.closeMailboxes() } }

    /// Answers one request; failures are `Status` objects, never thrown.
    public func exchange(_ request: HTTPRequestMessage) async -> HTTPResponseMessage {
        let isOneTooMany = inFlight.withLock { count in
            count += 1
            return count > configuration.maximumRequestsInFlight
        }
        defer { inFlight.withLock { $0 -= 1 } }
        if isOneTooMany { return Self.tooManyRequests.response }
        do throws(APIStatus) {
            try authenticate(request)
            let body = try await read(request.body)
            let router = Router(
                state: state,
                configuration: configuration,
                openAPIDocuments: openAPIDocuments
            )
            try Caller.requireUser(request.head.headerFields)
            let request = ServerRequest(request, body: body)
            try request.caller.authorize(request)
            let answer = await answer(request, router)
            return (request.accept.prefersYAML ? answer.inYAML : answer).response
        } catch {
            return ServerAnswer(error).response
        }
    }

    private func answer(_ request: ServerRequest, _ router: Router) async -> ServerAnswer {
        if request.method == .get, request.parts == ["metrics"] { return ServerAnswer(text: requestCounts.text) }
        let answer: ServerAnswer
        do throws(APIStatus) { answer = try await router.answer(request) } catch { answer = ServerAnswer(error) }
        requestCounts.note(request, code: answer.status.code)
        return answer
    }

    /// The number of watches that are open.
    public var watchCount: Int { state.with { $0.watcherCount } }

    /// What a client gets that should wait: a text, as from the real server's filter.
    private static let tooManyRequests: ServerAnswer = {
        var answer = ServerAnswer(text: "Too many requests, please try again later.\n", status: .tooManyRequests)
        answer.fields[.retryAfter] = "1"
        return answer
    }()

    private func authenticate(_ request: HTTPRequestMessage) throws(APIStatus) {
        guard configuration.tokens != nil else { return }
        let header = request.head.headerFields[.authorization] ?? ""
        let parts = header.split(separator: " ", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0].lowercased() == "bearer", configuration.accepts(parts[1]) else {
            throw APIStatus(code: 401, reason: "Unauthorized", message: "Unauthorized")
        }
    }

    private func read(_ body: StreamingBody) async throws(APIStatus) -> [UInt8] {
        do { return try await body.collect(upTo: configuration.maximumBodyBytes) } catch is BodyTooLarge {
            throw APIStatus(
                code: 413,
                reason: "RequestEntityTooLarge",
                message: "Request entity too large: limit is \(configuration.maximumBodyBytes)"
            )
        } catch {
            throw .badRequest("the body of the request could not be read: \(error)")
        }
    }
}
