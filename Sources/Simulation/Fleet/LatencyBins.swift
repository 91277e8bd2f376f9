// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Counts and sums of latencies in bins of at most 3 % width (log-linear, 32 bins to a power of two, from 32 µs on).
public struct LatencyBins: Sendable, Hashable {
    private static let half = 32
    private static let linear = 64
    /// 2⁴⁰ µs is 12.7 days: longer ones count as it.
    private static let bins = linear + (40 - 6) * half
    private var counts: [UInt32]
    /// The microseconds of all latencies in each bin.
    private var sums: [Double]
    /// The number of latencies.
    public private(set) var count = 0

    /// No latency yet.
    public init() {
        counts = Array(repeating: 0, count: Self.bins)
        sums = Array(repeating: 0, count: Self.bins)
    }

    /// Adds a latency in microseconds.
    mutating func record(_ microseconds: Int64) {
        let index = Self.index(UInt64(max(0, microseconds)))
        counts[index] &+= 1
        sums[index] += Double(max(0, microseconds))
        count += 1
    }

    /// Forgets all.
    mutating func clear() {
        guard count > 0 else { return }
        for index in counts.indices where counts[index] > 0 {
            counts[index] = 0
            sums[index] = 0
        }
        count = 0
    }

    /// The latency in seconds that the share `quantile` (0...1) doesn't exceed: the mean of its bin, so that latencies which
    /// are all the same are told as they are; `nil` when there is none.
    public func quantile(_ quantile: Double) -> Double? {
        guard count > 0 else { return nil }
        let rank = max(1, Int((min(max(quantile, 0), 1) * Double(count) * (1 - 1e-12)).rounded(.up)))
        var seen = 0
        for (index, number) in counts.enumerated() {
            seen += Int(number)
            if seen >= rank { return sums[index] / Double(number) / 1e6 }
        }
        return nil
    }

    private static func index(_ value: UInt64) -> Int {
        guard value >= UInt64(linear) else { return Int(value) }
        let shift = 63 - value.leadingZeroBitCount - 5
        return min(bins - 1, linear + (shift - 1) * half + Int(value >> UInt64(shift)) - half)
    }
}
