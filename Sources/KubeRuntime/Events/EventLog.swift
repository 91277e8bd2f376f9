// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import KubeModel

/// Remembers which events were written, to count repeats and keep each object to its budget. Pure and bounded.
struct EventLog: Sendable {
    /// What makes two events the same.
    struct Identity: Hashable, Sendable {
        var uid: String
        var type: String
        var reason: String
        var message: String
        var field: String? = nil
    }

    /// What to do with an event.
    enum Decision: Hashable, Sendable {
        case create
        case repeats(ObjectKey, count: Int)
        case drop
    }

    private struct Entry {
        var key: ObjectKey
        var count: Int
        var lastUse: UInt64
    }

    private struct Budget {
        var tokens: Double
        var refilled: WallTime
        var lastUse: UInt64
    }

    /// The most events and objects that are remembered (client-go: 4096).
    let capacity: Int
    /// The events of a type that an object may have at once (client-go's `defaultSpamBurst`). The types have a budget each, so that a
    /// day of good news can't hide the warning that somebody has to see.
    static let burst = 25.0
    /// Seconds until an object gets another one (client-go's `defaultSpamQPS`, 1 in 300 s).
    static let refillSeconds = 300.0

    private var entries: [Identity: Entry] = [:]
    private var budgets: [String: Budget] = [:]
    private var uses: UInt64 = 0

    init(capacity: Int = 4096) { self.capacity = max(2, capacity) }

    /// Counts an event.
    mutating func record(_ identity: Identity, now: WallTime) -> Decision {
        uses += 1
        guard spend("\(identity.type)/\(identity.uid)", now: now) else { return .drop }
        guard var entry = entries[identity] else { return .create }
        entry.count = min(entry.count + 1, Int(Int32.max))
        entry.lastUse = uses
        entries[identity] = entry
        return .repeats(entry.key, count: entry.count)
    }

    /// Remembers where an event was written.
    mutating func created(_ identity: Identity, key: ObjectKey) {
        entries[identity] = Entry(key: key, count: 1, lastUse: uses)
        guard entries.count > capacity else { return }
        // Drops the older half at once, so that this is rare.
        let limit = entries.values.map(\.lastUse).sorted()[entries.count / 2]
        entries = entries.filter { $0.value.lastUse >= limit }
    }

    private mutating func spend(_ account: String, now: WallTime) -> Bool {
        var budget = budgets[account] ?? Budget(tokens: Self.burst, refilled: now, lastUse: uses)
        let refill = (now - budget.refilled).inSeconds / Self.refillSeconds
        budget.tokens = min(Self.burst, budget.tokens + max(0, refill))
        budget.refilled = now
        budget.lastUse = uses
        let isAllowed = budget.tokens >= 1
        if isAllowed { budget.tokens -= 1 }
        budgets[account] = budget
        if budgets.count > capacity {
            let limit = budgets.values.map(\.lastUse).sorted()[budgets.count / 2]
            budgets = budgets.filter { $0.value.lastUse >= limit }
        }
        return isAllowed
    }
}
