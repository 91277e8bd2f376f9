// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel
internal import Synchronization

/// A queue of keys for several workers: each key once, never in two hands, delayed keys, backoff for each key.
public final class WorkQueue: Sendable {
    private struct State {
        var core = WorkQueueCore()
        /// Changes with every addition, so that a worker can't sleep through one.
        var version: UInt64 = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var cancelledEarly: Set<UInt64> = []
    }

    private enum Step {
        case key(ObjectKey)
        case end
        case wait(version: UInt64, until: WallTime?)
    }

    private let state = Mutex(State())
    private let backoff: Backoff
    private let time: any TimeSource
    private let random: any RandomSource

    /// An empty queue; failures of a key wait along `backoff`, by default from 50 ms to 5 minutes.
    public init(
        backoff: Backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(300)),
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom()
    ) {
        self.backoff = backoff
        self.time = time
        self.random = random
    }

    /// The number of keys that could be worked on now.
    public var count: Int { state.withLock { $0.core.count } }

    /// The number of keys in work.
    public var inWorkCount: Int { state.withLock { $0.core.inWorkCount } }

    /// The number of keys that wait for a deadline.
    public var delayedCount: Int { state.withLock { $0.core.delayedCount } }

    /// Whether nothing is queued or in work now (keys may wait for a deadline).
    public var isIdle: Bool { state.withLock { $0.core.count == 0 && $0.core.inWorkCount == 0 } }

    /// Adds a key.
    public func add(_ key: ObjectKey, priority: WorkPriority = .change) {
        change { $0.add(key, priority: priority) }
    }

    /// Adds a key when `delay` has passed.
    public func add(_ key: ObjectKey, after delay: Duration, priority: WorkPriority = .change) {
        guard delay > .zero else { return add(key, priority: priority) }
        let deadline = time.now() + delay
        change { $0.add(key, at: deadline, priority: priority) }
    }

    /// Adds a key again after a failure, later with every failure in a row and not before `minimum`; answers the delay.
    @discardableResult
    public func retry(_ key: ObjectKey, minimum: Duration = .zero) -> Duration {
        let failures = state.withLock { $0.core.noteFailure(key) }
        let delay = max(minimum, backoff.delay(attempt: failures, random: random))
        add(key, after: delay)
        return delay
    }

    /// The longest wait of the backoff.
    public var longestDelay: Duration { backoff.maximum }

    /// Forgets the failures of a key.
    public func forget(_ key: ObjectKey) { state.withLock { $0.core.noteSuccess(key) } }

    /// Ends the work on a key that `next()` handed out.
    public func done(_ key: ObjectKey) { change { $0.done(key) } }

    /// Ends the queue: workers get no further key.
    public func shutDown() { change { $0.shutDown() } }

    /// Waits for a key to work on; `done(_:)` must follow. `nil` after shutdown or when the task is cancelled.
    public func next() async -> ObjectKey? {
        while !Task.isCancelled {
            let now = time.now()
            let step = state.withLock { state -> Step in
                if let key = state.core.next(now: now) { return .key(key) }
                if state.core.isShutDown { return .end }
                return .wait(version: state.version, until: state.core.nextDeadline)
            }
            switch step {
            case .key(let key): return key
            case .end: return nil
            case .wait(let version, let deadline): await wait(version: version, until: deadline, now: now)
            }
        }
        return nil
    }

    /// Waits until something is added after `version`, or the deadline has come.
    private func wait(version: UInt64, until deadline: WallTime?, now: WallTime) async {
        guard let deadline else { return await waitForChange(after: version) }
        let time = time
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForChange(after: version) }
            group.addTask { try? await time.sleep(for: deadline - now) }
            await group.next()
            group.cancelAll()
        }
    }

    private func change(_ body: (inout WorkQueueCore) -> Void) {
        let waiters = state.withLock { state in
            body(&state.core)
            state.version += 1
            let waiters = Array(state.waiters.values)
            state.waiters = [:]
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private func waitForChange(after version: UInt64) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    if state.cancelledEarly.remove(id) != nil || state.version != version { return false }
                    state.waiters[id] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
            state.withLock { _ = $0.cancelledEarly.remove(id) }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                state.cancelledEarly.insert(id)
                return nil
            }
            waiter?.resume()
        }
    }
}
