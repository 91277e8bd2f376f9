// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

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
