// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How often the load was how high, with fading memory: rates from a thousandth of a request a second on, in steps of 5 %.
struct LevelDistribution: Sendable, Hashable {
    private static let bins = 512
    private static let width = 0.05
    private static let low = naturalLogarithm(0.001)
    private var weights = Array(repeating: 0.0, count: bins)
    private var total = 0.0
    private var scale = 1.0

    /// Adds a rate that lasted for `seconds`; it counts half as much after `halfLife` seconds more.
    mutating func add(_ rate: Double, seconds: Double, halfLife: Double) {
        let position = rate > 0.001 ? (naturalLogarithm(min(rate, 1e8)) - Self.low) / Self.width : 0
        // Newer ones weigh more instead of older ones less: one addition instead of hundreds of multiplications.
        let seconds = min(seconds, 10 * halfLife)
        scale *= exponential(naturalLogarithm(2) * seconds / halfLife)
        weights[min(Self.bins - 1, max(0, Int(position.rounded(.up))))] += scale * seconds
        total += scale * seconds
        if scale > 1e12 {
            for index in weights.indices { weights[index] /= scale }
            total /= scale
            scale = 1
        }
    }

    /// The rates that the load exceeded in the shares `shares` of the time or less, ascending shares of what it did not.
    func quantiles(_ shares: [Double]) -> [Double] {
        var answers: [Double] = []
        var sum = 0.0
        var bin = 0
        for share in shares {
            while bin < Self.bins - 1, sum + weights[bin] < share * total {
                sum += weights[bin]
                bin += 1
            }
            answers.append(bin == 0 ? 0 : exponential(Self.low + Double(bin) * Self.width))
        }
        return answers
    }
}
