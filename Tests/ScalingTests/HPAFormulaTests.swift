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

    @Test("the largest numbers are cut, and don't overflow")
    func limits() {
        #expect(calculator.averageValue(total: .max, target: 1, statusReplicas: 1) == 1_000_000_000)
        #expect(calculator.value(.max, target: 1, current: 1, readyPods: 3) == 1_000_000_000)
        #expect(calculator.pods(values: [.max, .max], missing: 1, unready: 1, target: .max, current: 2) != nil)
    }
}
