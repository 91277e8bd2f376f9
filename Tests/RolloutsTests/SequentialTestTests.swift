// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Rollouts

@Suite("Sequential tests")
struct SequentialTestTests {
    private static func binomial(_ trials: Int, _ share: Double) -> [Double] {
        (0...trials).map { hits in
            let (first, second) = (Double(hits), Double(trials - hits))
            return exponential(
                logarithmOfChoices(trials, hits) + (hits > 0 ? first * naturalLogarithm(share) : 0)
                    + (hits < trials ? second * naturalLogarithm(1 - share) : 0)
            )
        }
    }

    /// The mean of what a bet pays, over all tables of two sizes.
    private static func mean(
        _ sizes: (Int, Int),
        canary: Double,
        stable: Double,
        pays: (PairedCounts) -> Double
    ) -> Double {
        let (ours, theirs) = (binomial(sizes.0, canary), binomial(sizes.1, stable))
        var sum = 0.0
        for first in ours.indices {
            for second in theirs.indices {
                let table = PairedCounts(
                    canary: HitCount(trials: sizes.0, hits: first),
                    stable: HitCount(trials: sizes.1, hits: second)
                )
                sum += ours[first] * theirs[second] * exponential(pays(table))
            }
        }
        return sum
    }

    @Test(
        "the logarithm of the gamma function is right",
        arguments: [
            (1.0, 0.0), (5, 3.178_053_830_347_946), (0.5, 0.572_364_942_924_700_1), (101, 363.739_375_555_563_5),
        ]
    )
    func gamma(value: Double, expected: Double) {
        #expect(abs(logarithmOfGamma(value) - expected) < 1e-11 * max(1, expected))
    }

    @Test("a bet on an odds ratio pays 1 in the mean at equal shares, and less for a better canary")
    func oddsRatioIsFair() {
        for sizes in [(4, 4), (7, 20), (20, 5)] {
            for share in [0.02, 0.3, 0.9] {
                for ratio in OddsRatioTest.ratios {
                    let fair = Self.mean(sizes, canary: share, stable: share) {
                        OddsRatioTest.logarithm(of: $0, ratio: ratio)
                    }
                    #expect(abs(fair - 1) < 1e-9)
                    let better = Self.mean(sizes, canary: share * 0.6, stable: share) {
                        OddsRatioTest.logarithm(of: $0, ratio: ratio)
                    }
                    #expect(better <= 1)
                }
            }
        }
    }

    @Test("a bet against a margin pays at most 1 in the mean wherever the margin is broken")
    func marginIsFair() {
        for sizes in [(5, 5), (6, 18), (15, 4)] {
            for test in [
                MarginTest(side: .atLeast, offset: 0.05, expected: 0.01),
                MarginTest(side: .atLeast, slope: 1.5, offset: 0, expected: 0.01),
                MarginTest(side: .atMost, offset: 0.1, expected: 0.2),
            ] {
                for (canary, stable) in [(0.01, 0.01), (0.3, 0.3), (0.3, 0.05), (0.02, 0.4)] {
                    for trueStable in [0.02, 0.1, 0.35, 0.6] {
                        let line = test.slope * trueStable + test.offset
                        for distance in [0, 0.03, 0.2] {
                            let trueCanary = test.side == .atLeast ? line + distance : line - distance
                            guard trueCanary >= 0, trueCanary <= 1 else { continue }
                            let mean = Self.mean(sizes, canary: trueCanary, stable: trueStable) {
                                test.logarithm(of: $0, canary: canary, stable: stable)
                            }
                            #expect(mean <= 1 + 1e-9)
                        }
                    }
                }
            }
        }
    }

    @Test("the bound for huge blocks pays no more than the sum")
    func boundIsCareful() {
        for (marked, unmarked, drawn) in [(500, 4500, 30), (2000, 2000, 1500), (50, 20_000, 900)] {
            let table = Hypergeometric(marked: marked, unmarked: unmarked, drawn: drawn)
            for ratio in OddsRatioTest.ratios {
                let all = Double(marked + unmarked)
                let bound = min(
                    Double(drawn) * naturalLogarithm(1 + (ratio - 1) * Double(marked) / all),
                    Double(marked) * naturalLogarithm(1 + (ratio - 1) * Double(drawn) / all)
                )
                #expect(table.logarithmOfMean(ratio: ratio) <= bound + 1e-9)
            }
        }
        let huge = PairedCounts(
            canary: HitCount(trials: 900_000_000, hits: 9_000_000),
            stable: HitCount(trials: 900_000_000, hits: 9_000_000)
        )
        #expect(OddsRatioTest.logarithm(of: huge, ratio: 2) < 0)
    }

    @Test("dealing out the fixed share keeps the sum, and revives a lost stake")
    func capital() {
        var capital = BettingCapital(shares: [0.5, 0.25])
        #expect(capital.total == 1)
        capital.settle([naturalLogarithm(2), -800], shares: [0.5, 0.25])
        #expect(abs(capital.total - 1.25) < 1e-12)
        #expect(capital.stakes[1] > 0)
        capital.settle([.nan, .infinity], shares: [0.5, 0.25])
        #expect(capital.total.isFinite)
        for _ in 0..<1000 { capital.settle([-1, -1], shares: [0.5, 0.25]) }
        #expect(capital.total > 1e-3)
    }

    @Test("a limit is no evidence while it holds, and evidence once it is broken")
    func limit() {
        var mean = 0.0
        let shares = Self.binomial(40, 0.05)
        for hits in shares.indices {
            var capital = LimitTest.start
            LimitTest.settle(HitCount(trials: 40, hits: hits), limit: 0.05, designEffect: 1, &capital)
            mean += shares[hits] * capital.total
        }
        #expect(abs(mean - 1) < 1e-9)
        var capital = LimitTest.start
        LimitTest.settle(HitCount(trials: 400, hits: 60), limit: 0.05, designEffect: 1, &capital)
        #expect(capital.total > 1000)
        LimitTest.settle(HitCount(trials: 400, hits: 400), limit: 1, designEffect: 1, &capital)
        #expect(capital.total.isFinite)
    }
}
