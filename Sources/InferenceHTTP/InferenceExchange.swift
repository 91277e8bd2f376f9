// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
internal import HTTPTypes
public import Inference
internal import KubeModel

/// Bounds on what the front door takes in.
public struct InferenceLimits: Sendable, Hashable {
    /// The largest request body in bytes.
    public var bodyBytes: Int
    /// The most bytes of request bodies that are read and decoded at one time, of all requests together.
    public var pendingBodyBytes: Int
    /// The deepest nesting of a request's JSON; tensors of more than a few dimensions are rare.
    public var depth: Int
    /// The longest time from a request's arrival to its answer.
    public var requestTimeout: Duration

    /// Limits; one body of `bodyBytes` always fits `pendingBodyBytes`.
    public init(
        bodyBytes: Int = 64 << 20,
        pendingBodyBytes: Int = 64 << 20,
        depth: Int = 64,
        requestTimeout: Duration = .seconds(30)
    ) {
        self.bodyBytes = bodyBytes
        self.pendingBodyBytes = max(bodyBytes, pendingBodyBytes)
        self.depth = depth
        self.requestTimeout = requestTimeout
    }
}

/// The inference server's HTTP front door: the Open Inference Protocol (v2), TensorFlow Serving's REST API (v1),
/// health and metrics.
public struct InferenceExchange: HTTPExchange {
    /// The model that is served.
    let model: ServedModel
    /// The counters.
    let metrics: ServerMetrics
    /// The bounds.
    let limits: InferenceLimits
    /// The clock for deadlines and durations.
    let time: any TimeSource
    /// What the server calls its version.
    let serverVersion: String
    /// The room for bodies.
    let budget: BodyBudget

    /// A front door for `model`.
    public init(
        model: ServedModel,
        metrics: ServerMetrics,
        limits: InferenceLimits = InferenceLimits(),
        time: any TimeSource,
        serverVersion: String = "0.1.0"
    ) {
        self.model = model
        self.metrics = metrics
        self.limits = limits
        self.time = time
        self.serverVersion = serverVersion
        budget = BodyBudget(total: limits.pendingBodyBytes)
    }

