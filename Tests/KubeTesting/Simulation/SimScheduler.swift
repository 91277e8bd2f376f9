// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import HeapModule
import Synchronization

/// Runs the tasks of a simulated world on the calling thread, one job at a time, in an order drawn from a seed.
///
/// Among the jobs that are ready it picks one at random; when none is ready, time jumps to the next deadline. Computing
/// takes no time. Two runs with the same seed and the same tasks run the same jobs in the same order, as long as all
/// work stays in tasks with the preference of a `SimProcess` (child tasks inherit it, `Task {}` doesn't).
public final class SimScheduler: Sendable {
    /// Why `run(until:)` came back.
    public enum Ending: Sendable, Hashable {
        /// The time has come.
        case reached
        /// `stop()` was called.
        case stopped
        /// Too many jobs ran without time passing: something loops.
        case stuck
    }

    private struct Sleeper: Comparable {
        let deadline: Duration
        let serial: UInt64

        static func < (left: Sleeper, right: Sleeper) -> Bool {
            (left.deadline, left.serial) < (right.deadline, right.serial)
        }
    }

    private struct Lane {
        var jobs: [UnownedJob] = []
        var isPaused = false
    }

    private struct State {
        var lanes: [Lane] = []
        var processes: [SimProcess] = []
        var random: UInt64
        var now = Duration.zero
        var serial: UInt64 = 0
        var sleepers: Heap<Sleeper> = []
        var waiting: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var cancelledEarly: Set<UInt64> = []
        var isStopped = false
        var thread: ObjectIdentifier?
        var strays = 0
        var jobs = 0
    }

    /// The most jobs that may run at one instant; a world of a few models needs some thousands.
    public static let mostJobsAtOnce = 400_000

    private let state: Mutex<State>

    /// A world without tasks at time zero.
    public init(seed: UInt64) { state = Mutex(State(random: seed)) }

    /// The time since the world began.
    public var now: Duration { state.withLock { $0.now } }

    /// How many jobs have run.
    public var jobCount: Int { state.withLock { $0.jobs } }

    /// How many jobs came from other threads: work that left the simulation, after which a run may not repeat itself.
    public var strayCount: Int { state.withLock { $0.strays } }

    /// How many tasks are asleep.
    public var sleeperCount: Int { state.withLock { $0.waiting.count } }

    /// Makes a process, whose tasks can be paused together.
    public func makeProcess(_ name: String) -> SimProcess {
        let process = state.withLock { state in
            state.lanes.append(Lane())
            let process = SimProcess(name: name, lane: state.lanes.count - 1, scheduler: self)
            state.processes.append(process)
            return process
        }
        return process
    }

    /// Ends `run(until:)` after the job in hand.
    public func stop() { state.withLock { $0.isStopped = true } }

    /// Runs jobs and lets time pass until `end`.
    public func run(until end: Duration) -> Ending {
        state.withLock { $0.thread = ObjectIdentifier(Thread.current) }
        defer { state.withLock { $0.thread = nil } }
        var atOnce = 0
        while true {
            if state.withLock({ $0.isStopped }) { return .stopped }
            if runOne() {
                atOnce += 1
                if atOnce > Self.mostJobsAtOnce { return .stuck }
                continue
            }
            atOnce = 0
            guard wakeNext(until: end) else { return .reached }
        }
    }

    /// Runs what is ready and lets no time pass.
    public func drain() {
        state.withLock { $0.thread = ObjectIdentifier(Thread.current) }
        defer { state.withLock { $0.thread = nil } }
        for _ in 0..<Self.mostJobsAtOnce where !runOne() { return }
    }

    /// Ends every sleep with a `CancellationError`: the end of the world.
    public func cancelSleepers() {
        let waiting = state.withLock { state in
            let waiting = state.waiting.sorted { $0.key < $1.key }.map(\.value)
            state.waiting = [:]
            state.sleepers = []
            return waiting
        }
        for continuation in waiting { continuation.resume(throwing: CancellationError()) }
    }

    private func runOne() -> Bool {
        let next = state.withLock { state -> (UnownedJob, SimProcess)? in
            var ready = 0
            for lane in state.lanes where !lane.isPaused { ready += lane.jobs.count }
            guard ready > 0 else { return nil }
            var index = Int(Self.next(&state.random) % UInt64(ready))
            for place in state.lanes.indices where !state.lanes[place].isPaused {
                let count = state.lanes[place].jobs.count
                guard index >= count else {
                    state.lanes[place].jobs.swapAt(index, count - 1)
                    state.jobs += 1
                    return (state.lanes[place].jobs.removeLast(), state.processes[place])
                }
                index -= count
            }
            return nil
        }
        guard let (job, process) = next else { return false }
        unsafe job.runSynchronously(on: process.asUnownedTaskExecutor())
        return true
    }

    /// Jumps to the next deadline, if it isn't after `end`, and wakes those whose time has come.
    private func wakeNext(until end: Duration) -> Bool {
        let due = state.withLock { state -> [CheckedContinuation<Void, any Error>]? in
            while let first = state.sleepers.min, state.waiting[first.serial] == nil { _ = state.sleepers.popMin() }
            guard let first = state.sleepers.min, first.deadline <= end else {
                state.now = max(state.now, end)
                return nil
            }
            state.now = max(state.now, first.deadline)
            var due: [CheckedContinuation<Void, any Error>] = []
            while let next = state.sleepers.min, next.deadline <= state.now {
                _ = state.sleepers.popMin()
                if let continuation = state.waiting.removeValue(forKey: next.serial) { due.append(continuation) }
            }
            return due
        }
        guard let due else { return false }
        for continuation in due { continuation.resume() }
        return true
    }

    // MARK: For processes and clocks

    func enqueue(_ job: UnownedJob, lane: Int) {
        let thread = ObjectIdentifier(Thread.current)
        state.withLock { state in
            if let own = state.thread, own != thread { state.strays += 1 }
            state.lanes[lane].jobs.append(job)
        }
    }

    func setPaused(_ isPaused: Bool, lane: Int) { state.withLock { $0.lanes[lane].isPaused = isPaused } }

    /// Sleeps until `duration` of the world's time has passed.
    public func sleep(for duration: Duration) async throws {
        let id = state.withLock { state in
            state.serial += 1
            return state.serial
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                register(id, duration, continuation)
            }
        } onCancel: {
            cancel(id)
        }
    }

    private func register(_ id: UInt64, _ duration: Duration, _ continuation: CheckedContinuation<Void, any Error>) {
        let isCancelled = state.withLock { state -> Bool in
            if state.cancelledEarly.remove(id) != nil { return true }
            state.waiting[id] = continuation
            state.sleepers.insert(Sleeper(deadline: state.now + max(.zero, duration), serial: id))
            return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
    }

    private func cancel(_ id: UInt64) {
        let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
            if let continuation = state.waiting.removeValue(forKey: id) { return continuation }
            if state.serial >= id { state.cancelledEarly.insert(id) }
            return nil
        }
        continuation?.resume(throwing: CancellationError())
    }

    /// SplitMix64, as `SeededRandom`.
    private static func next(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
