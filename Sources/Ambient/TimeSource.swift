// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Where time comes from; everything that needs the time or has to wait takes one as an argument.
public protocol TimeSource: Sendable {
    /// The time now. Never earlier than what an earlier call answered.
    func now() -> WallTime

    /// Returns when `duration` has passed; throws `CancellationError` when the task is cancelled first.
    func sleep(for duration: Duration) async throws
}

/// The machine's time: the wall time at start plus what the continuous clock counted since.
///
/// A step of the machine's clock (NTP, a person) therefore moves neither time-outs nor stabilization windows.
public struct SystemTime: TimeSource {
    private let origin: WallTime
    private let start: ContinuousClock.Instant

    /// Reads the machine's clocks once.
    public init() {
        start = ContinuousClock.now
        origin = WallTime.read()
    }

    /// The time now.
    public func now() -> WallTime { origin + start.duration(to: ContinuousClock.now) }

    /// Sleeps on the continuous clock.
    public func sleep(for duration: Duration) async throws {
        try await AlarmClock.shared.sleep(until: ContinuousClock.now.advanced(by: duration))
    }
}

/// A time that moves only when told to: sleepers wake when `advance(by:)` reaches their deadline.
public final class ManualTime: TimeSource {
    private struct Sleeper {
        let deadline: WallTime
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now: WallTime
        var nextID: UInt64 = 0
        var sleepers: [UInt64: Sleeper] = [:]
        var cancelledEarly: Set<UInt64> = []
    }

    private let state: Mutex<State>

    /// Starts at `start`, by default 2026-01-01T00:00:00Z.
    public init(start: WallTime = WallTime(nanoseconds: 1_767_225_600_000_000_000)) {
        state = Mutex(State(now: start))
    }

    /// The time that was last set.
    public func now() -> WallTime { state.withLock { $0.now } }

    /// The number of tasks that are asleep now.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// Waits for `advance(by:)` to pass `duration`.
    public func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                register(id: id, duration: duration, continuation: continuation)
            }
        } onCancel: {
            cancel(id: id)
        }
    }

    /// Moves time forward and wakes, in order of deadline, every sleeper whose time has come.
    public func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            let now = state.now
            let due = state.sleepers.filter { $0.value.deadline <= now }
                .sorted { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }
            for (id, _) in due { state.sleepers[id] = nil }
            return due.map(\.value)
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    private enum Registration { case waiting, due, cancelled }

    private func register(id: UInt64, duration: Duration, continuation: CheckedContinuation<Void, any Error>) {
        let outcome = state.withLock { state -> Registration in
            if state.cancelledEarly.remove(id) != nil { return .cancelled }
            if duration <= .zero { return .due }
            state.sleepers[id] = Sleeper(deadline: state.now + duration, continuation: continuation)
            return .waiting
        }
        switch outcome {
        case .waiting: break
        case .due: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        }
    }

    private func cancel(id: UInt64) {
        let sleeper = state.withLock { state -> Sleeper? in
            if let sleeper = state.sleepers.removeValue(forKey: id) { return sleeper }
            state.cancelledEarly.insert(id)
            return nil
        }
        sleeper?.continuation.resume(throwing: CancellationError())
    }
}
