// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
public import HTTPTypes
import KubeModel
import Synchronization

/// The network between one process and a server: it takes time, and fails as its profile says.
///
/// What was sent travels on its own: it arrives although its sender is paused, was cancelled or has died meanwhile, at most
/// `longestFlight` after its sender stopped waiting for the answer (or would have, were it not paused).
public final class SimLink: HTTPExchange {
    /// What happens to a connection.
    public struct ConnectionBroken: Error, CustomStringConvertible, Sendable {
        /// What happened.
        public var description: String

        /// A break.
        public init(description: String) { self.description = description }
    }

    /// The longest that a request travels on after its sender gave up. Below the margin that a lease leaves
    /// (15 s of duration, 10 s of renewal), as fencing without the server's help needs a bound.
    public static let longestFlight = Duration.seconds(3)
    /// The header that a request has which takes effect after its sender gave up.
    public static let lateField = HTTPField.Name("X-Simulated-Late")
    /// The longest that a sender waits for an answer.
    private static let longestWait = Duration.seconds(60)

    /// Who sends.
    public let process: SimProcess
    private let base: any HTTPExchange
    private let network: SimProcess
    private let scheduler: SimScheduler
    private let profile: FaultProfile
    private let random: any RandomSource
    private let trace: SimTrace
    private let condition = Mutex(Condition.up)
    private let record = Mutex(Record())

    /// What a link knows of its past.
    public struct Record: Sendable {
        /// When something last kept a request of the sender from an answer in good time.
        public var lastTrouble: Duration?
        /// The requests under way that a fault has struck.
        public var troubled = 0
        /// The writes that haven't been answered yet.
        public var writesUnderWay = 0
        /// The writes whose sender didn't wait for the answer.
        public var givenUp: [String] = []
    }

    /// The past.
    public var past: Record { record.withLock { $0 } }

    /// Notes that the sender is in trouble now.
    public func noteTrouble() {
        let now = scheduler.now
        record.withLock { $0.lastTrouble = now }
    }

    /// Whether anything gets through.
    public enum Condition: Sendable {
        /// Everything does.
        case up
        /// Nothing does for now; open watches are silent.
        case down
        /// The sender is dead: nothing does, ever.
        case dead
    }

    /// A link from `process` to `base`; deliveries run in the process `network`.
    public init(
        from process: SimProcess,
        to base: any HTTPExchange,
        network: SimProcess,
        scheduler: SimScheduler,
        profile: FaultProfile,
        random: any RandomSource,
        trace: SimTrace
    ) {
        self.process = process
        self.base = base
        self.network = network
        self.scheduler = scheduler
        self.profile = profile
        self.random = random
        self.trace = trace
    }

    /// Changes what gets through; a dead link stays dead.
    public func set(_ new: Condition) {
        noteTrouble()
        condition.withLock { condition in
            if case .dead = condition { return }
            condition = new
        }
    }

    /// Whether anything gets through now.
    public var isUp: Bool { condition.withLock { if case .up = $0 { true } else { false } } }

