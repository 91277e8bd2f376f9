// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// Wakes sleepers at their deadlines, on the continuous clock.
///
/// A cancelled `Task.sleep` keeps its timer and its task until the deadline comes (some 500 bytes): a program that gives every
/// call a deadline of minutes, and makes thousands of calls a second, would hold all that is over. Here a sleeper that
/// is cancelled is gone at once, and there is about one timer for all.
final class AlarmClock: Sendable {
    fileprivate struct State {
        var sleepers: [UInt64: CheckedContinuation<Void, any Error>] = [:]
        var deadlines = DeadlineHeap()
        /// Those that were cancelled before they slept.
        var cancelledEarly: Set<UInt64> = []
        var nextID: UInt64 = 0
        /// When this clock will be called, the latest first.
        var calls: [ContinuousClock.Instant] = []
    }

    /// The clock of the process.
    static let shared = AlarmClock()

    /// The longest time between two calls while somebody sleeps: the timers don't count the time that the machine is
    /// suspended, and the continuous clock does.
    private static let longestCall = Duration.seconds(60)

    private let state = Mutex(State())

    /// A clock without a sleeper.
    init() {}

    /// The number of sleepers.
    var count: Int { state.withLock { $0.sleepers.count } }

    /// Returns at `deadline`.
    /// - Throws: `CancellationError` when the task is cancelled first.
    func sleep(until deadline: ContinuousClock.Instant) async throws {
        try Task.checkCancellation()
        guard deadline > ContinuousClock.now else { return await Task.yield() }
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (isCancelled, call) = state.withLock { state in
                    if state.cancelledEarly.remove(id) != nil { return (true, ContinuousClock.Instant?.none) }
                    state.sleepers[id] = continuation
                    state.deadlines.insert(deadline, id)
                    return (false, state.newCall(Self.longestCall))
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
                if let call { arrange(call) }
            }
        } onCancel: {
            cancel(id)
        }
        // Cancelled when it had woken already: nobody else takes the note away.
        state.withLock { _ = $0.cancelledEarly.remove(id) }
    }

    private func cancel(_ id: UInt64) {
        let sleeper = state.withLock { state in
            guard let sleeper = state.sleepers.removeValue(forKey: id) else {
                state.cancelledEarly.insert(id)
                return CheckedContinuation<Void, any Error>?.none
            }
            let known = state.sleepers
            state.deadlines.noteGone { known[$0] != nil }
            return sleeper
        }
        sleeper?.resume(throwing: CancellationError())
    }

    private func arrange(_ call: ContinuousClock.Instant) {
        let (seconds, attoseconds) = ContinuousClock.now.duration(to: call).components
        let delay = max(0, Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
        DispatchQueue.global().asyncAfter(deadline: .now() + .nanoseconds(delay)) { self.wake() }
    }

    private func wake() {
        let (due, call) = state.withLock { state in
            _ = state.calls.popLast()
            let now = ContinuousClock.now
            var due: [CheckedContinuation<Void, any Error>] = []
            while let id = state.deadlines.removeFirst(upTo: now) {
                if let sleeper = state.sleepers.removeValue(forKey: id) { due.append(sleeper) }
            }
            return (due, state.newCall(Self.longestCall))
        }
        for sleeper in due { sleeper.resume() }
        if let call { arrange(call) }
    }
}

extension AlarmClock.State {
    /// The call that has to be arranged for the first deadline; `nil` where one comes early enough.
    fileprivate mutating func newCall(_ longest: Duration) -> ContinuousClock.Instant? {
        guard let first = deadlines.first else { return nil }
        let call = min(first, ContinuousClock.now.advanced(by: longest))
        if let next = calls.last, next <= call { return nil }
        calls.append(call)
        return call
    }
}

/// Deadlines, the earliest first; of equal ones the one that was inserted first.
struct DeadlineHeap {
    private struct Entry {
        var deadline: ContinuousClock.Instant
        var id: UInt64

        func precedes(_ other: Entry) -> Bool { (deadline, id) < (other.deadline, other.id) }
    }

    /// Below this many entries those that are gone may stay.
    private static let smallest = 64

    private var entries: [Entry] = []
    private var gone = 0

    /// The earliest deadline.
    var first: ContinuousClock.Instant? { entries.first?.deadline }

    /// The number of entries, with those that are gone and not yet taken out.
    var count: Int { entries.count }

    /// Adds a deadline.
    mutating func insert(_ deadline: ContinuousClock.Instant, _ id: UInt64) {
        entries.append(Entry(deadline: deadline, id: id))
        rise(from: entries.count - 1)
    }

    /// Takes out the earliest where it isn't after `now`.
    mutating func removeFirst(upTo now: ContinuousClock.Instant) -> UInt64? {
        guard let first = entries.first, first.deadline <= now else { return nil }
        let last = entries.removeLast()
        if !entries.isEmpty {
            entries[0] = last
            sink(from: 0)
        }
        return first.id
    }

    /// Notes that one more entry has lost its owner; once these are most, they are taken out.
    mutating func noteGone(unless isKnown: (UInt64) -> Bool) {
        gone += 1
        guard gone > Self.smallest, gone > entries.count / 2 else { return }
        entries.removeAll { !isKnown($0.id) }
        // A sorted array is a heap.
        entries.sort { $0.precedes($1) }
        gone = 0
    }

    private mutating func rise(from index: Int) {
        var index = index
        while index > 0, entries[index].precedes(entries[(index - 1) / 2]) {
            entries.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func sink(from index: Int) {
        var index = index
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2]
            where child < entries.count && entries[child].precedes(entries[least]) { least = child }
            guard least != index else { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}
