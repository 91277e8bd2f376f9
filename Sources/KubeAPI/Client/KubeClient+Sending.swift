// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import HTTPMessages
internal import HTTPTypes
public import KubeModel

extension KubeClient {
    /// The most often that a request is repeated which the server was too busy for; the deadline ends it before, mostly.
    private static var mostPushBacks: Int { 10 }

    /// Sends a request and reads the answer; reads are repeated after failures in passing.
    /// - Throws: `KubeError`, for every status from 400 on too.
    public func send(_ request: KubeRequest) async throws(KubeError) -> JSONValue {
        let bytes = try await sendForBytes(request)
        guard !bytes.isEmpty else { return .null }
        do {
            return try JSONValue(parsing: bytes)
        } catch {
            throw KubeError(.unreadable, request, "the answer of \(baseURL) isn't JSON: \(error)", cause: error)
        }
    }

    /// Sends a request as `send` does; answers the body as it came.
    func sendForBytes(_ request: KubeRequest) async throws(KubeError) -> [UInt8] {
        try await prepare(for: request)
        let deadline = time.now() + callTimeout
        var attempt = 0
        while true {
            let failure: KubeError
            do {
                return try await sendOnce(request, within: min(timeout, max(.zero, deadline - time.now())))
            } catch {
                failure = error
            }
            attempt += 1
            let left = deadline - time.now()
            guard let wait = wait(after: failure, request: request, attempt: attempt), wait < left else {
                throw failure
            }
            do { try await time.sleep(for: wait) } catch { throw failure }
        }
    }

    /// How long to wait before sending again; `nil` where it makes no sense.
    private func wait(after error: KubeError, request: KubeRequest, attempt: Int) -> Duration? {
        guard error.code != .cancelled, case .retryCall(let after) = error.disposition else { return nil }
        if error.isPushBack {
            guard attempt <= (retries == 0 ? 0 : max(retries, Self.mostPushBacks)) else { return nil }
        } else {
            guard request.isRead, attempt <= retries, error.httpStatus != 500 else { return nil }
        }
        return max(after ?? .zero, backoff.delay(attempt: attempt, random: random))
    }

    private func sendOnce(_ request: KubeRequest, within limit: Duration) async throws(KubeError) -> [UInt8] {
        let message = try message(request, timeout: limit)
        let (response, bytes) = try await withinDeadline(request, limit) {
            try await self.inTurn(request) {
                let response = try await exchange(message, for: request)
                return (response, try await self.bytes(of: response, for: request))
            }
        }
        guard response.head.status.code < 400 else { throw Self.refusal(response, bytes, request) }
        return bytes
    }

    /// Waits for what a request needs before its time begins.
    func prepare(for request: KubeRequest) async throws(KubeError) {
        do {
            try await (exchange as? any PreparedExchange)?.prepare()
        } catch {
            throw transportFailure(error, request)
        }
    }

    /// Does `work` when the limiter lets it, and tells the limiter how the server took it.
    private func inTurn(
        _ request: KubeRequest,
        _ work: () async throws -> (HTTPResponseMessage, [UInt8])
    ) async throws -> (HTTPResponseMessage, [UInt8]) {
        // Leases are few, and late ones cost the leadership: no other request may hold them up.
        guard let limiter, request.resource != "leases.coordination.k8s.io" else { return try await work() }
        try await limiter.acquire(flow: request.resource.isEmpty ? request.path : request.resource, time: time)
        var outcome = FlowStateMachine.Outcome.answered
        defer { limiter.release(outcome, now: time.now()) }
        let answer = try await work()
        let head = answer.0.head
        let after = head.headerFields[.retryAfter].flatMap { Int($0) }
        if head.status.code == 429 || (head.status.code == 503 && after != nil) {
            outcome = .pushedBack(retryAfter: after.map { .seconds($0) })
        }
        return answer
    }

