// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What a HorizontalPodAutoscaler (autoscaling/v2) says of its last decision, in sentences.
enum AutoscalerExplanation {
    /// The sentences for `autoscaler`, which has the name `name`; `nil` where there is none.
    /// - Parameter unread: why it couldn't be read; `nil` where it could.
    static func lines(_ autoscaler: KubeObject?, name: String, unread: String? = nil) -> [String] {
        if let unread {
            return [
                "Its HorizontalPodAutoscaler \(name) decides, and couldn't be read: \(unread); what it says needs the right to get "
                    + "horizontalpodautoscalers."
            ]
        }
        guard let autoscaler else { return ["Its HorizontalPodAutoscaler \(name) decides, and isn't there yet."] }
        // A status has desiredReplicas 0 before the controller's first look, and no conditions.
        let conditions = ConditionSet(autoscaler)
        guard let status = autoscaler["status"], !conditions.conditions.isEmpty else {
            return ["Its HorizontalPodAutoscaler \(name) decides, and hasn't decided yet."]
        }
        var lines = [count(status, conditions, name: name)]
        // The HPA keeps the order of its spec; what it couldn't read is an empty entry.
        let readings = status["currentMetrics"]?.array ?? []
        for (index, target) in (autoscaler["spec", "metrics"]?.array ?? []).enumerated() {
            lines.append("  " + sentence(target, reading: readings.indices.contains(index) ? readings[index] : nil))
        }
        for condition in conditions.conditions {
            lines.append(
                "  \(condition.type) is \(condition.status.rawValue) (\(condition.reason)): \(condition.message)."
            )
        }
        return lines
    }

    /// The count that it asks for. Until a look comes to one the status has 0: then only a scale of 0 asks for none.
    private static func count(_ status: JSONValue, _ conditions: ConditionSet, name: String) -> String {
        let desired = status["desiredReplicas"]?.int ?? 0
        let active = conditions["ScalingActive"]
        guard desired > 0 || active?.status == .isTrue || active?.reason == "ScalingDisabled" else {
            return "Its HorizontalPodAutoscaler \(name) decides, and hasn't come to a count yet."
        }
        let current = status["currentReplicas"]?.int ?? 0
        let last = status["lastScaleTime"]?.string.map { "; it last changed the count at \($0)" } ?? ""
        let count = desired == 1 ? "1 replica" : "\(desired) replicas"
        return "Its HorizontalPodAutoscaler \(name) asks for \(count) and has \(current)\(last)."
    }

    private static func sentence(_ metric: JSONValue, reading: JSONValue?) -> String {
        let type = metric["type"]?.string ?? ""
        // ContainerResource is under containerResource.
        let member = type.prefix(1).lowercased() + type.dropFirst()
        let named = metric.value(at: [member, "metric", "name"]) ?? metric.value(at: [member, "name"])
        let name = named?.string ?? type
        let target = metric.value(at: [member, "target"])
        let current = reading?.value(at: [member, "current"])
        let fields = [("averageValue", " per replica"), ("averageUtilization", " % of the request"), ("value", "")]
        for (field, unit) in fields where target?[field] != nil {
            let aim = "target \(text(target?[field]))"
            guard let value = current?[field] else { return "\(name) wasn't read, \(aim)." }
            return "\(name) is \(text(value))\(unit), \(aim)."
        }
        return "\(name) has no target."
    }

    /// A quantity as a number: `0.2` of `200m`.
    private static func text(_ quantity: JSONValue?) -> String {
        Quantity(quantity).map { ScalingExplanation.number($0.double) } ?? quantity?.string ?? "unknown"
    }
}
