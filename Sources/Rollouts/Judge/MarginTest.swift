// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The sequential test of a half plane: "the canary's share is at least `slope` times the stable track's plus `offset`", or at most.
///
/// With `atLeast` it is the test for "not worse by more than a margin": its refutation promotes. For a block with `n` and `m` requests
/// and an alternative `(c, s)` chosen from earlier blocks alone, the bet pays `P_(c,s)(block) / P_(c0,s0)(block)`, where `(c0, s0)`
/// is the point of the half plane that is nearest to the alternative: the one with the least
/// `n KL(c, c0) + m KL(s, s0)`. Its mean under any shares `(x, y)` is
///
///     (x c/c0 + (1-x) (1-c)/(1-c0))^n (y s/s0 + (1-y) (1-s)/(1-s0))^m
///
/// The logarithm of that is concave in `(x, y)`, is 0 at `(c0, s0)`, and its gradient there is minus the gradient of the distance. The half
/// plane is convex and `(c0, s0)` the nearest point of it, so the distance falls in no direction into the half plane, so
/// the mean rises in none: it is at most 1 everywhere in it. (The reverse information projection of Grünwald, de Heide and Koolen,
/// "Safe testing", JRSS B 2024, in the form of Turner and Grünwald, "Exact anytime-valid confidence intervals for contingency
/// tables", Statistics and Probability Letters 2023.) The shares may differ from block to block.
struct MarginTest: Sendable, Hashable {
    /// Which side of the line the hypothesis is.
    enum Side: Sendable, Hashable {
        /// The canary's share is on the line or above.
        case atLeast
        /// The canary's share is on the line or below.
        case atMost
    }

    /// The side.
    var side: Side
    /// What the stable track's share is multiplied by; positive.
    var slope = 1.0
    /// What is added to it, `-1...1`.
    var offset: Double
    /// The share that is expected before there is data, `0...1`; it counts as much as ten requests.
    var expected: Double

    /// What the two alternatives get: one share for both tracks, and each track's own.
    static let shares: [Double] = [0.6, 0.3]

    /// The capital to begin with.
    static var start: BettingCapital { BettingCapital(shares: shares) }

    /// Bets one block.
    /// - Parameter past: all earlier blocks together.
    func settle(_ block: PairedCounts, past: PairedCounts, designEffect: Double, _ capital: inout BettingCapital) {
        let both = estimate(past.canary + past.stable)
        let alternatives = [(both, both), (estimate(past.canary), estimate(past.stable))]
        capital.settle(
            alternatives.map { logarithm(of: block, canary: $0.0, stable: $0.1) },
            shares: Self.shares,
            designEffect: designEffect
        )
    }

    /// The natural logarithm of what a bet on two shares pays; 0, no bet, where they are within the hypothesis.
    func logarithm(of block: PairedCounts, canary: Double, stable: Double) -> Double {
        let line = slope * stable + offset
        guard side == .atLeast ? canary < line : canary > line else { return 0 }
        guard let (nearCanary, nearStable) = nearest(block, canary: canary, stable: stable) else { return 0 }
        return Self.ratio(block.canary, canary, nearCanary) + Self.ratio(block.stable, stable, nearStable)
    }

    /// The point on the line with the least distance, found by bisection since the distance is convex along it.
    private func nearest(_ block: PairedCounts, canary: Double, stable: Double) -> (Double, Double)? {
        let edge = 1e-12
        var low = max(edge, (edge - offset) / slope)
        var high = min(1 - edge, (1 - edge - offset) / slope)
        guard low < high else { return nil }
        let (first, second) = (Double(block.canary.trials), Double(block.stable.trials))
        for _ in 0..<80 {
            let middle = (low + high) / 2
            let line = slope * middle + offset
            let rise =
                first * slope * (line - canary) / (line * (1 - line)) + second * (middle - stable)
                / (middle * (1 - middle))
            if rise > 0 { high = middle } else { low = middle }
        }
        let found = (low + high) / 2
        return (min(max(slope * found + offset, edge), 1 - edge), found)
    }

    private func estimate(_ count: HitCount) -> Double {
        (Double(count.hits) + 10 * min(max(expected, 0.001), 0.999)) / (Double(count.trials) + 10)
    }

    private static func ratio(_ count: HitCount, _ share: Double, _ other: Double) -> Double {
        Double(count.hits) * naturalLogarithm(share / other)
            + Double(count.trials - count.hits) * naturalLogarithm((1 - share) / (1 - other))
    }
}
