// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Synchronization

/// The output of one instance of a container, line by line with times; the oldest lines go when there are too many.
final class ContainerLog: Sendable {
    /// One line, without its end.
    struct Line: Sendable, Hashable {
        /// When its end was read.
        var time: WallTime
        /// Its text.
        var bytes: [UInt8]

        /// What it takes of memory, about: its text, and for the entry and the list of bytes 64 more.
        var cost: Int { bytes.capacity + 64 }
    }

    /// The longest line in bytes; a longer one is cut into several (as the kubelet does at 16 KiB).
    static let longestLine = 16 << 10

    private struct State {
        var lines: [Line] = []
        var dropped = 0
        var bytes = 0
        var partial: [UInt8] = []
        var isClosed = false
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let limit: Int
    private let time: any TimeSource
    private let state = Mutex(State())

    /// A log that keeps the last lines, as many as `limit` bytes of memory hold.
    init(limit: Int, time: any TimeSource) {
        self.limit = max(1024, limit)
        self.time = time
    }

    /// Takes in output.
    func append(_ chunk: [UInt8]) {
        let now = time.now()
        wake { state in
            for byte in chunk {
                if byte == 0x0a {
                    self.finishLine(&state, now)
                } else {
                    state.partial.append(byte)
                    if state.partial.count >= Self.longestLine { self.finishLine(&state, now) }
                }
            }
        }
    }

    /// Notes that nothing more comes.
    func close() {
        let now = time.now()
        wake { state in
            if !state.partial.isEmpty { self.finishLine(&state, now) }
            state.isClosed = true
        }
    }

    /// The lines from number `index` on (counted from the first ever), the next index, and whether nothing more comes.
    func lines(from index: Int) -> (lines: ArraySlice<Line>, next: Int, isClosed: Bool) {
        state.withLock { state in
            let start = min(state.lines.count, max(0, index - state.dropped))
            return (state.lines[start...], state.dropped + state.lines.count, state.isClosed)
        }
    }

    /// Returns when there are lines from number `index` on, when the log is closed, or when the task is cancelled.
    func waitForLines(from index: Int) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    if state.isClosed || state.dropped + state.lines.count > index || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    private func finishLine(_ state: inout State, _ now: WallTime) {
        // A copy without the room to grow that the partial line has.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(state.partial.count)
        bytes.append(contentsOf: state.partial)
        state.partial.removeAll(keepingCapacity: true)
        let line = Line(time: now, bytes: bytes)
        state.bytes += line.cost
        state.lines.append(line)
        guard state.bytes > limit else { return }
        var count = 0
        while state.bytes > limit * 3 / 4, count < state.lines.count - 1 {
            state.bytes -= state.lines[count].cost
            count += 1
        }
        state.lines.removeFirst(count)
        state.dropped += count
    }

    private func wake(_ body: (inout State) -> Void) {
        let waiters = state.withLock { state in
            body(&state)
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }
}
