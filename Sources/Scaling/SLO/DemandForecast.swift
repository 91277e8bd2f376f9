// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The plain forecasts of the arrival rate one cold start from now; which to believe is learned by `Rehearsal`.
enum DemandForecast {
    /// Their names.
    static let names = ["burst", "16 s mean", "60 s mean", "240 s mean", "slow trend", "quick trend"]
    /// The position of the one to believe at first.
    static let first = 2

    /// What each expects in `horizon` seconds, in requests a second; `burstRate` is what has to be served now.
    static func rates(_ history: ArrivalHistory, burstRate: Double, horizon: Double) -> [Double] {
        [
            burstRate, history.rate(16), history.rate(60), history.rate(240),
            trend(history, short: 60, long: 180, horizon: horizon),
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
