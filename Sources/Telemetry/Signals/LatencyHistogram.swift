// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Cumulative counts by upper bound: one histogram at one moment, or the difference of two moments.
public struct LatencyHistogram: Sendable, Hashable {
    /// The upper bounds in seconds, ascending; the last is infinite.
    public private(set) var bounds: [Double] = []
    /// The observations at or below each bound; never falling.
    public private(set) var counts: [Double] = []
    /// The sum of all observations in seconds; `nil` where it isn't known.
    public internal(set) var sum: Double?

    /// A histogram of unsorted buckets; values that are no numbers are dropped.
    public init(buckets: [(bound: Double, count: Double)]) {
        for bucket in buckets.sorted(by: { $0.bound < $1.bound }) where !bucket.bound.isNaN && bucket.count >= 0 {
            if bounds.last == bucket.bound {
                counts[counts.count - 1] += bucket.count
            } else {
                bounds.append(bucket.bound)
                counts.append(bucket.count)
            }
        }
        for index in counts.indices.dropFirst() { counts[index] = max(counts[index], counts[index - 1]) }
    }

    /// A histogram of one series' buckets, in any order.
    /// - Throws: what can't be true of the buckets, as a clause.
    init(checking buckets: [(bound: Double, count: Double)]) throws(Contradiction) {
        let buckets = buckets.sorted { $0.bound < $1.bound }
        guard let last = buckets.last, last.bound == .infinity else {
            throw Contradiction(reason: "there is no bucket for all, with le=\"+Inf\"")
        }
        for bucket in buckets {
            guard bucket.count.isFinite, bucket.count >= 0 else {
                throw Contradiction(reason: "a bucket counts \(PrometheusTextWriter.number(bucket.count))")
            }
            if let previous = bounds.last, previous == bucket.bound {
                throw Contradiction(reason: "the bucket \(PrometheusTextWriter.number(previous)) is there twice")
            }
            // Servers that scale counts by floats are off by a last digit; Prometheus forgives as much.
            if let previous = counts.last, bucket.count < previous * (1 - 1e-12) {
                let bound = PrometheusTextWriter.number(bucket.bound)
                throw Contradiction(reason: "the bucket \(bound) counts fewer than the one below it")
            }
            bounds.append(bucket.bound)
            counts.append(max(bucket.count, counts.last ?? 0))
        }
    }

    /// What can't be true of a histogram.
    struct Contradiction: Error {
        /// The clause.
        var reason: String
    }

    /// All observations.
    public var total: Double { counts.last ?? 0 }

