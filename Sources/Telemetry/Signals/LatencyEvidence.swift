// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

#if canImport(Glibc)
    import func Glibc.exp
    import func Glibc.log
#elseif canImport(Musl)
    import func Musl.exp
    import func Musl.log
#elseif canImport(Darwin)
    import func Darwin.exp
    import func Darwin.log
#endif

/// What is known of request durations over an interval, by how the server exports them.
public struct LatencyEvidence: Sendable, Hashable {
    /// Durations by size.
    public var histogram: LatencyHistogram?
    /// Quantiles (0 to 1) in seconds, as a server's summary has them; of several replicas, the largest.
    ///
    /// If each replica's quantile is below a value, so is the quantile of all their requests: the largest is a safe bound.
    public var quantiles: [Double: Double]
    /// The mean duration in seconds.
    public var mean: Double?
    /// How many requests ended in the interval; `nil` when a summary doesn't say.
    public var observations: Double?

    /// Evidence.
    public init(
        histogram: LatencyHistogram? = nil,
        quantiles: [Double: Double] = [:],
        mean: Double? = nil,
        observations: Double? = nil
    ) {
        self.histogram = histogram
        self.quantiles = quantiles
        self.mean = mean
        self.observations = observations ?? histogram?.total
    }

    /// All observations; 0 when they are unknown.
    public var total: Double { observations ?? 0 }

    /// The value that `percentile` percent of the requests keep below, in seconds; `nil` without a request.
    ///
    /// - From a histogram: `LatencyHistogram.percentile(_:)`.
    /// - From a summary: its lowest quantile that is no smaller; where it has none, the mean counts.
    /// - From a mean: what an exponential spread around it gives, mean × ln(1/(1-p)): 3.0 times the mean for p95. Durations
    ///   of inference vary less than that, so it errs on the slow side.
    public func percentile(_ percentile: Double) -> Double? {
        if let value = histogram?.percentile(percentile) { return value }
        guard observations != 0, percentile > 0, percentile < 100 else { return nil }
        let share = percentile / 100
        let quantile = quantiles.keys.filter { $0 >= share - 1e-9 }.min()
        if let value = quantile.flatMap({ quantiles[$0] }) { return value }
        return mean.map { -$0 * log(1 - share) }
    }

    /// Whether `percentile(_:)` is only the least that is certain, since the histogram ends below it.
    public func isLowerBound(_ percentile: Double) -> Bool { histogram?.endsBelow(percentile) ?? false }

    /// Whether `percentile(_:)` rests on an assumption about the spread.
    public func isEstimate(_ percentile: Double) -> Bool {
        histogram == nil && !quantiles.keys.contains { $0 >= percentile / 100 - 1e-9 }
    }

    /// The mean duration in seconds, from whatever is known; `nil` without a request.
    public var meanSeconds: Double? { histogram?.mean ?? mean }

    /// The share of the requests that took longer than `seconds`, 0 to 1; `nil` without a request.
    ///
    /// From a histogram by its buckets, where these reach as far; from a summary by the highest quantile that keeps below, or
    /// the lowest, and from a mean, as an exponential spread gives it.
    public func lateShare(above seconds: Double) -> Double? {
        if let histogram, histogram.total > 0 {
            return histogram.reaches(seconds) ? histogram.count(above: seconds) / histogram.total : nil
        }
        guard observations != 0 else { return nil }
        if let known = quantiles.filter({ $0.value <= seconds }).max(by: { $0.key < $1.key })
            ?? quantiles.min(by: { $0.key < $1.key })
        {
            // Those above the quantile fall off as they do in an exponential spread that has it.
            return known.value > 0 ? exp(log(max(1e-12, 1 - known.key)) * seconds / known.value) : 0
        }
        return mean.map { $0 > 0 ? exp(-seconds / $0) : 0 }
    }

    /// Both together.
    public func merging(_ other: LatencyEvidence) -> LatencyEvidence {
        var merged = self
        switch (histogram, other.histogram) {
        case (let left?, let right?): merged.histogram = left.merging(right)
        case (nil, let right?): merged.histogram = right
        case (_, nil): break
        }
        merged.quantiles.merge(other.quantiles) { Swift.max($0, $1) }
        merged.observations = Self.sum(observations, other.observations)
        switch (mean, other.mean) {
        case (let left?, let right?):
            let weights = (observations ?? 1, other.observations ?? 1)
            let all = weights.0 + weights.1
            merged.mean = all > 0 ? (left * weights.0 + right * weights.1) / all : Swift.max(left, right)
        case (nil, let right?): merged.mean = right
        case (_, nil): break
        }
        return merged
    }

    private static func sum(_ left: Double?, _ right: Double?) -> Double? {
        guard let left else { return right }
        return left + (right ?? 0)
    }
}
