// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The replica formulas of the HorizontalPodAutoscaler (Kubernetes 1.36, `replica_calculator.go`).
///
/// Totals, values and targets are whole thousandths, as the controller's are: 2.1 over 0.3 is 7 replicas, and not the 8 that
/// the fractions' quotient, 7.000000000000001, would be rounded up to. Targets are above 0.
public struct HPAReplicaCalculator: Sendable, Hashable {
    /// The relative distance above the target that is close enough.
    public var toleranceUp: Double
    /// The relative distance below the target that is close enough.
    public var toleranceDown: Double

    /// The controller's default is 0.1 both ways.
    public init(toleranceUp: Double = 0.1, toleranceDown: Double = 0.1) {
        self.toleranceUp = toleranceUp
        self.toleranceDown = toleranceDown
    }

    /// Object and External metrics with `AverageValue`: the sum over the target, whatever the pods' readiness.
    public func averageValue(total: Int64, target: Int64, statusReplicas: Int) -> Int {
        let ratio = Double(total) / (Double(target) * Double(statusReplicas))
        if statusReplicas > 0, isWithinTolerance(ratio) { return statusReplicas }
        return Self.ceiling(Double(total) / Double(target))
    }

    /// Object and External metrics with `Value`: the ratio times the ready pods.
    public func value(_ value: Int64, target: Int64, current: Int, readyPods: Int) -> Int {
        let ratio = Double(value) / Double(target)
        if current == 0 { return Self.ceiling(ratio) }
        return isWithinTolerance(ratio) ? current : Self.ceiling(ratio * Double(readyPods))
    }

    /// Pods metrics: one value for each pod that has one.
    ///
    /// `missing` pods have none: they count as the target when the count would fall and as 0 when it would rise.
    /// `unready` pods count as 0 when the count would rise. The answer `nil` means that no pod has a value.
    public func pods(values: [Int64], missing: Int, unready: Int, target: Int64, current: Int) -> Int? {
        guard !values.isEmpty else { return nil }
        let ratio = Self.ratio(of: values, target: target)
        if missing == 0, unready == 0 || ratio <= 1 {
            return isWithinTolerance(ratio) ? current : Self.ceiling(ratio * Double(values.count))
        }
        var filled = values
        if missing > 0 { filled += Array(repeating: ratio < 1 ? target : 0, count: ratio == 1 ? 0 : missing) }
        if ratio > 1 { filled += Array(repeating: 0, count: unready) }
        let second = Self.ratio(of: filled, target: target)
        if isWithinTolerance(second) || ratio < 1 && second > 1 || ratio > 1 && second < 1 { return current }
        let replicas = Self.ceiling(second * Double(filled.count))
        if second < 1 && replicas > current || second > 1 && replicas < current { return current }
        return replicas
    }

    /// The mean, cut to whole thousandths, over the target (`GetMetricUsageRatio`).
    private static func ratio(of values: [Int64], target: Int64) -> Double {
        Double(values.reduce(0, sum) / Int64(values.count)) / Double(target)
    }

    /// The sum, cut to the numbers that there are.
    public static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, isOver) = left.addingReportingOverflow(right)
        return isOver ? (left < 0 ? .min : .max) : sum
    }

    /// Whether a ratio is close enough to 1: the count is held, and no pods need to be counted.
    public func isWithinTolerance(_ ratio: Double) -> Bool { ratio >= 1 - toleranceDown && ratio <= 1 + toleranceUp }

    /// A count rounded up, within what a replica count can be.
    static func ceiling(_ value: Double) -> Int { value > 0 ? Int(min(value.rounded(.up), 1e9)) : 0 }
}