    /// Does `work` within a deadline; transports keep to it too, but not each of them has a clock.
    func withinDeadline<Answer: Sendable>(
        _ request: KubeRequest,
        _ limit: Duration? = nil,
        _ work: @escaping @Sendable () async throws -> Answer
    ) async throws(KubeError) -> Answer {
        let limit = limit ?? timeout
        do {
            return try await time.withDeadline(limit, work)
        } catch let error as KubeError {
            throw error
        } catch let error as DeadlinePassed {
            throw KubeError(.timedOut, request, "no answer from \(baseURL) within \(limit)", cause: error)
        } catch {
            throw transportFailure(error, request)
        }
    }

    /// Sends a message, and says whose fault a failure is.
    func exchange(
        _ message: HTTPRequestMessage,
        for request: KubeRequest
    ) async throws(KubeError) -> HTTPResponseMessage {
        do {
            return try await exchange.exchange(message)
        } catch let error as KubeError {
            throw error
        } catch {
            throw transportFailure(error, request)
        }
    }

    private func bytes(
        of response: HTTPResponseMessage,
        for request: KubeRequest
    ) async throws(KubeError) -> [UInt8] {
        do {
            return try await response.body.collect(upTo: maximumResponseBytes)
        } catch let error as BodyTooLarge {
            throw KubeError(.unreadable, request, "the answer of \(baseURL) is too large: \(error)", cause: error)
        } catch {
            throw transportFailure(error, request)
        }
    }

    func transportFailure(_ error: any Error, _ request: KubeRequest) -> KubeError {
        if error is CancellationError || Task.isCancelled {
            return KubeError(.cancelled, request, "the call was cancelled", cause: error)
        }
        // Nothing was sent: the server has no part in it.
        if let error = error as? ConfigurationError {
            return KubeError(.credentials, request, error.message, cause: error)
        }
        return KubeError(.connection, request, "no answer from \(baseURL): \(error)", cause: error)
    }

    /// The error for a status from 400 on; a body that isn't a `Status` becomes the message.
    static func refusal(_ response: HTTPResponseMessage, _ bytes: [UInt8], _ request: KubeRequest) -> KubeError {
        let code = response.head.status.code
        let json = try? JSONValue(parsing: bytes)
        var status: APIStatus
        if let json, let read = APIStatus(json) {
            status = read
            if status.code == 0 { status.code = code }
        } else {
            let text = String(decoding: bytes.prefix(512), as: UTF8.self)
                .split(whereSeparator: \.isNewline).joined(separator: " ")
            let phrase = response.head.status.reasonPhrase
            status = APIStatus(
                code: code,
                reason: reason(of: code),
                message: text.isEmpty ? "\(code) \(phrase)" : "\(code): \(text)"
            )
        }
        if status.retryAfterSeconds == nil {
            status.retryAfterSeconds = response.head.headerFields[.retryAfter].flatMap { Int($0) }
        }
        var error = KubeError(.refused, request, status.description, status: status)
        error.priorityLevel = response.head.headerFields[priorityLevelField]
        return error
    }

    /// Which priority level of the server's flow control took a request, by its uid.
    private static var priorityLevelField: HTTPField.Name {
        HTTPField.Name(parsed: "x-kubernetes-pf-prioritylevel-uid") ?? .retryAfter
    }

    /// The reason that the API server has for a status code (`k8s.io/apimachinery` `metav1.StatusReason`).
    private static func reason(of code: Int) -> String {
        switch code {
        case 400: "BadRequest"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "NotFound"
        case 405: "MethodNotAllowed"
        case 406: "NotAcceptable"
        case 409: "Conflict"
        case 410: "Gone"
        case 413: "RequestEntityTooLarge"
        case 415: "UnsupportedMediaType"
        case 422: "Invalid"
        case 429: "TooManyRequests"
        case 500: "InternalError"
        case 503: "ServiceUnavailable"
        case 504: "Timeout"
        default: "Unknown"
        }
    }
}
