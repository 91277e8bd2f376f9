// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The capital of a gambler who bets against a hypothesis: an e-process, the evidence of one sequential test.
///
/// The gambler begins with 1, split into cash and stakes; each stake is one way to bet. A block of data multiplies every stake
/// by its pay-out, a likelihood ratio with mean at most 1 while the hypothesis is true. So the capital is a non-negative
/// supermartingale while the hypothesis is true, and by Ville's inequality (1939) the probability that it *ever* reaches `1/a` is at most `a`,
/// however often one looks and whenever one stops (Shafer, "Testing by betting", JRSS A 2021; Ramdas et al., "Game-theoretic
/// statistics and safe anytime-valid inference", Statistical Science 2023). A mean of such capitals is one again, whatever
/// the dependence between them.
///
/// After each block a small share of the whole is dealt out anew (the fixed share of Herbster and Warmuth, "Tracking the best
/// expert", Machine Learning 1998). That keeps the sum, and so the guarantee; and it keeps stakes alive, so that a version that was
/// good for hours and then breaks is found without first paying back hours of lost bets.
public struct BettingCapital: Sendable, Hashable, Codable {
    /// What isn't at stake.
    private(set) var cash: Double
    /// What is at stake, by way to bet.
    private(set) var stakes: [Double]

    /// The share that is dealt out anew after each block: an hour of blocks of 10 s costs at most half the capital, and a change
    /// that comes late is bet on with at least a five-hundredth of it.
    static let share = 0.002
    /// More than this is thrown away, which only makes the test more careful.
    static let most = 1e200

    /// A capital of 1.
    /// - Parameter shares: what each stake gets of it; their sum is below 1, the rest is cash.
    init(shares: [Double]) {
        stakes = shares
        cash = max(0, 1 - shares.reduce(0, +))
    }

    /// The capital: the e-value.
    public var total: Double { min(Self.most, cash + stakes.reduce(0, +)) }

    /// Pays out one block.
    /// - Parameters:
    ///   - logarithms: the natural logarithm of each stake's pay-out.
    ///   - shares: how the fixed share is dealt out, as at the start.
    ///   - designEffect: by which the evidence is divided, at least 1, known before the block.
    mutating func settle(_ logarithms: [Double], shares: [Double], designEffect: Double = 1) {
        for index in stakes.indices where index < logarithms.count {
            let logarithm = logarithms[index] / max(1, designEffect)
            // A pay-out that isn't a number is a lost stake.
            stakes[index] = logarithm.isNaN ? 0 : min(Self.most, stakes[index] * exponential(min(logarithm, 460)))
        }
        let dealt = total * Self.share
        cash = min(cash, Self.most) * (1 - Self.share)
        for index in stakes.indices {
            stakes[index] = stakes[index] * (1 - Self.share) + dealt * shares[index]
        }
        cash += dealt * max(0, 1 - shares.reduce(0, +))
    }
}
