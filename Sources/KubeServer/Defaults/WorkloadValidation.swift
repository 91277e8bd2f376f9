// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The common mistakes in deployments, replica sets, stateful sets, daemon sets and autoscalers.
enum WorkloadValidation {
    static func check(_ object: JSONValue, _ kind: String, _ causes: inout FieldCauses) {
        guard ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"].contains(kind) else { return }
        causes.nonNegative(object, "spec", "replicas")
        causes.nonNegative(object, "spec", "minReadySeconds")
        causes.nonNegative(object, "spec", "revisionHistoryLimit")
        causes.nonNegative(object, "spec", "progressDeadlineSeconds")
        let selector = object.at("spec", "selector")
        if selector?.object == nil {
            causes.required("spec.selector")
        } else if isEmpty(selector) {
            causes.invalid(
                "spec.selector",
                selector ?? .null,
                "empty selector is invalid for \(kind.lowercased())"
            )
        }
        let labels = object.at("spec", "template", "metadata", "labels")
        if let wanted = selector?.object, !isEmpty(selector), !matches(wanted, labels) {
            causes.invalid(
                "spec.template.metadata.labels",
                labels ?? .null,
                "`selector` does not match template `labels`"
            )
        }
        BuiltInValidation.labels(labels, "spec.template.labels", &causes)
        PodValidation.check(
            object.at("spec", "template", "spec") ?? .emptyObject,
            "spec.template.spec",
            isTemplate: true,
            &causes
        )
        if kind == "Deployment" { checkStrategy(object, &causes) }
    }

    private static func isEmpty(_ selector: JSONValue?) -> Bool {
        (selector?["matchLabels"]?.object?.isEmpty ?? true) && (selector?["matchExpressions"]?.array?.isEmpty ?? true)
    }

    /// Whether `labels` match the selector's labels and expressions.
    private static func matches(_ selector: JSONObject, _ labels: JSONValue?) -> Bool {
        for (key, value) in selector["matchLabels"]?.object ?? JSONObject() where labels?[key] != value {
            return false
        }
        for expression in selector["matchExpressions"]?.array ?? [] {
            let value = labels?[expression["key"]?.string ?? ""]
            let values = expression["values"]?.array ?? []
            switch expression["operator"]?.string {
            case "In": if value.map({ !values.contains($0) }) ?? true { return false }
            case "NotIn": if value.map(values.contains) ?? false { return false }
            case "Exists": if value == nil { return false }
            case "DoesNotExist": if value != nil { return false }
            default: return false
            }
        }
        return true
    }

    private static func checkStrategy(_ object: JSONValue, _ causes: inout FieldCauses) {
        let path = "spec.strategy"
        let strategy = object.at("spec", "strategy") ?? .emptyObject
        let type = strategy["type"]?.string ?? ""
        switch type {
        case "Recreate":
            if strategy["rollingUpdate"]?.object != nil {
                causes.forbidden("\(path).rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
            }
        case "RollingUpdate":
            let unavailable = strategy.at("rollingUpdate", "maxUnavailable")
            let surge = strategy.at("rollingUpdate", "maxSurge")
            if isZero(unavailable), isZero(surge) {
                causes.invalid(
                    "\(path).rollingUpdate.maxUnavailable",
                    unavailable ?? 0,
                    "may not be 0 when `maxSurge` is 0"
                )
            }
        default: causes.unsupported("\(path).type", type, ["Recreate", "RollingUpdate"])
        }
    }

    private static func isZero(_ value: JSONValue?) -> Bool { value == 0 || value == "0%" }

    static func checkAutoscaler(_ object: JSONValue, _ causes: inout FieldCauses) {
        let low = object.at("spec", "minReplicas")?.integer
        let high = object.at("spec", "maxReplicas")
        if let low, low < 1 {
            causes.invalid("spec.minReplicas", .integer(low), "must be greater than or equal to 1")
        }
        if (high?.integer ?? 0) < 1 {
            causes.invalid("spec.maxReplicas", high ?? 0, "must be greater than 0")
        }
        if let low, let number = high?.integer, number < low {
            causes.invalid("spec.maxReplicas", .integer(number), "must be greater than or equal to `minReplicas`")
        }
        let target = object.at("spec", "scaleTargetRef")
        for name in ["kind", "name"] where target?[name]?.string?.isEmpty ?? true {
            causes.required("spec.scaleTargetRef.\(name)")
        }
        if target?["apiVersion"]?.string?.isEmpty ?? true {
            causes.invalid("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group")
        }
    }
}
