// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import KubeModel
internal import Synchronization

/// What a queue tells about itself, for metrics. Called often: each must be quick.
public protocol WorkQueueObserver: Sendable {
    /// So many keys could be worked on now.
    func depth(_ count: Int)
    /// A key was added that wasn't queued.
    func added()
    /// A key was taken that had waited so long.
    func waited(_ duration: Duration)
    /// A key was worked on for so long.
    func worked(_ duration: Duration)
    /// A key failed and comes back.
    func retried()
}

/// A queue of keys for several workers: each key once, never in two hands, delayed keys, backoff for each key and one rate
/// limit for all retries.
public final class WorkQueue: Sendable {
    private struct State {
        var core = WorkQueueCore()
        var bucket: TokenBucket
        /// Since when keys are queued, or in work.
        var since: [ObjectKey: WallTime] = [:]
        var begun: [ObjectKey: WallTime] = [:]
        /// Changes with every addition, so that a worker can't sleep through one.
        var version: UInt64 = 0
        var nextWaiter: UInt64 = 0
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var cancelledEarly: Set<UInt64> = []
        /// The worker that waits for the next deadline, and that deadline.
        var timekeeper: (id: UInt64, deadline: WallTime)?

        /// Takes one worker out of those that wait; the timekeeper last.
        mutating func wakeOne() -> CheckedContinuation<Void, Never>? {
            let keeper = timekeeper?.id
            guard let id = waiters.keys.filter({ $0 != keeper }).min() ?? waiters.keys.min() else { return nil }
            return waiters.removeValue(forKey: id)
        }
    }

    private enum Step {
        case key(ObjectKey, waited: Duration?)
        case end
        case wait(id: UInt64, version: UInt64, until: WallTime?)
    }

    private let state: Mutex<State>
    private let backoff: Backoff
    private let time: any TimeSource
    private let random: any RandomSource
    private let observer: (any WorkQueueObserver)?

    /// An empty queue; failures of a key wait along `backoff`, by default from 50 ms to 5 minutes, and all failures
    /// together keep to `retries`.
    public init(
        backoff: Backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(300)),
        retries: TokenBucket = TokenBucket(),
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        observer: (any WorkQueueObserver)? = nil
    ) {
        state = Mutex(State(bucket: retries))
        self.backoff = backoff
        self.time = time
        self.random = random
        self.observer = observer
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
        let now = time.now()
        let (waiter, isNew, depth) = state.withLock { state in
            let isNew = !state.core.isWanted(key) && !state.core.isShutDown
            if isNew { state.since[key] = now }
            state.core.add(key, priority: priority)
            state.version += 1
            return (state.core.count > 0 ? state.wakeOne() : nil, isNew, state.core.count)
        }
        waiter?.resume()
        if isNew, let observer {
            observer.added()
            observer.depth(depth)
        }
    }

    /// Adds a key when `delay` has passed.
    public func add(_ key: ObjectKey, after delay: Duration, priority: WorkPriority = .change) {
        guard delay > .zero else { return add(key, priority: priority) }
        let deadline = time.now() + delay
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.core.add(key, at: deadline, priority: priority)
            state.version += 1
            // Somebody has to wait for the new deadline, unless somebody waits for an earlier one.
            guard let keeper = state.timekeeper else { return state.wakeOne() }
            return deadline < keeper.deadline ? state.waiters.removeValue(forKey: keeper.id) : nil
        }
        waiter?.resume()
    }

    /// Adds a key again after a failure, later with every failure in a row and not before `minimum`; answers the delay.
    @discardableResult
    public func retry(_ key: ObjectKey, minimum: Duration = .zero) -> Duration {
        let now = time.now()
        let (failures, rate) = state.withLock { ($0.core.noteFailure(key), $0.bucket.reserve(now: now)) }
        let delay = max(minimum, rate, backoff.delay(attempt: failures, random: random))
        observer?.retried()
        add(key, after: delay)
        return delay
    }

    /// The longest wait of the backoff.
    public var longestDelay: Duration { backoff.maximum }

    /// Forgets the failures of a key.
    public func forget(_ key: ObjectKey) { state.withLock { $0.core.noteSuccess(key) } }

    /// Ends the work on a key that `next()` handed out.
    public func done(_ key: ObjectKey) {
        let now = time.now()
        let (waiter, begun, depth) = state.withLock { state in
            state.core.done(key)
            state.version += 1
            let begun = state.begun.removeValue(forKey: key)
            return (state.core.count > 0 ? state.wakeOne() : nil, begun, state.core.count)
        }
        waiter?.resume()
        if let observer, let begun {
            observer.worked(now - begun)
            observer.depth(depth)
        }
    }

    /// Ends the queue: workers get no further key.
    public func shutDown() {
        let waiters = state.withLock { state in
            state.core.shutDown()
            state.since = [:]
            state.version += 1
            let waiters = state.waiters.sorted { $0.key < $1.key }.map(\.value)
            state.waiters = [:]
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Waits for a key to work on; `done(_:)` must follow. `nil` after shutdown or when the task is cancelled.
    public func next() async -> ObjectKey? {
        while !Task.isCancelled {
            let now = time.now()
            let (step, waiter, depth) = state.withLock { state in
                let step = Self.step(&state, now: now)
                // More keys, or a deadline that nobody waits for: that is another worker's business.
                let isMore = state.core.count > 0 || (state.timekeeper == nil && state.core.nextDeadline != nil)
                if case .key = step, isMore { return (step, state.wakeOne(), state.core.count) }
                return (step, nil, state.core.count)
            }
            waiter?.resume()
            switch step {
            case .key(let key, let waited):
                if let observer {
                    if let waited { observer.waited(waited) }
                    observer.depth(depth)
                }
                return key
            case .end: return nil
            case .wait(let id, let version, let deadline): await wait(id, version: version, until: deadline, now: now)
            }
        }
        // What this worker may have been woken for is another's now.
        state.withLock { $0.core.count > 0 ? $0.wakeOne() : nil }?.resume()
        return nil
    }

    private static func step(_ state: inout State, now: WallTime) -> Step {
        if let key = state.core.next(now: now) {
            state.begun[key] = now
            return .key(key, waited: state.since.removeValue(forKey: key).map { now - $0 })
        }
        if state.core.isShutDown { return .end }
        state.nextWaiter += 1
        let id = state.nextWaiter
        if state.timekeeper == nil, let deadline = state.core.nextDeadline {
            state.timekeeper = (id, deadline)
            return .wait(id: id, version: state.version, until: deadline)
        }
        return .wait(id: id, version: state.version, until: nil)
    }

    /// Waits until there may be work that was added after `version`, or the deadline has come.
    private func wait(_ id: UInt64, version: UInt64, until deadline: WallTime?, now: WallTime) async {
        guard let deadline else { return await waitForSignal(id, after: version) }
        let time = time
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForSignal(id, after: version) }
            group.addTask { try? await time.sleep(for: deadline - now) }
            await group.next()
            group.cancelAll()
        }
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.timekeeper = nil
            // A cancelled worker leaves its deadline to another.
            return Task.isCancelled ? state.wakeOne() : nil
        }
        waiter?.resume()
    }

    private func waitForSignal(_ id: UInt64, after version: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    if state.cancelledEarly.remove(id) != nil || state.version != version { return false }
                    state.waiters[id] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                if let waiter = state.waiters.removeValue(forKey: id) { return waiter }
                state.cancelledEarly.insert(id)
                return nil
            }
            waiter?.resume()
        }
        // Cancelled when it had been woken already: nobody else takes the note away.
        state.withLock { _ = $0.cancelledEarly.remove(id) }
    }
}