    /// Sends a request and waits for the answer.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        try Task.checkCancellation()
        guard isUp else { throw ConnectionBroken(description: "connection refused") }
        var request = request
        request.body = StreamingBody(try await request.body.collect(upTo: 16 << 20))
        let isWatch = request.query.contains("watch=")
        let fault = profile.draw([.refused, .answerLost, .disconnected, .silence], random)
        if fault != nil { record.withLock { $0.troubled += 1 } }
        defer {
            if fault != nil {
                noteTrouble()
                record.withLock { $0.troubled -= 1 }
            }
        }
        let ticket = Ticket()
        let sent = request
        network.spawn { await self.carry(sent, ticket, fault, isWatch: isWatch) }
        let response = try await answer(ticket, to: sent)
        guard isWatch, response.head.status.code == 200 else { return response }
        let body = FaultyWatchBody(base: response.body, link: self)
        return HTTPResponseMessage(head: response.head, body: StreamingBody(body))
    }

    /// Waits for the answer, and keeps count of writes.
    private func answer(_ ticket: Ticket, to request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard request.head.method != .get else { return try await ticket.answer() }
        record.withLock { $0.writesUnderWay += 1 }
        defer {
            let name = "\(request.head.method.rawValue) \(request.path)"
            record.withLock { record in
                record.writesUnderWay -= 1
                if ticket.isAbandoned { record.givenUp.append(name) }
            }
        }
        return try await ticket.answer()
    }

    /// A request's whole way: there, its effect, and back.
    private func carry(_ request: HTTPRequestMessage, _ ticket: Ticket, _ fault: NetworkFault?, isWatch: Bool) async {
        let name = "\(request.head.method.rawValue) \(request.head.path ?? "")"
        do {
            try await scheduler.sleep(for: flight())
            switch fault {
            case .refused:
                let refusal = Refusal.draw(request.head.method, random)
                trace.note(process.name, "fault: \(refusal.code) \(refusal.reason) for \(name)")
                profile.tally.note("request: \(refusal.code) without effect")
                try await scheduler.sleep(for: flight())
                ticket.finish(.success(refusal.response))
            case .disconnected:
                trace.note(process.name, "fault: no connection for \(name)")
                profile.tally.note("request: no connection")
                ticket.finish(.failure(ConnectionBroken(description: "connection reset by peer")))
            case .silence: try await keepSilent(request, ticket, name)
            case .answerLost where !isWatch:
                trace.note(process.name, "fault: the answer is lost of \(name)")
                _ = try await base.exchange(request)
                try await scheduler.sleep(for: flight())
                let isAnswered = random.unit() < 0.5
                profile.tally.note("request: \(isAnswered ? "500 or 504" : "no answer") after it took effect")
                let refusal = Refusal(code: random.unit() < 0.5 ? 500 : 504, reason: "InternalError")
                let lost = ConnectionBroken(description: "connection reset before the answer")
                ticket.finish(isAnswered ? .success(refusal.response) : .failure(lost))
            default:
                let response = try await base.exchange(request)
                try await scheduler.sleep(for: flight())
                ticket.finish(.success(response))
            }
        } catch {
            ticket.finish(.failure(error))
        }
    }

    /// Answers nothing; the request takes effect at once, or after its sender gave up, or never.
    private func keepSilent(_ request: HTTPRequestMessage, _ ticket: Ticket, _ name: String) async throws {
        let draw = random.unit()
        trace.note(process.name, "fault: silence for \(name)")
        let when = draw < 0.3 ? "took effect" : draw > 0.6 ? "takes effect afterwards" : "no effect"
        profile.tally.note("request: time-out, \(when)")
        if draw < 0.3 { _ = try await base.exchange(request) }
        // A sender that is stopped gives up late; what it sent is under way no longer for that.
        let limit = min(request.timeout ?? Self.longestWait, Self.longestWait)
        for _ in 0..<Int(limit / .milliseconds(500)) where !ticket.isAbandoned {
            try await scheduler.sleep(for: .milliseconds(500))
        }
        if draw > 0.6 {
            let rest = Self.longestFlight.inSeconds * 0.8 * random.unit()
            try await scheduler.sleep(for: .seconds(rest))
            trace.note("network", "late: \(name) of \(process.name)")
            var late = request
            if let field = Self.lateField { late.head.headerFields[field] = "true" }
            _ = try await base.exchange(late)
        }
        ticket.finish(.failure(ConnectionBroken(description: "connection timed out")))
    }

    /// Half a round trip: mostly below a few milliseconds, at times a second.
    private func flight() -> Duration {
        let draw = random.unit()
        return .microseconds(draw < 0.97 ? 200 + Int(draw * 4000) : Int((draw - 0.97) * 30_000_000))
    }

    // MARK: For watches

    func drawWatchFault() -> NetworkFault? {
        let kinds: [NetworkFault] = [
            .watchCut, .watchTorn, .watchStalled, .watchDelayed, .watchDuplicated, .watchExpired,
        ]
        let fault = profile.draw(kinds, random)
        if let fault {
            trace.note(process.name, "fault: \(fault.rawValue)")
            profile.tally.note("watch: \(fault.text)")
        }
        return fault
    }

    /// Notes that the server itself ended a watch, as its history doesn't reach back that far.
    func noteExpired() { profile.tally.note("server: 410 of its own, its history is compacted") }

    func sleep(for duration: Duration) async throws { try await scheduler.sleep(for: duration) }

    func unit() -> Double { random.unit() }
}

/// Where the sender waits for an answer that another task brings.
private final class Ticket: Sendable {
    private struct State {
        var result: Result<HTTPResponseMessage, any Error>?
        var continuation: CheckedContinuation<HTTPResponseMessage, any Error>?
        var isAbandoned = false
    }

    private let state = Mutex(State())

    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    func finish(_ result: Result<HTTPResponseMessage, any Error>) {
        let continuation = state.withLock { state -> CheckedContinuation<HTTPResponseMessage, any Error>? in
            if state.result == nil { state.result = result }
            return state.continuation.take()
        }
        continuation?.resume(with: result)
    }

    func answer() async throws -> HTTPResponseMessage {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state -> Result<HTTPResponseMessage, any Error>? in
                    if let result = state.result { return result }
                    if state.isAbandoned { return .failure(CancellationError()) }
                    state.continuation = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<HTTPResponseMessage, any Error>? in
                if state.result == nil { state.isAbandoned = true }
                return state.continuation.take()
            }
            continuation?.resume(throwing: CancellationError())
        }
    }
}

/// An answer of the server that refuses a request for a reason in passing.
private struct Refusal {
    var code: Int
    var reason: String
    var retryAfter: Int?

    static func draw(_ method: HTTPRequest.Method, _ random: any RandomSource) -> Refusal {
        let changes = [.put, .patch, .delete].contains(method)
        switch Int(random.next() % (changes ? 6 : 4)) {
        case 0: return Refusal(code: 429, reason: "TooManyRequests", retryAfter: 1 + Int(random.next() % 3))
        case 1: return Refusal(code: 500, reason: "InternalError")
        case 2: return Refusal(code: 503, reason: "ServiceUnavailable", retryAfter: random.unit() < 0.5 ? 1 : nil)
        case 3: return Refusal(code: 504, reason: "Timeout")
        default: return Refusal(code: 409, reason: "Conflict")
        }
    }

    var response: HTTPResponseMessage {
        var status: JSONValue = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure",
            "message": "a fault of the simulation", "reason": .string(reason), "code": JSONValue(code),
        ]
        if let retryAfter { status["details"] = ["retryAfterSeconds": JSONValue(retryAfter)] }
        var response = HTTPResponseMessage(
            status: HTTPResponse.Status(code: code),
            contentType: "application/json",
            bytes: status.encoded()
        )
        if let retryAfter { response.head.headerFields[.retryAfter] = String(retryAfter) }
        return response
    }
}
