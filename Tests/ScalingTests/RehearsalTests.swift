// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("The rehearsal of plans")
struct RehearsalTests {
    /// Plays a load, 4 requests a second and replica, 2 s of waiting allowed, cold start 60 s; answers the last.
    static func play(_ rates: [Double], price: Double = 60) -> Rehearsal.Answer? {
        var rehearsal = Rehearsal()
        var history = ArrivalHistory()
        var answer: Rehearsal.Answer?
        for (index, rate) in rates.enumerated() {
            let now = Double(index + 1) * 2
            history.add(rate * 2, seconds: 2, end: now)
            let step = Rehearsal.Step(
                now: now,
                seconds: 2,
                arrived: rate * 2,
                replicaRate: 4,
                slack: 2,
                coldStart: 62,
                hold: 60,
                price: price,
                minReplicas: 1
            )
            let forecasts = DemandForecast.rates(
                history,
                burstRate: history.burstRate(slack: 2),
                dispersion: history.dispersion(),
                horizon: 62
            )
            answer = rehearsal.step(step, rates: forecasts)
        }
        return answer
    }

    @Test("a steady load needs no margin beyond what a plan may not use")
    func steady() throws {
        let answer = try #require(Self.play(Array(repeating: 40, count: 1800)))
        #expect(answer.capacity >= 40 && answer.capacity <= 46, "\(answer)")
        #expect(answer.held <= 46)
    }

    @Test(
        "late requests of a load's first cold starts, which no plan could serve, make no margin for the hours after them"
    )
    func start() throws {
        // Ten requests a second, and after ten seconds for good as many as a large margin would have served.
        let rates = (0..<300).map { $0 < 5 ? 10.0 : 25 }
        let answer = try #require(Self.play(rates))
        #expect(answer.capacity >= 25 && answer.capacity < 30, "\(answer)")
        let idleBefore = try #require(Self.play(Array(repeating: 0, count: 200) + rates))
        #expect(idleBefore.capacity < 30, "\(idleBefore)")
        // The same counts where there were replicas before.
        let later = try #require(Self.play(Array(repeating: 10, count: 200) + rates))
        #expect(later.capacity > 2 * answer.capacity, "\(later)")
    }

    @Test("a load that doubles for five minutes now and then, unannounced, is provided for when late requests are dear")
    func recurringPeaks() throws {
        let rates = (0..<2250).map { $0 % 450 < 150 ? 80.0 : 40 }
        let dear = try #require(Self.play(rates, price: 300))
        let cheap = try #require(Self.play(rates, price: 0.5))
        #expect(dear.held >= 76, "\(dear)")
        #expect(cheap.held < dear.held, "\(cheap)")
    }

    @Test("a margin that a load no longer needs goes within hours")
    func forgets() throws {
        let wild = (0..<1350).map { $0 % 450 < 150 ? 80.0 : 40 }
        let answer = try #require(Self.play(wild + Array(repeating: 40, count: 5400), price: 20))
        #expect(answer.capacity < 50, "\(answer)")
    }

    @Test("plans count by what they cost: equals the same, 2 % dearer 1/e as much, one that is much dearer not at all")
    func shares() {
        let shares = Rehearsal.shares(of: [102, 100, 100, 113, 1e300, .infinity])
        #expect(shares.map(\.index) == [0, 1, 2])
        #expect(abs(shares.reduce(0) { $0 + $1.weight } - 1) < 1e-12)
        #expect(shares[1].weight == shares[2].weight)
        #expect(abs(shares[0].weight / shares[1].weight - exponential(-1)) < 1e-9)
        #expect(Rehearsal.shares(of: [0, 0, 3]).map(\.weight) == [0.5, 0.5])
    }

    @Test("the answer is between those of the plans that are followed, and says how many they are")
    func mean() throws {
        let rates = (0..<900).map { $0 % 60 < 30 ? 44.0 : 36 }
        let answer = try #require(Self.play(rates))
        #expect(answer.others > 0)
        #expect(answer.text == "\(answer.plan.text), averaged with \(answer.others) plans nearly as cheap")
        #expect(answer.capacity <= answer.held && answer.held <= 3 * 44)
        // The burst rate is the lowest forecast: 16 s of 36 a second may take 18 s.
        #expect(answer.rate >= 32 && answer.rate <= 44)
        var alone = answer
        alone.others = 0
        #expect(alone.text == answer.plan.text)
    }

    @Test("levels: a quantile is what the load stayed below for that share of the time, and old levels fade")
    func levels() {
        var levels = LevelDistribution()
        for index in 0..<100 { levels.add(index < 90 ? 10 : 100, seconds: 2, halfLife: 1e6) }
        let quantiles = levels.quantiles([0, 0.5, 0.95])
        #expect(quantiles[1] >= 10 && quantiles[1] < 10.6)
        #expect(quantiles[2] >= 100 && quantiles[2] < 106)
        for _ in 0..<1000 { levels.add(20, seconds: 2, halfLife: 100) }
        #expect(levels.quantiles([0.99]).allSatisfy { $0 >= 20 && $0 < 21.1 })
        for odd in [0, -1, .infinity, 1e300] { levels.add(odd, seconds: 2, halfLife: 100) }
        #expect(levels.quantiles([1]).allSatisfy { $0.isFinite })
    }

    @Test("a sliding extreme is that of the window")
    func slidingExtremes() {
        var largest = SlidingExtreme(isLargest: true)
        var smallest = SlidingExtreme(isLargest: false)
        var values: [Double] = []
        var state: UInt64 = 1
        for index in 0..<500 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            values.append(Double(state >> 58))
            largest.add(values[index], now: Double(index), span: 6)
            smallest.add(values[index], now: Double(index), span: 6)
            let window = values[max(0, index - 6)...]
            #expect(largest.value == window.max() && smallest.value == window.min())
        }
    }
}
