// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling

/// One look at one autoscaler: its status as it becomes.
struct AutoscalerTurn: Sendable {
    /// The autoscaler.
    let autoscaler: KubeObject
    /// When.
    let now: WallTime
    /// The replicas that the target's scale asked for at this look.
    var currentReplicas: Int
    /// The replicas that this look asks for; those of the last look that came to a count, where it came to none.
    var desiredReplicas: Int
    /// An entry for each metric, in the order of the spec; none where the metrics play no part.
    var currentMetrics: [JSONValue]
    private var conditions: ConditionSet
    private var lastScaleTime: JSONValue?

    /// Starts from the status as it is.
    init(_ autoscaler: KubeObject, now: WallTime) {
        self.autoscaler = autoscaler
        self.now = now
        currentReplicas = autoscaler["status", "currentReplicas"]?.int ?? 0
        desiredReplicas = autoscaler["status", "desiredReplicas"]?.int ?? 0
        currentMetrics = autoscaler["status", "currentMetrics"]?.array ?? []
        conditions = ConditionSet(autoscaler)
        lastScaleTime = autoscaler["status", "lastScaleTime"]
    }

    /// Sets a condition.
    mutating func condition(_ type: String, _ status: Condition.Status, _ reason: String, _ message: String) {
        conditions.set(Condition(type: type, status: status, reason: reason, message: message), now: now)
    }

    /// Notes that the target was scaled now.
    mutating func rescaled() { lastScaleTime = .string(now.rfc3339) }

    /// Says what kept the count from what the metrics recommended.
    mutating func adjusted(_ adjustment: HPAAdjustment) {
        let stabilization = adjustment.stabilization
        condition(
            "AbleToScale",
            .isTrue,
            stabilization?.rawValue ?? "ReadyForNewScale",
            Self.sentence(of: stabilization)
        )
        let limit = adjustment.limit
        condition(
            "ScalingLimited",
            limit == nil ? .isFalse : .isTrue,
            limit?.rawValue ?? "DesiredWithinRange",
            Self.sentence(of: limit)
        )
    }

    private static func sentence(of stabilization: HPAAdjustment.Stabilization?) -> String {
        switch stabilization {
        case .up: "recent recommendations were lower than current one, applying the lowest recent recommendation"
        case .down: "recent recommendations were higher than current one, applying the highest recent recommendation"
        case nil: "recommended size matches current size"
        }
    }

    private static func sentence(of limit: HPAAdjustment.Limit?) -> String {
        switch limit {
        case .upRate: "the desired replica count is increasing faster than the maximum scale rate"
        case .downRate: "the desired replica count is decreasing faster than the maximum scale rate"
        case .most: "the desired replica count is more than the maximum replica count"
        case .fewest: "the desired replica count is less than the minimum replica count"
        case nil: "the desired count is within the acceptable range"
        }
    }

    /// The status to write; `nil` when it is there already.
    var changedStatus: JSONValue? {
        var status: JSONValue = [
            "currentReplicas": JSONValue(currentReplicas), "desiredReplicas": JSONValue(desiredReplicas),
            "currentMetrics": .array(currentMetrics), "conditions": conditions.json,
        ]
        status["lastScaleTime"] = lastScaleTime
        let old = autoscaler["status"]
        let names = ["currentReplicas", "desiredReplicas", "currentMetrics", "conditions", "lastScaleTime"]
        return names.allSatisfy { old?[$0] == status[$0] } ? nil : status
    }
}
