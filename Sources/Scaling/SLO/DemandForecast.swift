// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The plain forecasts of the arrival rate one cold start from now; which to believe is learned by `Rehearsal`.
enum DemandForecast {
    /// Their names.
    static let names = ["burst", "16 s mean", "60 s mean", "240 s mean", "slow trend", "quick trend", "rise"]
    /// The position of the one to believe at first.
    static let first = 2
    /// The position of the mean of the last 16 s.
    static let recent = 1
    /// The position of the one that a rise goes on.
    static let rise = 6

    /// What each expects in `horizon` seconds, in requests a second; `burstRate` is what has to be served now, `dispersion`
    /// the index of dispersion of the counts.
    static func rates(
        _ history: ArrivalHistory,
        burstRate: Double,
        dispersion: Double,
        horizon: Double
    ) -> [Double] {
        [
            burstRate, history.rate(16), history.rate(60), history.rate(240),
            trend(history, short: 60, long: 180, horizon: horizon),
            trend(history, short: 12, long: 36, horizon: horizon),
            rising(history, dispersion: dispersion, horizon: horizon),
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

    /// The rate in `horizon` seconds if a rise goes on, at most 5 times the rate; the rate where nothing rises steadily.
    ///
    /// The smallest of three rises in a row, each from one span of 6 s to the next: a step is in two of them at most, so it
    /// counts for nothing. Noise goes up three times in one of 24 tries; so what came of the three has to be more than two
    /// standard deviations of counts with the index `dispersion`.
    static func rising(_ history: ArrivalHistory, dispersion: Double, horizon: Double) -> Double {
        let span = 6.0
        var sums = [(count: 0.0, seconds: 0.0)]
        for part in 1...4 { sums.append(history.recent(Double(part) * span)) }
        var rates: [Double] = []
        for part in 1...4 {
            let seconds = sums[part].seconds - sums[part - 1].seconds
            guard seconds > 0.5 * span else { return history.rate(span) }
            rates.append((sums[part].count - sums[part - 1].count) / seconds)
        }
        let deviation = (max(1, dispersion) * (rates[0] + rates[3]) * span).squareRoot()
        guard (rates[0] - rates[3]) * span > 2 * deviation else { return rates[0] }
        let rise = min(rates[0] - rates[1], rates[1] - rates[2], rates[2] - rates[3])
        return min(5 * rates[0], rates[0] + max(0, rise) / span * (horizon + span / 2))
    }
}
