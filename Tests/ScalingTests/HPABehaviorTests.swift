// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scaling

@Suite("The HPA's windows, rates and bounds")
struct HPABehaviorTests {
    /// One sync after `earlier` recommended `before` from `current`.
    struct Row: Sendable {
        var name: String
        var behavior: HPABehavior
        /// Recommended a second before, from the same count.
        var before: Int?
        var current: Int
        var recommendation: Int
        var count: Int
        var stabilization: HPAAdjustment.Stabilization?
        var limit: HPAAdjustment.Limit?
    }

    private static func rules(window: Int, pods: Int = 100, select: ScalingRules.Select = .max) -> ScalingRules {
        let limits = [ScalingLimit(kind: .pods, value: pods, periodSeconds: 60)]
        return ScalingRules(stabilizationWindowSeconds: window, limits: limits, select: select)
    }

    /// What `normalizeDesiredReplicas` and `normalizeDesiredReplicasWithBehaviors` say, with bounds of 2 and 10.
    private static let rows = [
        Row(name: "as recommended", behavior: HPABehavior(), current: 4, recommendation: 6, count: 6),
        Row(name: "2 n", behavior: HPABehavior(), current: 3, recommendation: 9, count: 6, limit: .upRate),
        Row(name: "maxReplicas", behavior: HPABehavior(), current: 5, recommendation: 12, count: 10, limit: .most),
        Row(
            name: "the highest of 300 s, beyond maxReplicas",
            behavior: HPABehavior(),
            before: 20,
            current: 8,
            recommendation: 3,
            count: 10,
            stabilization: .down,
            limit: .most
        ),
        Row(
            name: "the highest of 300 s is beyond a rise as well",
            behavior: HPABehavior(),
            before: 10,
            current: 8,
            recommendation: 9,
            count: 10,
            stabilization: .down
        ),
        Row(
            name: "a window holds a rise",
            behavior: HPABehavior(up: rules(window: 60), down: rules(window: 0)),
            current: 2,
            recommendation: 6,
            count: 2,
            stabilization: .up
        ),
        Row(
            name: "a window holds a fall",
            behavior: HPABehavior(up: rules(window: 0), down: rules(window: 60)),
            current: 6,
            recommendation: 3,
            count: 6,
            stabilization: .down
        ),
        Row(
            name: "the lowest of the window holds a rise, not the last",
            behavior: HPABehavior(up: rules(window: 60), down: rules(window: 0)),
            before: 4,
            current: 2,
            recommendation: 6,
            count: 2,
            stabilization: .up
        ),
        Row(
            name: "the highest of the window holds a fall, not the last",
            behavior: HPABehavior(up: rules(window: 0), down: rules(window: 60)),
            before: 4,
            current: 6,
            recommendation: 3,
            count: 6,
            stabilization: .down
        ),
        Row(
            name: "a rate of rising",
            behavior: HPABehavior(up: rules(window: 0, pods: 1), down: rules(window: 0)),
            current: 2,
            recommendation: 6,
            count: 3,
            limit: .upRate
        ),
        Row(
            name: "a rate of falling",
            behavior: HPABehavior(up: rules(window: 0), down: rules(window: 0, pods: 1)),
            current: 9,
            recommendation: 2,
            count: 8,
            limit: .downRate
        ),
        Row(
            name: "no falling at all",
            behavior: HPABehavior(up: rules(window: 0), down: rules(window: 0, select: .disabled)),
            current: 9,
            recommendation: 2,
            count: 9,
            limit: .downRate
        ),
        Row(
            name: "minReplicas",
            behavior: HPABehavior(up: rules(window: 0), down: rules(window: 0)),
            current: 9,
            recommendation: 1,
            count: 2,
            limit: .fewest
        ),
    ]

    @Test("each case has horizontal.go's count and reasons", arguments: rows)
    func reasons(row: Row) {
        var behavior = row.behavior
        if let before = row.before {
            _ = behavior.normalized(before, current: row.current, bounds: 2...10, seconds: 0)
        }
        let found = behavior.normalized(row.recommendation, current: row.current, bounds: 2...10, seconds: 1)
        let wanted = HPAAdjustment(count: row.count, stabilization: row.stabilization, limit: row.limit)
        #expect(found == wanted, "\(row.name)")
    }

    @Test("what the longer window needs is remembered, whichever it is")
    func longerWindow() {
        var falling = HPABehavior(up: Self.rules(window: 0), down: Self.rules(window: 300))
        for (seconds, recommendation) in [(0.0, 9), (60, 5)] {
            _ = falling.normalized(recommendation, current: 9, seconds: seconds)
        }
        #expect(falling.normalized(1, current: 9, seconds: 61).count == 9)
        #expect(falling.normalized(1, current: 9, seconds: 301).count == 5)
        var rising = HPABehavior(up: Self.rules(window: 300), down: Self.rules(window: 0))
        for (seconds, recommendation) in [(0.0, 2), (60, 5)] {
            _ = rising.normalized(recommendation, current: 2, seconds: seconds)
        }
        #expect(rising.normalized(9, current: 2, seconds: 61).count == 2)
        #expect(rising.normalized(9, current: 2, seconds: 301).count == 5)
    }

    @Test("a fall within the period makes room for a rise")
    func counted() {
        let slow = ScalingRules(
            stabilizationWindowSeconds: 0,
            limits: [ScalingLimit(kind: .pods, value: 2, periodSeconds: 600)]
        )
        var behavior = HPABehavior(up: slow, down: Self.rules(window: 0))
        behavior.scaled(from: 6, to: 4, seconds: 0)
        #expect(behavior.normalized(20, current: 4, seconds: 60).count == 8, "2 beyond the 6 of ten minutes ago")
    }

    @Test("rules that change keep what was recommended and done before")
    func newRules() {
        let slow = ScalingRules(
            stabilizationWindowSeconds: 0,
            limits: [ScalingLimit(kind: .pods, value: 1, periodSeconds: 600)]
        )
        var first = HPABehavior(up: slow, down: Self.rules(window: 0))
        #expect(first.normalized(9, current: 2, seconds: 0).count == 3)
        first.scaled(from: 2, to: 3, seconds: 0)
        var second = HPABehavior(up: slow, down: Self.rules(window: 60)).remembering(first)
        #expect(second.normalized(9, current: 3, seconds: 60).count == 3, "one in ten minutes")
        #expect(second.normalized(1, current: 3, seconds: 61).count == 3, "9 were recommended a second ago")
        var third = HPABehavior(up: slow, down: Self.rules(window: 60)).remembering(first)
        #expect(third.normalized(1, current: 3, seconds: 59).count == 3)
        let count = third.normalized(1, current: 3, seconds: 61).count
        #expect(count == 1, "the window began with the 9 of 0 s, and not with the new rules")
    }
}