    /// What was added since `earlier`; after a counter's reset, or with other bounds, everything there is.
    public func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
        guard bounds == earlier.bounds, zip(counts, earlier.counts).allSatisfy({ $0 >= $1 }) else { return self }
        var difference = self
        for index in counts.indices { difference.counts[index] -= earlier.counts[index] }
        difference.sum = sum.flatMap { now in earlier.sum.flatMap { now >= $0 ? now - $0 : nil } }
        // Buckets are read one after the other while requests end: a later one may have grown by less.
        for index in counts.indices.dropFirst() {
            difference.counts[index] = max(difference.counts[index], difference.counts[index - 1])
        }
        return difference
    }

    /// The same bounds without an observation.
    var emptied: LatencyHistogram { LatencyHistogram(buckets: bounds.map { ($0, 0) }) }

    /// By how much each bucket grew, so that all growths add up to the whole again; `nil` with other bounds.
    ///
    /// Unlike `since(_:)` it doesn't mend buckets that were read while requests ended: the next growth does.
    func growth(since earlier: LatencyHistogram) -> LatencyHistogram? {
        guard bounds == earlier.bounds else { return nil }
        var growth = emptied
        for index in counts.indices { growth.counts[index] = counts[index] - earlier.counts[index] }
        return growth
    }

    /// Both together; with other bounds, at the bounds that both have (others would need a guess).
    public func merging(_ other: LatencyHistogram) -> LatencyHistogram {
        if bounds.isEmpty { return other }
        if other.bounds.isEmpty { return self }
        var merged = LatencyHistogram(buckets: [])
        merged.sum = sum.flatMap { left in other.sum.map { left + $0 } }
        // Both ascend: one walk along both finds what they share.
        var match = 0
        for (index, bound) in bounds.enumerated() {
            while match < other.bounds.count, other.bounds[match] < bound { match += 1 }
            guard match < other.bounds.count, other.bounds[match] == bound else { continue }
            merged.bounds.append(bound)
            merged.counts.append(counts[index] + other.counts[match])
        }
        return merged
    }

    /// The value that `percentile` percent of the observations keep below, in seconds; `nil` without an observation.
    ///
    /// The rule is PromQL's `histogram_quantile`: within a bucket the observations are taken as evenly spread, the lowest
    /// bucket starts at 0 (or is its bound, where that isn't positive), and in the infinite bucket the answer is the
    /// largest finite bound, the least that is certain.
    public func percentile(_ percentile: Double) -> Double? {
        guard total > 0, percentile > 0, percentile <= 100 else { return nil }
        let rank = total * percentile / 100
        guard let index = counts.firstIndex(where: { $0 >= rank }) else { return nil }
        let lower = index > 0 ? bounds[index - 1] : min(0, bounds[index])
        guard bounds[index].isFinite else { return index > 0 ? lower : nil }
        let below = index > 0 ? counts[index - 1] : 0
        let inside = counts[index] - below
        return inside > 0 ? lower + (bounds[index] - lower) * (rank - below) / inside : bounds[index]
    }

    /// Whether the percentile lies in the bucket without an end, so that `percentile(_:)` is the bound where that begins.
    public func endsBelow(_ percentile: Double) -> Bool {
        guard total > 0, percentile > 0, percentile <= 100, counts.count > 1, bounds.last == .infinity else {
            return false
        }
        return counts[counts.count - 2] < total * percentile / 100
    }

    /// Whether it tells how many observations were above `seconds`: a bucket ends there or later, or all are in those before.
    public func reaches(_ seconds: Double) -> Bool {
        guard let last = bounds.lastIndex(where: \.isFinite) else { return false }
        return bounds[last] >= seconds || counts[last] >= total
    }

    /// How many observations were above `seconds`; within a bucket they are taken as evenly spread.
    public func count(above seconds: Double) -> Double {
        guard let index = bounds.firstIndex(where: { $0 >= seconds }) else { return 0 }
        let below = index > 0 ? counts[index - 1] : 0
        let lower = index > 0 ? bounds[index - 1] : min(0, bounds[index])
        // Nothing is known of where they are in the bucket without an end: all of them are above.
        let width = bounds[index] - lower
        let share = width.isFinite && width > 0 ? min(1, max(0, (seconds - lower) / width)) : 0
        return max(0, total - below - (counts[index] - below) * share)
    }

    /// The mean in seconds: exact where the sum is known, else from the middles of the buckets; `nil` without an observation.
    public var mean: Double? {
        guard total > 0 else { return nil }
        if let sum, sum.isFinite, sum >= 0 { return sum / total }
        return moments.mean
    }

    /// The squared coefficient of variation, from evenly filled buckets; `nil` with less than two observations.
    public var variation: Double? {
        guard total >= 2 else { return nil }
        let (mean, square) = moments
        return mean > 0 ? max(0, square / (mean * mean) - 1) : nil
    }

    /// Mean and mean square over evenly filled buckets; the bucket without an end counts as its beginning.
    private var moments: (mean: Double, square: Double) {
        var mean = 0.0
        var square = 0.0
        for index in counts.indices {
            let share = (counts[index] - (index > 0 ? counts[index - 1] : 0)) / max(total, .leastNormalMagnitude)
            let low = index > 0 ? max(0, bounds[index - 1]) : 0
            let high = bounds[index].isFinite ? max(low, bounds[index]) : low
            mean += share * (low + high) / 2
            square += share * (low * low + low * high + high * high) / 3
        }
        return (mean, square)
    }
}
