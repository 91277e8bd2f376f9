// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The replica formulas of the HorizontalPodAutoscaler (Kubernetes 1.36, `replica_calculator.go`).
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
    public func averageValue(total: Double, target: Double, statusReplicas: Int) -> Int {
        let ratio = total / (target * Double(statusReplicas))
        return statusReplicas > 0 && isWithinTolerance(ratio) ? statusReplicas : Self.ceiling(total / target)
    }

    /// Object and External metrics with `Value`: the ratio times the ready pods.
    public func value(_ value: Double, target: Double, current: Int, readyPods: Int) -> Int {
        let ratio = value / target
        if current == 0 { return Self.ceiling(ratio) }
        return isWithinTolerance(ratio) ? current : Self.ceiling(ratio * Double(readyPods))
    }

    /// Pods metrics: one value for each pod that has one.
    ///
    /// `missing` pods have none: they count as the target when the count would fall and as 0 when it would rise.
    /// `unready` pods count as 0 when the count would rise. The answer `nil` means that no pod has a value.
    public func pods(values: [Double], missing: Int, unready: Int, target: Double, current: Int) -> Int? {
        guard !values.isEmpty else { return nil }
        // The controller works with whole milli-units: the mean is cut off there.
        let mean = (values.reduce(0, +) * 1000 / Double(values.count)).rounded(.down)
        let ratio = mean / (target * 1000)
        if missing == 0, unready == 0 || ratio <= 1 {
            return isWithinTolerance(ratio) ? current : Self.ceiling(ratio * Double(values.count))
        }
        var filled = values
        if missing > 0 { filled += Array(repeating: ratio < 1 ? target : 0, count: ratio == 1 ? 0 : missing) }
        if ratio > 1 { filled += Array(repeating: 0, count: unready) }
        let total = filled.reduce(0, +)
        let second = (total * 1000 / Double(filled.count)).rounded(.down) / (target * 1000)
        if isWithinTolerance(second) || ratio < 1 && second > 1 || ratio > 1 && second < 1 { return current }
        let replicas = Self.ceiling(second * Double(filled.count))
        if second < 1 && replicas > current || second > 1 && replicas < current { return current }
        return replicas
    }

    /// Whether a ratio is close enough to 1: the count is held, and no pods need to be counted.
    public func isWithinTolerance(_ ratio: Double) -> Bool { ratio >= 1 - toleranceDown && ratio <= 1 + toleranceUp }

    /// A count rounded up, within what a replica count can be.
    static func ceiling(_ value: Double) -> Int { value > 0 ? Int(min(value.rounded(.up), 1e9)) : 0 }
}
