// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
internal import DequeModule

/// The waiting requests, oldest first; never more than `capacity`.
public struct BatchQueue<Payload: Sendable>: Sendable {
    /// A waiting request.
    public struct Item: Sendable {
        /// What the policy sees.
        public var entry: BatchEntry
        /// What is run.
        public var payload: Payload
    }

    /// What to do next.
    public enum Step: Sendable {
        /// Nothing waits.
        case idle
        /// Ask again when a request arrives, and at this time at the latest.
        case wait(until: WallTime)
        /// Run these together; they have left the queue.
        case run([Item])
    }

    /// The most requests that wait at one time.
    public let capacity: Int
    private var items: Deque<Item> = []

    /// An empty queue; a capacity below 1 counts as 1.
    public init(capacity: Int) { self.capacity = max(1, capacity) }

    /// The number of requests that wait.
    public var count: Int { items.count }

    /// Appends a request; false when the queue is full.
    public mutating func append(_ payload: Payload, entry: BatchEntry) -> Bool {
        guard items.count < capacity else { return false }
        items.append(Item(entry: entry, payload: payload))
        return true
    }

    /// Takes a request out before it has run; false when it isn't waiting. O(n).
    public mutating func remove(id: UInt64) -> Bool {
        guard let index = items.firstIndex(where: { $0.entry.id == id }) else { return false }
        items.remove(at: index)
        return true
    }

    /// Takes the next batch out of the queue where the policy says so.
    public mutating func next(policy: BatchPolicy, now: WallTime) -> Step {
        switch policy.decide(items.lazy.map(\.entry), now: now) {
        case .idle: return .idle
        case .wait(let time): return .wait(until: time)
        case .run(let positions):
            let batch = positions.map { items[$0] }
            if positions.count == (positions.last ?? 0) + 1 {
                items.removeFirst(positions.count)
            } else {
                for position in positions.reversed() { items.remove(at: position) }
            }
            return .run(batch)
        }
    }
}
