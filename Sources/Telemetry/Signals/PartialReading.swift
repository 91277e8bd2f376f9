// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a signal showed over a track of which some replicas didn't report it.
///
/// The sum over those that did is the least that is certain. What the others hold is unknown, and never taken as zero where
/// that would lower the replica count: whoever decides holds, or takes each for as busy as the fullest that reported.
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
}
