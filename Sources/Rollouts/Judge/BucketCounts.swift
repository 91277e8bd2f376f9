// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A latency histogram's cumulative counts by upper bound, as whole requests.
public struct BucketCounts: Sendable, Hashable, Codable {
    /// The finite upper bounds in seconds, ascending.
    public private(set) var bounds: [Double]
    /// The requests at or below each bound.
    public private(set) var counts: [Int]
    /// All requests, those above every bound included.
    public private(set) var total: Int

    /// The most buckets that are read; a server of ours has 19, vLLM 21.
    public static let most = 200

    /// A histogram; `nil` where the numbers can't be one: not ascending, falling, not finite, negative, too many.
    /// - Parameters:
    ///   - bounds: the upper bounds in seconds, ascending; the last is infinite.
    ///   - counts: the requests at or below each bound.
    public init?(bounds: [Double], counts: [Double]) {
        guard bounds.count == counts.count, bounds.last == .infinity, bounds.count <= Self.most else { return nil }
        var (kept, whole): ([Double], [Int]) = ([], [])
        var (bound, count) = (-Double.infinity, 0.0)
        for (next, number) in zip(bounds, counts) {
            guard next > bound, number.isFinite, number >= count, number < TrackEvidence.mostCounted else { return nil }
            (bound, count) = (next, number)
            if next.isFinite {
                kept.append(next)
                whole.append(Int(number))
            }
        }
        (self.bounds, self.counts, total) = (kept, whole, Int(count))
    }

    /// The requests that took longer than a bound; `nil` where the histogram doesn't have it.
    public func slower(than bound: Double) -> HitCount? {
        guard let index = bounds.firstIndex(of: bound) else { return nil }
        return HitCount(trials: total, hits: total - counts[index])
    }

    /// What was added since; `nil` after a reset or with other bounds.
    func since(_ earlier: BucketCounts) -> BucketCounts? {
        guard bounds == earlier.bounds, total >= earlier.total, zip(counts, earlier.counts).allSatisfy({ $0 >= $1 })
        else { return nil }
        var difference = self
        difference.total -= earlier.total
        // Buckets are read one after the other while requests end: a later one may have grown by less.
        var floor = 0
        for index in counts.indices {
            floor = max(floor, counts[index] - earlier.counts[index])
            difference.counts[index] = min(floor, difference.total)
        }
        return difference
    }

    /// Both together; `nil` with other bounds.
    func adding(_ other: BucketCounts) -> BucketCounts? {
        guard bounds == other.bounds else { return nil }
        var sum = self
        sum.total += other.total
        for index in counts.indices { sum.counts[index] += other.counts[index] }
        return sum
    }

    /// The bound whose share of slower requests is nearest to `share`, by the odds; `nil` where each has none or all above it.
    func bound(nearest share: Double) -> Double? {
        guard total > 0 else { return nil }
        let wanted = naturalLogarithm(share / (1 - share))
        var best: (bound: Double, distance: Double)?
        for (bound, count) in zip(bounds, counts) where count > 0 && count < total {
            let distance = abs(naturalLogarithm(Double(total - count) / Double(count)) - wanted)
            if distance < best?.distance ?? .infinity { best = (bound, distance) }
        }
        return best?.bound
    }
}
