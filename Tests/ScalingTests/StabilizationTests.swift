// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("Rate limits")
struct RateLimitTests {
    private static let start = WallTime(seconds: 1_000_000)
    private static let rules = ScalingRules(
        stabilizationWindowSeconds: 0,
        limits: [ScalingLimit(kind: .pods, value: 4, periodSeconds: 60)]
    )

    @Test("what was taken back within the period may be added again")
    func bothDirections() {
        var limit = RateLimit()
        limit.record(delta: 4, at: Self.start)
        func most(_ second: Int, _ current: Int) -> Int {
            limit.limited(100, current: current, now: Self.start + .seconds(second), up: Self.rules, down: Self.rules)
        }
        #expect(most(19, 14) == 14)
        limit.record(delta: -4, at: Self.start + .seconds(20))
        #expect(most(40, 10) == 14)
        #expect(most(61, 10) == 18, "only the fall is left in the period")
    }

    @Test("a count that moved further than the limits allow is held, and not moved back")
    func beyond() {
        var limit = RateLimit()
        let now = Self.start + .seconds(10)
        limit.record(delta: 8, at: Self.start)
        #expect(limit.limited(100, current: 18, now: now, up: Self.rules, down: Self.rules) == 18)
        limit.record(delta: -16, at: Self.start)
        #expect(limit.limited(1, current: 2, now: now, up: Self.rules, down: Self.rules) == 2)
    }

    @Test("percents are rounded up in a rise and cut in a fall; of several limits the largest or the smallest counts")
    func percents() {
        func limited(_ wanted: Int, _ current: Int, _ select: ScalingRules.Select) -> Int {
            let limits = [
                ScalingLimit(kind: .pods, value: 2, periodSeconds: 60),
                ScalingLimit(kind: .percent, value: 50, periodSeconds: 60),
            ]
            let rules = ScalingRules(stabilizationWindowSeconds: 0, limits: limits, select: select)
            return RateLimit().limited(wanted, current: current, now: Self.start, up: rules, down: rules)
        }
        #expect(limited(100, 5, .max) == 8)
        #expect(limited(100, 5, .min) == 7)
        #expect(limited(0, 5, .max) == 2)
        #expect(limited(0, 5, .min) == 3)
        #expect(limited(0, 1, .max) == 0)
    }

    @Test("down: what was added within the period may go beside the step")
    func down() {
        var limit = RateLimit()
        limit.record(delta: 3, at: Self.start)
        let now = Self.start + .seconds(10)
        #expect(limit.limited(1, current: 13, now: now, up: Self.rules, down: Self.rules) == 6)
    }
}

@Suite("Stabilization")
struct StabilizationTests {
    private static let policy = ScalingPolicy(
        minReplicas: 1,
        maxReplicas: 100,
        up: ScalingRules(stabilizationWindowSeconds: 20, limits: []),
        down: ScalingRules(stabilizationWindowSeconds: 60, limits: [])
    )

    /// The rule as the HPA has it: every recommendation of the window is looked at.
    private struct Reference {
        var all: [(time: WallTime, replicas: Int)] = []

        mutating func stabilized(_ recommendation: Int, current: Int, now: WallTime) -> Int {
            if all.isEmpty { all.append((now, current)) }
            all.append((now, recommendation))
            func within(_ seconds: Int) -> [Int] {
                all.filter { $0.time > now - .seconds(seconds) }.map(\.replicas) + [recommendation]
            }
            let least = within(20).min() ?? recommendation
            let most = within(60).max() ?? recommendation
            return current < least ? least : current > most ? most : current
        }
    }

    @Test("it answers as if every recommendation were kept", arguments: 1...20)
    func sameAnswers(seed: UInt64) {
        let random = SeededRandom(seed: seed)
        var stabilization = Stabilization()
        var reference = Reference()
        var now = WallTime(seconds: 1_000_000)
        var current = 5
        for _ in 0..<400 {
            now = now + .milliseconds(500 + Int(random.unit() * 9000))
            // Long runs of the same, and now and then another one.
            let recommendation = random.unit() < 0.8 ? 5 : 1 + Int(random.unit() * 9)
            let answer = stabilization.stabilized(
                recommendation,
                current: current,
                now: now,
                policy: Self.policy
            )
            #expect(answer == reference.stabilized(recommendation, current: current, now: now))
            current = answer
        }
    }

    @Test("a window for rising that is the longer one holds a rise for all of it")
    func longRise() {
        var policy = Self.policy
        (policy.up, policy.down) = (policy.down, policy.up)
        var stabilization = Stabilization()
        func decide(_ second: Int, _ recommendation: Int) -> Int {
            let now = WallTime(seconds: 1_000_000) + .seconds(second)
            return stabilization.stabilized(recommendation, current: 2, now: now, policy: policy)
        }
        _ = decide(0, 2)
        for second in stride(from: 10, through: 50, by: 10) { #expect(decide(second, 5 + second / 10) == 2) }
        #expect(decide(60, 11) == 6)
    }

    @Test("a steady load is remembered once, however often it is looked at")
    func steady() {
        var stabilization = Stabilization()
        let start = WallTime(seconds: 1_000_000)
        for second in 0..<1000 {
            let now = start + .milliseconds(second * 10)
            _ = stabilization.stabilized(3, current: 3, now: now, policy: Self.policy)
        }
        #expect(stabilization.count == 1)
    }
}
