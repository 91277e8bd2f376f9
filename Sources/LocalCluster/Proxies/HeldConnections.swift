// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Logging
import NIOCore
import Synchronization

/// The connections and requests that wait for a ready target, and who wakes what they wait for.
///
/// A Service says by `modelfleet.dev/holds-requests` that its model may have no replica; while connections to it wait,
/// the time goes into its annotation `modelfleet.dev/wake-at`.
final class HeldConnections: Sendable {
    /// One that waits.
    struct Hold: Sendable, Hashable {
        fileprivate var service: ObjectKey
        fileprivate var number: Int
    }

    /// What became of a wish to wait.
    enum Outcome: Sendable {
        /// It waits.
        case held(Hold)
        /// Too many wait.
        case full
        /// Its Service holds none.
        case none
    }

    private struct Waiter {
        var resume: @Sendable () -> Void
        var end: Scheduled<Void>?
    }

    private struct State {
        var holding: Set<ObjectKey> = []
        var waiting: [ObjectKey: [Int: Waiter]] = [:]
        var count = 0
        var last = 0
    }

    /// The most that wait at one time, over all Services; more are turned away at once.
    static let limit = 1_000
    /// How long one waits at most, where nothing else is said.
    static let longestWait = TimeAmount.seconds(120)
    /// How often a Service is written to at most.
    static let wakeInterval = Duration.seconds(5)
    /// How often it looks whom to wake while anything waits.
    private static let tickInterval = Duration.milliseconds(200)

    /// How long one waits at most.
    let longestWait: TimeAmount
    private let client: KubeClient?
    private let time: any TimeSource
    private let logger: Logger
    private let state = Mutex(State())
    private let arrivals = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// None yet.
    init(
        client: KubeClient?,
        time: any TimeSource,
        logger: Logger,
        longestWait: TimeAmount = HeldConnections.longestWait
    ) {
        self.longestWait = longestWait
        self.client = client
        self.time = time
        self.logger = logger
    }

    /// How many wait.
    var count: Int { state.withLock { $0.count } }

    /// Takes in which Services hold connections, and lets those of `served` and of Services that no longer hold go on.
    func update(holding: Set<ObjectKey>, served: Set<ObjectKey>) {
        let released = state.withLock { state in
            state.holding = holding
            return state.waiting.keys.filter { served.contains($0) || !holding.contains($0) }
        }
        for service in released { resume(service) }
    }

    /// Lets what waits for a Service go on, what came first before the rest.
    func resume(_ service: ObjectKey) {
        let waiting = state.withLock { state in
            let waiting = state.waiting.removeValue(forKey: service) ?? [:]
            state.count -= waiting.count
            return waiting.sorted { $0.key < $1.key }.map(\.value)
        }
        for waiter in waiting {
            waiter.end?.cancel()
            waiter.resume()
        }
    }

    /// Lets a connection or request wait, for a limited time.
    /// - Parameters:
    ///   - service: whose target it waits for.
    ///   - loop: where `expire` is called; the caller is on it.
    ///   - resume: called once, on any thread, when there may be a target.
    ///   - expire: called once when the time is over; then `resume` isn't.
    func hold(
        _ service: ObjectKey,
        on loop: any EventLoop,
        resume: @escaping @Sendable () -> Void,
        expire: @escaping @Sendable () -> Void
    ) -> Outcome {
        let outcome: Outcome = state.withLock { state in
            guard state.holding.contains(service) else { return .none }
            guard state.count < Self.limit else { return .full }
            state.last += 1
            state.count += 1
            state.waiting[service, default: [:]][state.last] = Waiter(resume: resume)
            return .held(Hold(service: service, number: state.last))
        }
        guard case .held(let hold) = outcome else { return outcome }
        let end = loop.scheduleTask(in: longestWait) { [self] in if forget(hold) { expire() } }
        let isWaiting = state.withLock { state in
            guard state.waiting[service]?[hold.number] != nil else { return false }
            state.waiting[service]?[hold.number]?.end = end
            return true
        }
        if !isWaiting { end.cancel() }
        arrivals.continuation.yield()
        return outcome
    }

    /// Lets one wait no longer; false when it didn't.
    @discardableResult
    func forget(_ hold: Hold) -> Bool {
        let waiter = state.withLock { state -> Waiter? in
            guard let waiter = state.waiting[hold.service]?.removeValue(forKey: hold.number) else { return nil }
            if state.waiting[hold.service]?.isEmpty ?? false { state.waiting[hold.service] = nil }
            state.count -= 1
            return waiter
        }
        waiter?.end?.cancel()
        return waiter != nil
    }

    /// Wakes what is waited for, until cancelled.
    func run() async {
        var woken: [ObjectKey: WallTime] = [:]
        for await _ in arrivals.stream {
            while !Task.isCancelled {
                let services = state.withLock { $0.waiting.keys.sorted() }
                if services.isEmpty { break }
                let now = time.now()
                woken = woken.filter { now - $0.value < Self.wakeInterval }
                for service in services where woken[service] == nil {
                    woken[service] = now
                    await wake(service, now: now)
                }
                guard (try? await time.sleep(for: Self.tickInterval)) != nil else { return }
            }
        }
    }

    private func wake(_ service: ObjectKey, now: WallTime) async {
        let patch: JSONValue = ["metadata": ["annotations": [FleetAPI.wakeAnnotation: .string(now.rfc3339)]]]
        do {
            try await client?.patch(.services, service, .merge(patch))
        } catch {
            logger.warning(
                "a Service whose connections wait can't be written to; will try again",
                metadata: ["service": "\(service)", "error": "\(error)"]
            )
        }
    }
}
