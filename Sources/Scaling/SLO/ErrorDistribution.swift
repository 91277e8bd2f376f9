// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The distribution of a forecast's errors, as ratios of what came to what was expected, with fading memory.
///
/// Ratios live in 240 bins of 2.5 % width from 1/20 to 20. A ratio counts half as much after `halfLife` newer ones.
struct ErrorDistribution: Sendable, Hashable {
    private static let bins = 240
    private static let low = -3.0
    private static let width = 6.0 / Double(bins)
    private static let ratios = (0..<bins).map { exponential(low + Double($0) * width) }
    private var weights = Array(repeating: 0.0, count: bins)
    private var scale = 1.0
    private let growth: Double

    /// An empty distribution.
    init(halfLife: Double) { growth = exponential(naturalLogarithm(2) / max(1, halfLife)) }

    /// Adds a ratio, more than 0.
    mutating func add(_ ratio: Double) {
        let position = (naturalLogarithm(max(ratio, 1e-6)) - Self.low) / Self.width
        let bin = min(Self.bins - 1, max(0, Int(position.rounded(.up))))
        // Newer ratios weigh more instead of older ones less: one addition instead of 240 multiplications.
        scale *= growth
        weights[bin] += scale
        if scale > 1e12 {
            for index in weights.indices { weights[index] /= scale }
            scale = 1
        }
    }

    /// The capacity to have for an expected rate of 1: where capacity and late requests together cost least.
    ///
    /// Capacity for one request costs 1; a late request costs `price`. When `ratio` comes and the capacity is less, all of
    /// it is late, and what exceeds the capacity waits and makes as much again late while it is being drained. So a small
    /// margin against noise pays soon, and one against a rare storm only when it is likely enough.
    func bestCapacity(price: Double) -> Double {
        let total = weights.reduce(0, +)
        guard total > 0 else { return 1 }
        var best = Double.infinity
        var answer = 1.0
        var above = 0.0
        var sumAbove = 0.0
        for bin in weights.indices.reversed() {
            let ratio = Self.ratios[bin]
            let cost = Self.outlay(ratio) + price * (sumAbove + (sumAbove - ratio * above)) / total
            if cost < best {
                best = cost
                answer = ratio
            }
            above += weights[bin]
            sumAbove += weights[bin] * ratio
        }
        return answer
    }

    /// What having had `capacity` cost when `ratio` came; the same measure as in `bestCapacity(price:)`.
    static func cost(capacity: Double, ratio: Double, price: Double) -> Double {
        let outlay = outlay(capacity)
        return ratio > capacity ? outlay + price * (2 * ratio - capacity) : outlay
    }

    /// What capacity costs: beyond half as much again as expected it is no insurance against noise but a bet on a storm,
    /// and such a bet has to pay four times as well.
    private static func outlay(_ capacity: Double) -> Double {
        min(capacity, 1.5) + 4 * max(0, capacity - 1.5)
    }
}
