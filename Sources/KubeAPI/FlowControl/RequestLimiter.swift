// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import Synchronization

/// Lets requests go as `FlowLimits` and the server's push-back allow; copies of a client share one.
public final class RequestLimiter: Sendable {
    /// What a limiter knows, for metrics.
    public struct Snapshot: Sendable, Hashable {
        /// The requests in flight.
        public var inFlight: Int
        /// The requests that wait to be sent.
        public var waiting: Int
        /// How many may be in flight now; below the limit after the server pushed back.
        public var allowed: Int
        /// How often the server pushed back (429, or 503 with `Retry-After`).
        public var pushBacks: Int
    }

    private struct State {
        var machine: FlowStateMachine
        var bucket: TokenBucket?
        var nextID: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        /// What became of requests that don't wait with a continuation yet.
        var cancelledEarly: Set<UInt64> = []
        var letGoEarly: Set<UInt64> = []
    }

    private let limits: FlowLimits
    private let state: Mutex<State>

    /// A limiter on which nothing waits.
    public init(_ limits: FlowLimits = FlowLimits()) {
        self.limits = limits
        state = Mutex(State(machine: FlowStateMachine(limit: limits.inFlight)))
    }

    /// What is going on now.
    public var snapshot: Snapshot {
        state.withLock { state in
            Snapshot(
                inFlight: state.machine.inFlight,
                waiting: state.machine.waitingCount,
                allowed: state.machine.allowed,
                pushBacks: state.machine.pushBacks
            )
        }
    }

    /// Waits until a request of `flow` may go; each return asks for one `release`.
    /// - Throws: `CancellationError`; nothing is to be released then.
    func acquire(flow: String, time: any TimeSource) async throws {
        try await takeToken(time)
        let (id, goes) = state.withLock { state in
            state.nextID += 1
            return (state.nextID, state.machine.arrived(state.nextID, flow: flow))
        }
        if !goes { try await wait(id, flow) }
        do {
            // More than once: another answer may have made the pause longer.
            while true {
                let pause = state.withLock { $0.machine.pause(now: time.now()) }
                if pause == .zero { return }
                try await time.sleep(for: pause)
            }
        } catch {
            release(.answered, now: time.now())
            throw error
        }
    }

    /// A request that was let go is over.
    func release(_ outcome: FlowStateMachine.Outcome, now: WallTime) {
        let freed = state.withLock { state in
            state.machine.ended(outcome, now: now)
            return Self.takeNext(&state)
        }
        for waiter in freed { waiter.resume() }
    }

    private func takeToken(_ time: any TimeSource) async throws {
        guard let rate = limits.queriesPerSecond else { return }
        let wait = state.withLock { state in
            let now = time.now()
            var bucket = state.bucket ?? TokenBucket(rate: rate, burst: limits.burst, now: now)
            defer { state.bucket = bucket }
            return bucket.take(now: now)
        }
        guard wait > .zero else { return }
        do {
            try await time.sleep(for: wait)
        } catch {
            state.withLock { $0.bucket?.giveBack() }
            throw error
        }
    }

    private func wait(_ id: UInt64, _ flow: String) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
                enum Fate { case goes, waits, cancelled }
                let fate = state.withLock { state -> Fate in
                    if state.cancelledEarly.remove(id) != nil { return .cancelled }
                    if state.letGoEarly.remove(id) != nil { return .goes }
                    state.waiters[id] = waiter
                    return .waits
                }
                switch fate {
                case .waits: break
                case .goes: waiter.resume()
                case .cancelled: waiter.resume(throwing: CancellationError())
                }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                // Who has been let go already goes; the pause or the request will notice the cancellation.
                guard state.machine.cancelled(id, flow: flow) else { return nil }
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                state.cancelledEarly.insert(id)
                return nil
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    private static func takeNext(_ state: inout State) -> [CheckedContinuation<Void, any Error>] {
        var freed: [CheckedContinuation<Void, any Error>] = []
        while let id = state.machine.next() {
            if let waiter = state.waiters.removeValue(forKey: id) {
                freed.append(waiter)
            } else {
                state.letGoEarly.insert(id)
            }
        }
        return freed
    }
}
