// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import DequeModule

/// Values that are known for a while, a bounded number of them; the oldest goes first.
struct ExpiringCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Entry {
        var value: Value
        var end: WallTime
        var number: UInt64
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// Every insertion; one whose number isn't its key's any more is history.
    private var order: Deque<(key: Key, number: UInt64)> = []
    private var next: UInt64 = 0

    /// An empty cache for at most `capacity` values.
    init(capacity: Int) { self.capacity = max(1, capacity) }

    /// How many values are kept, those that are over included.
    var count: Int { entries.count }

    /// What is known of `key` at `now`.
    func value(_ key: Key, now: WallTime) -> Value? {
        guard let entry = entries[key], now < entry.end else { return nil }
        return entry.value
    }

    /// Keeps a value until `end`.
    mutating func keep(_ value: Value, for key: Key, until end: WallTime) {
        next += 1
        entries[key] = Entry(value: value, end: end, number: next)
        order.append((key, next))
        while entries.count > capacity || order.count > 2 * capacity, let oldest = order.popFirst() {
            guard let entry = entries[oldest.key], entry.number == oldest.number else { continue }
            // Only a queue of history may be longer than its share; what is still valid then goes to its end.
            if entries.count > capacity { entries[oldest.key] = nil } else { order.append(oldest) }
        }
    }

    /// Forgets everything.
    mutating func removeAll() {
        entries.removeAll()
        order.removeAll()
    }
}
