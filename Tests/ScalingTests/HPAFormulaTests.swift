// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@Suite("The HPA's formulas for totals and values of pods")
struct HPAFormulaTests {
    private let calculator = HPAReplicaCalculator()

    @Test("thousandths divide exactly where fractions don't: 2.1 over 0.3 is 7, over 0.7 it is 3")
    func thousandths() {
        #expect(calculator.averageValue(total: 2100, target: 300, statusReplicas: 1) == 7)
        #expect(calculator.averageValue(total: 2101, target: 300, statusReplicas: 1) == 8)
        #expect(calculator.value(2100, target: 700, current: 1, readyPods: 1) == 3)
        #expect(calculator.pods(values: [2100], missing: 0, unready: 0, target: 300, current: 1) == 7)
    }

    @Test("the mean of pods is cut to whole thousandths, as GetMetricUsageRatio does")
    func mean() {
        // 3334 / 3 is 1111.3; without the cut 1.1003 would be outside the tolerance.
        #expect(calculator.pods(values: [1111, 1111, 1112], missing: 0, unready: 0, target: 1010, current: 3) == 3)
    }

    /// A case of `calcPlainMetricReplicas`, with a target of 200.
    struct Row: Sendable {
        var name: String
        var current: Int
        var values: [Int64]
        var missing = 0
        var unready = 0
        var replicas: Int
    }

    private static let rows = [
        Row(name: "missing pods are on target in a fall", current: 4, values: [100, 100], missing: 2, replicas: 3),
        Row(name: "missing pods are idle in a rise", current: 3, values: [600, 600], missing: 1, replicas: 6),
        Row(
            name: "missing pods share a rise that is no more than the tolerance then",
            current: 10,
            values: Array(repeating: 420, count: 5),
            missing: 5,
            replicas: 10
        ),
        Row(
            name: "unready pods share it as well",
            current: 10,
            values: Array(repeating: 420, count: 5),
            unready: 5,
            replicas: 10
        ),
        Row(name: "unready pods don't count in a fall", current: 4, values: [100, 100], unready: 2, replicas: 1),
        Row(name: "on target missing pods change nothing", current: 4, values: [200, 200], missing: 2, replicas: 4),
        Row(
            name: "a fall within the tolerance",
            current: 20,
            values: Array(repeating: 120, count: 4),
            missing: 16,
            replicas: 20
        ),
        Row(name: "a rise is turned into no fall", current: 6, values: [250, 250], unready: 4, replicas: 6),
        Row(name: "a rise lowers nothing", current: 5, values: [600], unready: 1, replicas: 5),
        Row(
            name: "a fall raises nothing",
            current: 3,
            values: Array(repeating: 150, count: 5),
            missing: 1,
            replicas: 3
        ),
    ]

    @Test("pods that say nothing, or aren't ready, damp a change and never turn it", arguments: rows)
    func missing(row: Row) {
        let found = calculator.pods(
            values: row.values,
            missing: row.missing,
            unready: row.unready,
            target: 200,
            current: row.current
        )
        #expect(found == row.replicas, "\(row.name)")
    }

    @Test("a total within the tolerance holds the count; without a replica the quotient is rounded up")
    func totals() {
        #expect(calculator.averageValue(total: 2150, target: 1000, statusReplicas: 2) == 2)
        #expect(calculator.averageValue(total: 2250, target: 1000, statusReplicas: 2) == 3)
        #expect(calculator.averageValue(total: 500, target: 1000, statusReplicas: 0) == 1)
        #expect(calculator.value(1050, target: 1000, current: 3, readyPods: 3) == 3)
        #expect(calculator.value(2000, target: 1000, current: 4, readyPods: 2) == 4, "times the pods that are ready")
        #expect(calculator.value(1500, target: 1000, current: 0, readyPods: 0) == 2)
        #expect(calculator.value(0, target: 1000, current: 0, readyPods: 0) == 0)
    }

    @Test("the largest numbers are cut, and don't overflow")
    func limits() {
        #expect(calculator.averageValue(total: .max, target: 1, statusReplicas: 1) == 1_000_000_000)
        #expect(calculator.value(.max, target: 1, current: 1, readyPods: 3) == 1_000_000_000)
        #expect(calculator.pods(values: [.max, .max], missing: 1, unready: 1, target: .max, current: 2) != nil)
        #expect(calculator.pods(values: [.min, .min], missing: 0, unready: 0, target: 1, current: 2) == 0)
    }
}
