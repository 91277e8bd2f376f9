// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a signal showed over a track of which some replicas didn't report it.
///
/// The sum over those that did is the least that is certain. What the others hold is unknown, and never taken as zero where
/// that would lower the replica count:
///
/// | decision | what the missing replicas count as |
/// | --- | --- |
/// | more replicas | nothing (`lowest`): only what was seen justifies them |
/// | fewer replicas | at least the target, and as much as the fullest one that reported (`highest`) |
public struct PartialReading: Sendable, Hashable {
    /// The sum over the replicas that reported.
    public var total: Double
    /// How many replicas reported.
    public var reporting: Int
    /// How many replicas didn't.
    public var missing: Int
    /// The largest value of one replica; 0 when none reported.
    public var largest: Double

    /// A reading of these values, with further replicas that didn't report.
    public init(values: [Double], missing: Int) {
        total = values.reduce(0, +)
        reporting = values.count
        self.missing = max(0, missing)
        largest = values.max() ?? 0
    }

    /// Whether every replica reported.
    public var isWhole: Bool { missing == 0 }

    /// The least that the track can hold.
    public var lowest: Double { total }

    /// The most to reckon with when each missing replica holds `target`, or as much as the fullest that reported.
    public func highest(target: Double) -> Double { total + Double(missing) * max(target, largest) }
}

extension LatencyEvidence {
    /// The percentile's bounds when `missing` of `missing + reporting` replicas didn't report.
    ///
    /// Each missing replica is taken to have ended as many requests as one that reported, on average: all of them in the
    /// lowest bucket for the lower bound, all beyond the highest finite bound for the upper one. The upper bound is `nil`
    /// where the percentile then lies beyond what the histogram can tell. Without a histogram there is no upper bound.
    public func bounds(_ percentile: Double, missing: Int, reporting: Int) -> (lowest: Double?, highest: Double?) {
        guard missing > 0 else { return (self.percentile(percentile), self.percentile(percentile)) }
        guard let histogram, reporting > 0 else { return (nil, nil) }
        let unknown = histogram.total / Double(reporting) * Double(missing)
        let slowest = histogram.addingSlowest(unknown)
        return (
            histogram.addingFastest(unknown).percentile(percentile),
            slowest.isBeyondBounds(percentile) ? nil : slowest.percentile(percentile)
        )
    }
}
