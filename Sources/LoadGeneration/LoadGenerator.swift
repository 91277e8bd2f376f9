// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
public import HTTPTypes

/// The request that a load repeats.
public struct LoadRequest: Sendable {
    /// Method, scheme, authority, path and fields.
    public var head: HTTPRequest
    /// The body.
    public var body: [UInt8]
    /// The longest time for one request, from when it is really sent.
    public var timeout: Duration
    /// The largest response body that is read.
    public var maximumResponseBytes: Int

    /// A template.
    public init(
        head: HTTPRequest,
        body: [UInt8] = [],
        timeout: Duration = .seconds(30),
        maximumResponseBytes: Int = 4 << 20
    ) {
        self.head = head
        self.body = body
        self.timeout = timeout
        self.maximumResponseBytes = maximumResponseBytes
    }

    var message: HTTPRequestMessage {
        HTTPRequestMessage(
            head: head,
            body: StreamingBody(body),
            timeout: timeout,
            maximumResponseBytes: maximumResponseBytes
        )
    }
}

/// Sends requests when a plan says so, without waiting for the answers of earlier ones (an open loop).
public struct LoadGenerator: Sendable {
    private let exchange: any HTTPExchange
    private let time: any TimeSource
    private let random: any RandomSource
    private let maximumInFlight: Int
    private let errorKind: @Sendable (any Error) -> String

    /// A generator.
    ///
    /// - Parameters:
    ///   - exchange: where the requests go.
    ///   - time: paces the requests and measures them.
    ///   - random: spaces Poisson arrivals.
    ///   - maximumInFlight: requests over this are counted as `dropped` and not sent. At least 1.
    ///   - errorKind: the name in `LatencySummary.errors` for an error that the exchange throws, such as `timeout`; from a
    ///     small fixed set.
    public init(
        exchange: any HTTPExchange,
        time: any TimeSource,
        random: any RandomSource,
        maximumInFlight: Int = 2048,
        errorKind: @escaping @Sendable (any Error) -> String = { _ in "failed" }
    ) {
        self.exchange = exchange
        self.time = time
        self.random = random
        self.maximumInFlight = max(1, maximumInFlight)
        self.errorKind = errorKind
    }

    /// Runs `plan` to its end, waits for the last answers and sums up.
    ///
    /// When the task is cancelled, nothing more is sent, requests in flight are cancelled and counted as `cancelled`, and
    /// the summary so far is returned.
    /// - Parameters:
    ///   - plan: when to send.
    ///   - request: what to send.
    ///   - onProgress: called about once a second, in order, and once at the end.
    public func run(
        _ plan: LoadPlan,
        request: LoadRequest,
        onProgress: @Sendable (LoadProgress) async -> Void = { _ in }
    ) async -> LatencySummary {
        let message = request.message
        var state = LoadState(
            schedule: ArrivalSchedule(plan, random: random),
            start: time.now(),
            maximumInFlight: maximumInFlight
        )
        await withTaskGroup(of: LoadEvent.self) { group in
            group.addTask { await tick() }
            var isPacing = false
            while true {
                let due = state.takeDue(time.now())
                for intended in due {
                    group.addTask { await send(message, intended: intended) }
                }
                if !isPacing, let next = state.nextArrival, !Task.isCancelled {
                    isPacing = true
                    group.addTask { await pace(until: next) }
                }
                if !isPacing && state.inFlight == 0 { break }
                guard let event = await group.next() else { break }
                switch event {
                case .due: isPacing = false
                case .answered(let result): state.answered(result)
                case .tick:
                    await onProgress(state.progress(time.now()))
                    if !Task.isCancelled { group.addTask { await tick() } }
                }
                if Task.isCancelled { state.stop() }
            }
            group.cancelAll()
        }
        await onProgress(state.progress(time.now()))
        return state.summary(time.now())
    }

    private func tick() async -> LoadEvent {
        try? await time.sleep(for: .seconds(1))
        return .tick
    }

    private func pace(until next: WallTime) async -> LoadEvent {
        try? await time.sleep(for: next - time.now())
        return .due
    }

    private func send(_ message: HTTPRequestMessage, intended: WallTime) async -> LoadEvent {
        do {
            let response = try await exchange.exchange(message)
            let body = try await response.body.collect(upTo: message.maximumResponseBytes)
            let code = response.head.status.code
            return .answered(code < 400 ? .ok(time.now() - intended) : .failed(String(code), words: Self.words(body)))
        } catch is CancellationError {
            return .answered(.failed("cancelled"))
        } catch is BodyTooLarge {
            return .answered(.failed("tooLarge"))
        } catch {
            return .answered(.failed(errorKind(error), words: "\(error)"))
        }
    }

    /// The beginning of an answer that refuses, as one line; `nil` where it says nothing.
    private static func words(_ body: [UInt8]) -> String? {
        let text = String(decoding: body.prefix(200), as: UTF8.self)
        let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return words.isEmpty ? nil : words + (body.count > 200 ? "…" : "")
    }
}

/// What the generator waits for.
private enum LoadEvent: Sendable {
    case due
    case tick
    case answered(RequestResult)
}

/// Where a load is; pure.
struct LoadState: Sendable {
    /// The requests without an answer.
    private(set) var inFlight = 0
    /// When the next request is to be sent; `nil` after the last.
    private(set) var nextArrival: WallTime?

    private var schedule: ArrivalSchedule
    private let start: WallTime
    private let maximumInFlight: Int
    private var sent = 0
    private var total = LatencySummary()
    private var second = LatencyHistogram()

    /// A load that begins at `start`.
    init(schedule: ArrivalSchedule, start: WallTime, maximumInFlight: Int) {
        self.schedule = schedule
        self.start = start
        self.maximumInFlight = maximumInFlight
        nextArrival = self.schedule.next().map { start + $0 }
    }

    /// The intended times of the requests to send now; those above the bound are counted as dropped instead.
    mutating func takeDue(_ now: WallTime) -> [WallTime] {
        var due: [WallTime] = []
        while let next = nextArrival, next <= now {
            sent += 1
            if inFlight < maximumInFlight {
                inFlight += 1
                due.append(next)
            } else {
                total.record(.failed("dropped"))
            }
            nextArrival = schedule.next().map { start + $0 }
        }
        return due
    }

    /// Sends nothing more.
    mutating func stop() { nextArrival = nil }

    /// An answer, or none, arrived.
    mutating func answered(_ result: RequestResult) {
        inFlight -= 1
        total.record(result)
        if case .ok(let latency) = result { second.record(latency) }
    }

    /// How it goes; begins a new second.
    mutating func progress(_ now: WallTime) -> LoadProgress {
        defer { second = LatencyHistogram() }
        return LoadProgress(
            elapsed: now - start,
            sent: sent,
            inFlight: inFlight,
            ok: total.ok,
            errors: total.failed,
            okLastSecond: Int(clamping: second.count),
            p95LastSecond: second.quantile(0.95)
        )
    }

    /// The end.
    func summary(_ now: WallTime) -> LatencySummary {
        var summary = total
        summary.duration = now - start
        return summary
    }
}
