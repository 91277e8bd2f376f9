// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Cumulative counts by upper bound: one histogram at one moment, or the difference of two moments.
public struct LatencyHistogram: Sendable, Hashable {
    /// The upper bounds in seconds, ascending; the last is infinite.
    public private(set) var bounds: [Double] = []
    /// The observations at or below each bound; never falling.
    public private(set) var counts: [Double] = []

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

    /// All observations.
    public var total: Double { counts.last ?? 0 }

    /// What was added since `earlier`; after a counter's reset, or with other bounds, everything there is.
    public func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
        guard bounds == earlier.bounds, zip(counts, earlier.counts).allSatisfy({ $0 >= $1 }) else { return self }
        var difference = self
        for index in counts.indices { difference.counts[index] -= earlier.counts[index] }
        return difference
    }

    /// Both together; with other bounds, at the bounds that both have (others would need a guess).
    public func merging(_ other: LatencyHistogram) -> LatencyHistogram {
        if bounds.isEmpty { return other }
        if other.bounds.isEmpty { return self }
        var merged = LatencyHistogram(buckets: [])
        for (index, bound) in bounds.enumerated() {
            guard let match = other.bounds.firstIndex(of: bound) else { continue }
            merged.bounds.append(bound)
            merged.counts.append(counts[index] + other.counts[match])
        }
        return merged
    }

    /// The value that `percentile` percent of the observations keep below, in seconds; `nil` without an observation.
    ///
    /// Within a bucket the observations are taken as evenly spread (as PromQL's `histogram_quantile`); in the infinite
    /// bucket the answer is the largest finite bound, the least that is certain.
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
}
