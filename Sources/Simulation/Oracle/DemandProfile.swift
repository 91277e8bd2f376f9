// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Arrivals per second of a trace as they will happen: what only an oracle knows.
public struct DemandProfile: Sendable {
    /// The requests of each second.
    public let counts: [Int]
    /// The work in the requests; `nil` where it isn't known, only its distribution.
    private(set) var work: KnownWork?

    /// These arrivals.
    init(counts: [Int], work: KnownWork? = nil) {
        self.counts = counts
        self.work = work
    }

    /// Plays `plan` as a run of `settings` does, the work included.
    public init(_ plan: ArrivalPlan, settings: FleetSettings) {
        self.init(plan, seed: settings.seed)
        work = KnownWork(drawn: requests, settings: settings)
    }

    /// Plays `plan` as a run with the same seed does.
    public init(_ plan: ArrivalPlan, seed: UInt64) {
        var cursor = ArrivalCursor(plan, seed: seed)
        var counts = Array(repeating: 0, count: max(1, Int(plan.seconds.rounded(.up))))
        var time = cursor.next()
        while time != .max {
            counts[min(counts.count - 1, Int(time / 1_000_000))] += 1
            time = cursor.next()
        }
        self.counts = counts
    }

    /// All requests.
    public var requests: Int { counts.reduce(0, +) }

    /// The replicas that are needed in each second so that nobody waits longer than `slack` seconds.
    ///
    /// For every window of 1, 2, 4, ... 1024 s, what arrives in it has to be served within the window and the slack; that
    /// asks for a capacity in all of its seconds, and `isLasting` in those of the slack after it as well: a short burst may be
    /// served mostly then. The largest demand wins.
    func demand(replicaRate: Double, slack: Double, isLasting: Bool = false) -> [Double] {
        var sums = [0]
        sums.reserveCapacity(counts.count + 1)
        for count in counts { sums.append(sums[sums.count - 1] + count) }
        var demand = Array(repeating: 0.0, count: counts.count)
        let rest = isLasting ? slack.rounded(.down) : 0
        var width = 1
        while width <= min(1024, counts.count) {
            let capacity = replicaRate * (Double(width) + (isLasting ? rest : slack))
            var rates = SlidingMaximum(width: width)
            for second in counts.indices {
                let start = min(second, counts.count - width)
                if start == second { rates.add(Double(sums[start + width] - sums[start]), at: start) }
                demand[second] = max(demand[second], rates.maximum(from: second - width + 1 - Int(rest)) / capacity)
            }
            width *= 2
        }
        return demand
    }

    /// The share of requests that wait at most `slack` seconds when `replicas[i]` are ready in second i: first in, first
    /// out, in the flow of a fluid. With `dropsLate` nobody serves what is late already.
    func attainment(replicas: [Int], replicaRate: Double, slack: Double, dropsLate: Bool = false) -> Double {
        // Work that is due: what has arrived until `second - slack`. Late is what is served after its due time.
        var backlog: [(second: Int, count: Double)] = []
        var head = 0
        var late = 0.0
        var total = 0.0
        for second in counts.indices {
            total += Double(counts[second])
            if counts[second] > 0 { backlog.append((second, Double(counts[second]))) }
            var room = Double(replicas[second]) * replicaRate
            while room > 1e-9, head < backlog.count {
                let isLate = Double(second - backlog[head].second) > slack
                let served = isLate && dropsLate ? backlog[head].count : min(room, backlog[head].count)
                if isLate { late += served }
                backlog[head].count -= served
                if !isLate || !dropsLate { room -= served }
                if backlog[head].count <= 1e-9 { head += 1 } else { break }
            }
            if head > 4096 {
                backlog.removeFirst(head)
                head = 0
            }
        }
        for rest in backlog[head...] { late += rest.count }
        return total > 0 ? 1 - late / total : 1
    }
}

/// The maximum of the last values of a series, in constant time per value (a monotonic queue).
struct SlidingMaximum: Sendable {
    private var values: [Double] = []
    private var positions: [Int] = []
    private var head = 0

    /// For windows of up to `width` positions.
    init(width: Int) {
        values.reserveCapacity(min(width, 4096))
        positions.reserveCapacity(min(width, 4096))
    }

    /// Adds the value of a position, ascending.
    mutating func add(_ value: Double, at position: Int) {
        while values.count > head, let last = values.last, last <= value {
            values.removeLast()
            positions.removeLast()
        }
        values.append(value)
        positions.append(position)
    }

    /// The largest value from `start` on; 0 when there is none. `start` never goes back.
    mutating func maximum(from start: Int) -> Double {
        while head < positions.count, positions[head] < start { head += 1 }
        if head > 4096 {
            values.removeFirst(head)
            positions.removeFirst(head)
            head = 0
        }
        return head < values.count ? values[head] : 0
    }
}
