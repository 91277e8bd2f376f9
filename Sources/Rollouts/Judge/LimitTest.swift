// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The sequential test of "the canary's share of hits is at most a limit", without the stable track.
///
/// A bet on odds `w` times the limit's pays the likelihood ratio of the two binomials, which has mean 1 at the limit and less below it.
enum LimitTest {
    /// The multiples of the limit's odds that are bet on.
    static let ratios: [Double] = [1.3, 2, 4, 15]
    /// What each gets of the capital.
    static let shares: [Double] = [0.2, 0.35, 0.25, 0.1]

    /// The capital to begin with.
    static var start: BettingCapital { BettingCapital(shares: shares) }

    /// Bets one block.
    /// - Parameter limit: the largest share that is allowed; at 1 nothing is ever bet, at 0 one hit in a million is allowed.
    static func settle(_ block: HitCount, limit: Double, designEffect: Double, _ capital: inout BettingCapital) {
        guard block.trials > 0, limit < 1 else { return }
        let limit = max(limit, 1e-6)
        let misses = Double(block.trials - block.hits)
        let pays = ratios.map { ratio in
            let share = ratio * limit / (1 - limit + ratio * limit)
            return Double(block.hits) * naturalLogarithm(share / limit)
                + misses * naturalLogarithm((1 - share) / (1 - limit))
        }
        capital.settle(pays, shares: shares, designEffect: designEffect)
    }
}
