// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The seconds of work in a request, learned from what servers tell: mean durations that have the waits in them, and levels.
///
/// | requests that wait, at both ends of the interval | work |
/// | --- | --- |
/// | none, nor for as long as a request takes before it, and some slots are free | the mean duration |
/// | some or no slot free, with about as many at work at both ends | those at work over those that end a second (Little's law), once ten have ended |
/// | otherwise | nothing is learned: the mean is of requests that came earlier, the levels are of now |
///
/// A mean counts as much as the requests in it: the first 200 alike, then each with 1/200, an interval with at most a fifth. One that is more
/// than ten times what was learned counts as ten times.
///
/// Of servers that don't tell how many wait, the least mean of a hundred requests is what a request takes without a wait (it
/// may grow by 1 % a minute); where a hundred take more than twice as long, what the throughput doesn't explain waits.
struct WorkEstimate: Sendable, Hashable {
    /// The mean seconds of work in a request; `nil` until some were answered.
    private(set) var seconds: Double?
    /// The squared coefficient of variation of the seconds of work.
    private(set) var variation = 0.5

    private var seen = 0.0
    private var lastRunning = 0.0
    private var lastWaiting: Double?
    private var quietSeconds = Double.infinity
    private var busySeconds = 0.0
    private var busyEnded = 0.0
    private var blockSeconds = 0.0
    private var blockEnded = 0.0
    private var leastMean: Double?
    private var isQueued = false

    /// After how many requests the newest count by the same weight.
    private static let memory = 200.0
    /// The longest time without a queue that is waited for, in seconds: what was learned may be far too much.
    private static let longestQuiet = 300.0
    /// Up to which share of the slots hardly anybody waits between two looks.
    private static let freeShare = 0.85
    /// From how many requests Little's law gives a mean.
    private static let leastEnded = 10.0
    /// How many requests a mean is of that shows whether some wait.
    private static let block = 100.0

    /// What is told of an interval, with those that wait apart from those at work.
    mutating func splitting(_ traffic: SLOTraffic) -> SLOTraffic {
        guard !traffic.isQueueKnown, let mean = traffic.meanSeconds, mean > 0, mean.isFinite else { return traffic }
        blockSeconds += mean * traffic.completed
        blockEnded += traffic.completed
        leastMean? *= power(1.01, traffic.intervalSeconds / 60)
        if blockEnded >= Self.block {
            let mean = blockSeconds / blockEnded
            leastMean = min(mean, leastMean ?? mean)
            isQueued = mean > 2 * (leastMean ?? mean)
            (blockSeconds, blockEnded) = (0, 0)
        }
        guard isQueued, let least = leastMean else { return traffic }
        var split = traffic
        split.running = min(traffic.running, traffic.completed / traffic.intervalSeconds * least)
        split.waiting = traffic.running - split.running
        return split
    }

    /// Learns from an interval whose `waiting` is apart.
    /// - Parameter capacity: how many can be at work at the same time; nothing is seen of a short queue between two looks.
    mutating func learn(_ traffic: SLOTraffic, capacity: Double = .infinity) {
        defer {
            (lastRunning, lastWaiting) = (traffic.running, traffic.waiting)
            quietSeconds = traffic.waiting > 0 ? 0 : quietSeconds + traffic.intervalSeconds
        }
        let most = max(traffic.running, lastRunning)
        let isFree = traffic.waiting == 0 && lastWaiting ?? 0 == 0 && most <= Self.freeShare * capacity
        if isFree, let mean = traffic.meanSeconds {
            (busySeconds, busyEnded) = (0, 0)
            // Those that end now may have begun while others still waited.
            guard quietSeconds >= min(seconds ?? 0, Self.longestQuiet) else { return }
            learn(mean, of: traffic.completed)
            learnVariation(traffic)
        } else if let lastWaiting, traffic.meanSeconds == nil || (lastWaiting > 0) == (traffic.waiting > 0),
            abs(traffic.running - lastRunning) <= 0.1 * most
        {
            busySeconds += (traffic.running + lastRunning) / 2 * traffic.intervalSeconds
            busyEnded += traffic.completed
            guard busyEnded >= Self.leastEnded else { return }
            learn(busySeconds / busyEnded, of: busyEnded)
            (busySeconds, busyEnded) = (0, 0)
        } else if seconds == nil, let mean = traffic.meanSeconds {
            // Better than nothing, until the next mean takes its place.
            let working = max(1, traffic.running)
            learn(mean * working / (working + traffic.waiting), of: traffic.completed)
            seen = 0
        }
    }

    /// Another version serves: what its first requests take counts, not what those of the one before took.
    mutating func startAnew() { seen = 0 }

    private mutating func learn(_ mean: Double, of ended: Double) {
        guard mean.isFinite, mean > 0, mean < 86_400, ended > 0 else { return }
        let mean = min(mean, 10 * (seconds ?? mean))
        let weight = seen >= Self.memory ? min(0.2, ended / Self.memory) : ended / (seen + ended)
        seen = min(Self.memory, seen + ended)
        seconds = seconds.map { $0 + (mean - $0) * weight } ?? mean
    }

    private mutating func learnVariation(_ traffic: SLOTraffic) {
        guard let seen = traffic.serviceVariation, seen.isFinite, seen >= 0, traffic.completed > 1 else { return }
        variation += (min(seen, 25) - variation) * min(0.2, traffic.completed / Self.memory)
    }
}

/// `base` to the power of `exponent`, for a base above 0.
func power(_ base: Double, _ exponent: Double) -> Double { exponential(naturalLogarithm(base) * exponent) }
