// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Counts of durations in buckets whose width grows with the value (log-linear, as HdrHistogram's).
///
/// Values are kept in microseconds. Below 256 µs a bucket is 1 µs wide; above, every power of two is split into 128
/// buckets, so a quantile is at most 1/128 (0.8 %) above the true value, never below it. The largest value is 2⁴² µs
/// (50 days); larger ones count as it. Memory is bounded: at most 4608 buckets, made as they are needed.
public struct LatencyHistogram: Sendable, Hashable {
    private static let linear = 256
    private static let half = 128
    private static let largest: UInt64 = (1 << 42) - 1

    private var counts: [UInt64] = []
    /// The number of recorded durations.
    public private(set) var count: UInt64 = 0
    /// The longest recorded duration; zero when there is none.
    public private(set) var maximum = Duration.zero

    /// An empty histogram.
    public init() {}

    /// Adds one duration; a negative one counts as zero.
    public mutating func record(_ duration: Duration) {
        let microseconds = min(UInt64(max(0, duration.wholeNanoseconds)) / 1000, Self.largest)
        let index = Self.index(of: microseconds)
        if index >= counts.count { counts.append(contentsOf: repeatElement(0, count: index + 1 - counts.count)) }
        counts[index] += 1
        count += 1
        maximum = max(maximum, duration)
    }

    /// Adds what another histogram has.
    public mutating func merge(_ other: LatencyHistogram) {
        if other.counts.count > counts.count {
            counts.append(contentsOf: repeatElement(0, count: other.counts.count - counts.count))
        }
        for (index, number) in other.counts.enumerated() { counts[index] += number }
        count += other.count
        maximum = max(maximum, other.maximum)
    }

    /// The duration that the share `quantile` (0...1) of the recorded ones doesn't exceed; `nil` when there is none.
    public func quantile(_ quantile: Double) -> Duration? {
        guard count > 0 else { return nil }
        // Written so that NaN counts as 0. The hair less keeps 7/50 of 50 at the 7th in spite of rounding.
        let share = quantile > 0 ? min(quantile, 1) : 0
        let rank = max(1, UInt64((share * Double(count) * (1 - 1e-12)).rounded(.up)))
        var seen: UInt64 = 0
        for (index, number) in counts.enumerated() {
            seen += number
            if seen >= rank { return min(.microseconds(Self.upperBound(of: index)), maximum) }
        }
        return maximum
    }

    private static func index(of value: UInt64) -> Int {
        guard value >= UInt64(linear) else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - 7  // Keeps the top eight bits: 128...255.
        return linear + (shift - 1) * half + Int(value >> UInt64(shift)) - half
    }

    private static func upperBound(of index: Int) -> Int64 {
        guard index >= linear else { return Int64(index) + 1 }
        let shift = (index - linear) / half + 1
        let mantissa = (index - linear) % half + half
        return (Int64(mantissa) + 1) << Int64(shift)
    }
}
