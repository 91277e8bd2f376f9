// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
internal import DequeModule

/// Which requests may go now: a bounded number in flight, in turn between flows, fewer after the server pushed back.
///
/// | the server answered | the number in flight that is allowed | nothing goes before |
/// | --- | --- | --- |
/// | 429, or 503 with `Retry-After` | half, at least 1, once in a pause | now + `Retry-After`, at most 60 s |
/// | anything else | one more after as many answers as are allowed in flight, up to the limit | |
///
/// A flow is a kind of request (a resource): one that has queued thousands leaves every other its turn.
struct FlowStateMachine: Sendable {
    /// What the server did with a request.
    enum Outcome: Sendable, Hashable {
        /// It answered, or nothing is known.
        case answered
        /// It has too much to do.
        case pushedBack(retryAfter: Duration?)
    }

    /// The longest pause that is believed.
    static let longestPause = Duration.seconds(60)

    private let limit: Int
    private(set) var allowed: Int
    private(set) var inFlight = 0
    private(set) var pushBacks = 0
    private(set) var pausedUntil: WallTime?
    private var answersSinceChange = 0
    private var waiting: [String: Deque<UInt64>] = [:]
    private var turns: Deque<String> = []

    /// Lets at most `limit` requests go at once.
    init(limit: Int) {
        self.limit = max(1, limit)
        allowed = self.limit
    }

    /// The requests that wait.
    var waitingCount: Int { waiting.values.reduce(0) { $0 + $1.count } }

    /// A request arrived: whether it may go at once. If not it waits, and `next()` names it in its turn.
    mutating func arrived(_ id: UInt64, flow: String) -> Bool {
        if inFlight < allowed && turns.isEmpty {
            inFlight += 1
            return true
        }
        if waiting[flow] == nil { turns.append(flow) }
        waiting[flow, default: []].append(id)
        return false
    }

    /// A waiting request was given up; `false` when it doesn't wait (any more).
    mutating func cancelled(_ id: UInt64, flow: String) -> Bool {
        guard let index = waiting[flow]?.firstIndex(of: id) else { return false }
        waiting[flow]?.remove(at: index)
        if waiting[flow]?.isEmpty ?? true { endTurns(of: flow) }
        return true
    }

    /// A request that went is over.
    mutating func ended(_ outcome: Outcome, now: WallTime) {
        inFlight -= 1
        switch outcome {
        case .answered:
            answersSinceChange += 1
            if allowed < limit && answersSinceChange >= allowed {
                allowed += 1
                answersSinceChange = 0
            }
        case .pushedBack(let after):
            pushBacks += 1
            if pausedUntil.map({ $0 <= now }) ?? true {
                allowed = max(1, allowed / 2)
                answersSinceChange = 0
            }
            // Without a word on how long, who was refused waits by itself.
            guard let after else { return }
            let end = now + min(max(after, .zero), Self.longestPause)
            pausedUntil = max(pausedUntil ?? end, end)
        }
    }

    /// How long who may go still has to wait because the server asked for a pause.
    func pause(now: WallTime) -> Duration { pausedUntil.map { max(.zero, $0 - now) } ?? .zero }

    /// The next waiting request that may go; `nil` for none. Call until it answers `nil`.
    mutating func next() -> UInt64? {
        guard inFlight < allowed, let flow = turns.popFirst(), let id = waiting[flow]?.popFirst() else { return nil }
        if waiting[flow]?.isEmpty ?? true { waiting[flow] = nil } else { turns.append(flow) }
        inFlight += 1
        return id
    }

    private mutating func endTurns(of flow: String) {
        waiting[flow] = nil
        turns.removeAll { $0 == flow }
    }
}
