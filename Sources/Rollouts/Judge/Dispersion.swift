// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How much more the blocks vary than independent requests would: the design effect, learned from the blocks so far.
///
/// Failures come in clumps: one client sends the same bad request five times. Then five failures are the evidence of one. A bet that pays
/// `x` pays `x^(1/d)` instead, where `d >= 1` is the design effect known from earlier blocks (quasi-likelihood: McCullagh and Nelder, 1989,
/// chapter 9). By Jensen's inequality the mean of that is at most 1 as well, so the guarantee for independent requests is kept exactly,
/// whatever is learned; and for clumped ones it holds nearly (docs/rollouts.md has the measured rates).
///
/// A block's surprise is the difference between the canary's hits and what the odds ratio so far predicts for the block's
/// totals, in units of its variance: bursts on both tracks are no surprise, a canary that is always worse isn't one either, clumps are.
public struct Dispersion: Sendable, Hashable, Codable {
    /// The surprises' squares, added up.
    private(set) var squares = 0.0
    /// How many blocks they are from.
    private(set) var blocks = 0
    /// The variances of the canary's hits given the totals, added up: the information on the odds ratio.
    private(set) var information = 0.0
    /// The two sums of the odds ratio of Mantel and Haenszel (JNCI 1959).
    private(set) var above = 0.0
    private(set) var below = 0.0

    /// Nothing is known.
    public init() {}

    /// What a design effect is before anything is known, as the sum of squares of one block.
    static let prior = 3.0

    /// The design effect, at least 1: the mean surprise, with one block of the prior.
    public var designEffect: Double { max(1, (squares + Self.prior) / Double(blocks + 1)) }

    /// The odds ratio so far, drawn a little towards 1.
    var oddsRatio: Double { min(max((above + 0.5) / (below + 0.5), 0.02), 50) }

    /// Learns from a block, after it was bet on.
    mutating func learn(_ block: PairedCounts) {
        let (first, second) = (Double(block.canary.trials), Double(block.stable.trials))
        let hits = Double(block.canary.hits + block.stable.hits)
        let all = first + second
        guard block.fewest > 0, hits > 0, hits < all else { return }
        let (mean, variance) = Self.expected(first, second, hits, oddsRatio)
        let surprise = Double(block.canary.hits) - mean
        if information > 0, variance > 0 {
            squares += surprise * surprise / (variance * (1 + variance / information))
            blocks += 1
        }
        information += variance
        above += Double(block.canary.hits) * (second - Double(block.stable.hits)) / all
        below += Double(block.stable.hits) * (first - Double(block.canary.hits)) / all
    }

    /// The mean and variance of the canary's hits given the totals (Cornfield's approximation; exact for one hit).
    private static func expected(
        _ first: Double,
        _ second: Double,
        _ hits: Double,
        _ ratio: Double
    ) -> (Double, Double) {
        // mean (second - hits + mean) = ratio (first - mean) (hits - mean), by bisection since it is monotone.
        var low = max(0, hits - second)
        var high = min(first, hits)
        for _ in 0..<50 {
            let middle = (low + high) / 2
            if middle * (second - hits + middle) < ratio * (first - middle) * (hits - middle) {
                low = middle
            } else {
                high = middle
            }
        }
        let mean = (low + high) / 2
        let cells = [mean, first - mean, hits - mean, second - hits + mean].map { max($0, 1e-9) }
        return (mean, 1 / cells.reduce(0) { $0 + 1 / $1 })
    }
}
