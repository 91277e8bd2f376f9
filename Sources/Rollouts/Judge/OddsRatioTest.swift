// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The sequential test of "the canary's share of hits is no larger than the stable track's", block by block.
///
/// A block is a 2×2 table. Given how many requests each track had, and how many hits both had together, the canary's hits
/// follow Fisher's noncentral hypergeometric distribution, in which the shares themselves don't occur: only the odds ratio `w`
/// does (Fisher, JRSS 1935). At equal shares `w = 1`, whatever the share is and however it changes from block to block, so a burst of errors
/// that hits both tracks proves nothing. A bet on `w > 1` pays
///
///     P_w(hits) / P_1(hits) = w^hits / E_1[w^Y],        Y hypergeometric
///
/// which has mean 1 at equal shares. It grows with the canary's hits, and the family has a monotone likelihood ratio in `w`, so its mean is
/// at most 1 for every canary that is better. It is therefore an e-value for the whole one-sided hypothesis, exactly and for blocks of any
/// size (the conditional form of the safe tests of Turner, Ly and Grünwald, "Generic E-variables for exact sequential
/// k-sample tests that allow for optional stopping", JSPI 2024, arXiv:2106.02693). Where a block ends may depend on the numbers
/// of requests and on everything before, never on the block's own hits.
///
/// What is assumed: within a block a request of either track fails independently of the others; `Dispersion` is for those that don't.
enum OddsRatioTest {
    /// The odds ratios that are bet on. The smallest says what is too small to care about: the bets lose while the true ratio is
    /// below about 1.12, so that no amount of traffic rolls back a canary for that.
    static let ratios: [Double] = [1.25, 1.5, 2, 3, 5, 10, 30]
    /// What each gets of the capital: most on twice the odds, what the judge should find soonest; a tenth stays cash.
    static let shares: [Double] = [0.09, 0.14, 0.27, 0.18, 0.09, 0.08, 0.05]

    /// The capital to begin with.
    static var start: BettingCapital { BettingCapital(shares: shares) }

    /// Bets one block.
    static func settle(_ block: PairedCounts, designEffect: Double, _ capital: inout BettingCapital) {
        let logarithms = ratios.map { logarithm(of: block, ratio: $0) }
        capital.settle(logarithms, shares: shares, designEffect: designEffect)
    }

    /// The natural logarithm of what a bet on an odds ratio pays for a block.
    static func logarithm(of block: PairedCounts, ratio: Double) -> Double {
        let (canary, stable) = (block.canary, block.stable)
        let hits = canary.hits + stable.hits
        let all = canary.trials + stable.trials
        guard hits > 0, hits < all, block.fewest > 0 else { return 0 }
        let paid = Double(canary.hits) * naturalLogarithm(ratio)
        let table = Hypergeometric(marked: canary.trials, unmarked: stable.trials, drawn: hits)
        return paid - table.logarithmOfMean(ratio: ratio)
    }
}

/// The number of marked among `drawn` balls, drawn without putting back.
struct Hypergeometric {
    /// The marked balls.
    var marked: Int
    /// The others.
    var unmarked: Int
    /// The balls drawn, at most all.
    var drawn: Int

    /// Above this many balls the mean is bounded instead of summed.
    static let most = 20_000_000

    /// The natural logarithm of the mean of `ratio` to the power of the count; above `most` balls an upper bound of it.
    ///
    /// The bound is the mean with putting back (Hoeffding, JASA 1963, theorem 4), the smaller of the two ways to see the draw: it makes the
    /// bet pay less, so the test stays valid.
    func logarithmOfMean(ratio: Double) -> Double {
        let all = marked + unmarked
        guard all <= Self.most else {
            let gain = ratio - 1
            let first = Double(drawn) * naturalLogarithm(1 + gain * Double(marked) / Double(all))
            let second = Double(marked) * naturalLogarithm(1 + gain * Double(drawn) / Double(all))
            return min(first, second)
        }
        return logarithmOfSum(ratio) - logarithmOfSum(1)
    }

    /// The logarithm of the sum of `choose(marked, y) choose(unmarked, drawn - y) ratio^y` over all `y`.
    private func logarithmOfSum(_ ratio: Double) -> Double {
        let (low, high) = (max(0, drawn - unmarked), min(drawn, marked))
        let top = mode(ratio, low, high)
        var sum = 1.0
        var term = 1.0
        var count = top
        while count < high, term > sum * 1e-18 {
            term *= growth(count) * ratio
            sum += term
            count += 1
        }
        term = 1
        count = top
        while count > low, term > sum * 1e-18 {
            term /= growth(count - 1) * ratio
            sum += term
            count -= 1
        }
        return logarithmOfChoices(marked, top) + logarithmOfChoices(unmarked, drawn - top)
            + Double(top) * naturalLogarithm(ratio) + naturalLogarithm(sum)
    }

    /// The weight of `count + 1` over that of `count`, at ratio 1; falls with `count`.
    private func growth(_ count: Int) -> Double {
        Double(marked - count) * Double(drawn - count) / (Double(count + 1) * Double(unmarked - drawn + count + 1))
    }

    /// The count with the largest weight.
    private func mode(_ ratio: Double, _ low: Int, _ high: Int) -> Int {
        var (low, high) = (low, high)
        while low < high {
            let middle = low + (high - low) / 2
            if growth(middle) * ratio >= 1 { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