    /// Answers one request; while the model drains every answer asks the client to close the connection.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        var response = try await route(request)
        if model.isDraining { response.head.headerFields[.connection] = "close" }
        return response
    }

    private func route(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard let route = InferenceRoute(path: request.path) else {
            return .failure(404, "no such path; predictions are at /v2/models/\(model.name)/infer")
        }
        let method = request.head.method
        let allowed: [HTTPRequest.Method] = route.isPrediction ? [.post] : [.get, .head]
        guard allowed.contains(method) else {
            var response = HTTPResponseMessage.failure(
                405,
                "\(method.rawValue) isn't allowed here; use \(allowed[0].rawValue)"
            )
            response.head.headerFields[.allow] = allowed.map(\.rawValue).joined(separator: ", ")
            return response
        }
        do { try check(route) } catch { return .failure(error) }
        switch route {
        case .live: return .object(["live": true])
        case .ready: return model.isReady ? .object(["ready": true]) : .failure(notReady)
        case .server: return .object(serverMetadata)
        case .metrics:
            return HTTPResponseMessage(
                status: .ok,
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                bytes: Array(metrics.page().utf8)
            )
        case .modelReady:
            return model.isReady
                ? .object(["name": .string(model.name), "ready": true]) : .failure(notReady)
        case .modelMetadata: return modelMetadata()
        case .modelStatus: return .object(modelStatus)
        case .infer: return try await measured(request, OpenInferenceCall.init)
        case .predict: return try await measured(request, PredictCall.init)
        }
    }

    /// A path that names another model or version finds nothing.
    private func check(_ route: InferenceRoute) throws(InferenceError) {
        guard let address = route.address else { return }
        guard address.name == model.name else {
            throw InferenceError(
                .unknownModel,
                "model \"\(address.name)\" isn't served here; this server has \"\(model.name)\""
            )
        }
        if let version = address.version, version != model.version {
            throw InferenceError(
                .unknownModel,
                "version \"\(version)\" of model \"\(model.name)\" isn't served here; this server has \"\(model.version)\""
            )
        }
    }

    private func measured<Call: PredictionCall>(
        _ request: HTTPRequestMessage,
        _ make: (InferenceExchange, HTTPRequestMessage, [UInt8]) throws(InferenceError) -> Call
    ) async throws -> HTTPResponseMessage {
        let start = time.now()
        metrics.requestBegan(at: start)
        let response: HTTPResponseMessage
        do {
            guard model.backend != nil else { throw notReady }
            let call = try await call(request, since: start, make)
            var inference = call.request
            let timeout = min(call.timeout ?? limits.requestTimeout, limits.requestTimeout)
            inference.deadline = start + timeout
            let outputs = try await model.infer(inference)
            response = try call.response(outputs)
            metrics.answered(with: outputs)
        } catch is CancellationError {
            metrics.requestEnded(code: 499, duration: time.now() - start)
            throw CancellationError()
        } catch {
            response = failure(error)
        }
        metrics.requestEnded(code: response.head.status.code, duration: time.now() - start)
        return response
    }

    /// Reads the body and makes of it what is to be run; the room that it took is free again afterwards.
    private func call<Call: PredictionCall>(
        _ request: HTTPRequestMessage,
        since start: WallTime,
        _ make: (InferenceExchange, HTTPRequestMessage, [UInt8]) throws(InferenceError) -> Call
    ) async throws -> Call {
        let lease = budget.lease()
        defer { lease.end() }
        return try make(self, request, try await body(of: request, until: start + limits.requestTimeout, lease: lease))
    }

    private func failure(_ error: any Error) -> HTTPResponseMessage {
        switch error {
        case let error as InferenceError: return .failure(error)
        case let error as BodyTooLarge: return .failure(413, "\(error); send fewer rows in one request")
        case let error as BudgetSpent: return .failure(InferenceError(.queueFull, "\(error)"))
        case let error as BodyEncoded:
            var response = HTTPResponseMessage.failure(
                415,
                "content-encoding \(error.encoding) isn't supported; send the body as it is"
            )
            response.head.headerFields[.acceptEncoding] = "identity"
            return response
        case is BodyTooSlow:
            let seconds = limits.requestTimeout / .seconds(1)
            var response = HTTPResponseMessage.failure(
                408,
                "the request's body didn't arrive within \(seconds) s; send it faster or in smaller requests"
            )
            // The rest of it is still to come.
            response.head.headerFields[.connection] = "close"
            return response
        default: return .failure(400, "the request's body couldn't be read: \(error)")
        }
    }

    private var notReady: InferenceError {
        switch model.phase {
        case .failed(let reason): InferenceError(.unavailable, reason)
        case .draining: InferenceError(.unavailable, "model \"\(model.name)\" is stopping")
        case .loading, .ready: InferenceError(.unavailable, "model \"\(model.name)\" is still loading; try again later")
        }
    }
}

extension HTTPResponseMessage {
    /// A JSON answer with status 200.
    static func object(_ value: JSONValue) -> HTTPResponseMessage {
        HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: value.encoded())
    }

    /// An error as both protocols write it.
    static func failure(_ code: Int, _ message: String) -> HTTPResponseMessage {
        let body: JSONValue = ["error": .string(message)]
        return HTTPResponseMessage(
            status: HTTPResponse.Status(code: code),
            contentType: "application/json",
            bytes: body.encoded()
        )
    }

    /// The answer for an error; a full queue and a loading model say when to come back.
    static func failure(_ error: InferenceError) -> HTTPResponseMessage {
        let code =
            switch error.code {
            case .invalidInput: 400
            case .unknownModel: 404
            case .queueFull: 429
            case .deadlineExceeded: 504
            case .unavailable: 503
            case .loadFailed, .runFailed: 500
            }
        var response = failure(code, error.message)
        if code == 429 || code == 503 { response.head.headerFields[.retryAfter] = "1" }
        return response
    }
}
