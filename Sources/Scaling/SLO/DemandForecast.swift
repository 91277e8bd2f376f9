// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Forecasts the arrival rate one cold start from now, with a margin that is learned from its own misses.
///
/// Several simple forecasts run side by side. Each keeps, for calm, rising, surging and falling load apart, how the rate
/// that came compared with what it had said; its margin is the one that would have been cheapest. Believed is the forecast
/// whose margins have cost least of late in the present kind of load.
struct DemandForecast: Sendable, Hashable {
    /// A forecast with its margin.
    struct Answer: Sendable, Hashable {
        /// What is expected, in requests a second.
        var rate: Double
        /// The capacity to have for it, in requests a second.
        var capacity: Double
        /// Which forecast it is.
        var expert: String
    }

    private struct Pending: Sendable, Hashable {
        var due: Double
        var mood: Int
        var rates: [Double]
        var margins: [Double]
    }

    static let experts = ["16 s", "60 s", "240 s", "slow trend", "quick trend"]
    private static let moods = 4
    private static let pendingLimit = 4096
    /// How many errors it takes to halve the weight of one: half an hour at one in 2 s.
    private static let halfLife = 900.0
    private var errors: [[ErrorDistribution]]
    private var costs: [[Double]]
    private var pending: [Pending] = []
    private var head = 0

    /// Starts with the belief that rates move by some 20 %, and that the last minute is a good guess while the load is calm or
    /// falls, the last 16 s while it rises.
    init() {
        var prior = ErrorDistribution(halfLife: Self.halfLife)
        for ratio in [0.72, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.17, 1.25, 1.4] {
            prior.add(ratio)
            prior.add(ratio)
        }
        errors = Array(repeating: Array(repeating: prior, count: Self.experts.count), count: Self.moods)
        let steady = [1.02, 1, 1.05, 1.05, 1.1]
        let rising = [1, 1.1, 1.2, 1.1, 1.05]
        costs = [steady, rising, rising, steady]
    }

    /// Learns from `burstRate`, the rate that has to be served now, and forecasts for `horizon` seconds from now.
    ///
    /// `floor` is added to both sides of each ratio, so that the noise of a few requests doesn't look like a storm.
    mutating func step(
        now: Double,
        history: ArrivalHistory,
        burstRate: Double,
        horizon: Double,
        price: Double,
        floor: Double
    ) -> Answer {
        learn(now: now, burstRate: burstRate, price: price, floor: floor)
        let rates = Self.rates(history, horizon: horizon)
        let mood = Self.mood(history, floor: floor)
        let margins = errors[mood].map { $0.bestCapacity(price: price) }
        pending.append(Pending(due: now + horizon, mood: mood, rates: rates, margins: margins))
        if pending.count - head > Self.pendingLimit { head += 1 }
        if head > Self.pendingLimit {
            pending.removeFirst(head)
            head = 0
        }
        let best = rates.indices.min { costs[mood][$0] < costs[mood][$1] } ?? 0
        let capacity = max(0, (rates[best] + floor) * margins[best] - floor)
        return Answer(rate: rates[best], capacity: rates[best] > 0 ? capacity : 0, expert: Self.experts[best])
    }

    private mutating func learn(now: Double, burstRate: Double, price: Double, floor: Double) {
        while head < pending.count, pending[head].due <= now {
            let entry = pending[head]
            head += 1
            let came = burstRate + floor
            for expert in entry.rates.indices {
                let expected = entry.rates[expert] + floor
                errors[entry.mood][expert].add(came / expected)
                let cost = ErrorDistribution.cost(
                    capacity: entry.margins[expert],
                    ratio: came / expected,
                    price: price
                )
                costs[entry.mood][expert] +=
                    (min(cost * expected / came, 20 * price) - costs[entry.mood][expert]) / Self.halfLife
            }
        }
    }

    /// Calm, rising, surging or falling: the last quarter of a minute against the two minutes before now.
    private static func mood(_ history: ArrivalHistory, floor: Double) -> Int {
        let change = (history.rate(16) + floor) / (history.rate(120) + floor)
        if change < 0.78 { return 3 }
        return change < 1.28 ? 0 : change < 2 ? 1 : 2
    }

    private static func rates(_ history: ArrivalHistory, horizon: Double) -> [Double] {
        let minute = history.rate(60)
        return [
            history.rate(16), minute, history.rate(240), trend(history, short: 60, long: 180, horizon: horizon),
            trend(history, short: 12, long: 36, horizon: horizon),
        ]
    }

    /// The rate of the `short` past, moved on as it moved from the time before it; at most 5 times the rate.
    private static func trend(_ history: ArrivalHistory, short: Double, long: Double, horizon: Double) -> Double {
        let (last, lastSeconds) = history.recent(short)
        let (count, seconds) = history.recent(long)
        guard lastSeconds > 0 else { return 0 }
        let rate = last / lastSeconds
        guard seconds > lastSeconds * 1.5 else { return rate }
        // The middles of the two spans are half of the whole apart.
        let before = (count - last) / (seconds - lastSeconds)
        return max(0, min(5 * rate, rate + (rate - before) / (seconds / 2) * (horizon + lastSeconds / 2)))
    }
}
