// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Defaults of deployments, replica sets, stateful sets and daemon sets.
enum WorkloadDefaults {
    static func apply(to object: inout JSONValue, kind: String) {
        if object.at("spec", "template") != nil {
            let spec = object.at("spec", "template", "spec") ?? .emptyObject
            object.set(PodDefaults.podSpec(spec, isTemplate: true), at: "spec", "template", "spec")
        }
        if kind != "DaemonSet" { object.fill(1, at: "spec", "replicas") }
        switch kind {
        case "Deployment":
            object.fill("RollingUpdate", at: "spec", "strategy", "type")
            if object.at("spec", "strategy", "type") == "RollingUpdate" {
                object.fill("25%", at: "spec", "strategy", "rollingUpdate", "maxUnavailable")
                object.fill("25%", at: "spec", "strategy", "rollingUpdate", "maxSurge")
            }
            object.fill(10, at: "spec", "revisionHistoryLimit")
            object.fill(600, at: "spec", "progressDeadlineSeconds")
        case "ReplicaSet":
            object.fill(0, at: "status", "replicas")
        case "StatefulSet":
            object.fill("OrderedReady", at: "spec", "podManagementPolicy")
            object.fill("RollingUpdate", at: "spec", "updateStrategy", "type")
            if object.at("spec", "updateStrategy", "type") == "RollingUpdate" {
                object.fill(0, at: "spec", "updateStrategy", "rollingUpdate", "partition")
            }
            object.fill(10, at: "spec", "revisionHistoryLimit")
            object.fill("Retain", at: "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted")
            object.fill("Retain", at: "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
            object.fill(0, at: "status", "replicas")
        default:
            object.fill("RollingUpdate", at: "spec", "updateStrategy", "type")
            if object.at("spec", "updateStrategy", "type") == "RollingUpdate" {
                object.fill(1, at: "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
                object.fill(0, at: "spec", "updateStrategy", "rollingUpdate", "maxSurge")
            }
            object.fill(10, at: "spec", "revisionHistoryLimit")
            for name in ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"] {
                object.fill(0, at: "status", name)
            }
        }
    }
}

/// Defaults of horizontal pod autoscalers (autoscaling/v2).
enum AutoscalerDefaults {
    static func apply(to object: inout JSONValue) {
        object.fill(1, at: "spec", "minReplicas")
        if object.at("spec", "metrics")?.array?.isEmpty ?? true {
            let target: JSONValue = ["type": "Utilization", "averageUtilization": 80]
            object.set(
                [["type": "Resource", "resource": ["name": "cpu", "target": target]]],
                at: "spec",
                "metrics"
            )
        }
        object.mapElements(at: "spec", "metrics", body: metric)
        if object.at("spec", "behavior")?.object != nil { behavior(&object) }
        object.fill(0, at: "status", "desiredReplicas")
        if object.at("status", "currentMetrics") == nil { object.set(.null, at: "status", "currentMetrics") }
    }

    /// Those of `autoscaling/v1`, which has no metrics.
    static func applyFirst(to object: inout JSONValue) {
        object.fill(1, at: "spec", "minReplicas")
        for name in ["currentReplicas", "desiredReplicas"] { object.fill(0, at: "status", name) }
    }

    /// Quantities in targets get their canonical form.
    private static func metric(_ metric: inout JSONValue) {
        for source in ["resource", "pods", "object", "external", "containerResource"] {
            for name in ["value", "averageValue"] {
                if let amount = metric.at(source, "target", name) {
                    metric.set(CanonicalQuantity.of(amount), at: source, "target", name)
                }
            }
        }
    }

    /// The rules of KEP-853: up at most by four pods or double in 15 s, down without a limit.
    private static func behavior(_ object: inout JSONValue) {
        let up: JSONValue = [
            ["type": "Pods", "value": 4, "periodSeconds": 15], ["type": "Percent", "value": 100, "periodSeconds": 15],
        ]
        object.fill(up, at: "spec", "behavior", "scaleUp", "policies")
        object.fill("Max", at: "spec", "behavior", "scaleUp", "selectPolicy")
        object.fill(0, at: "spec", "behavior", "scaleUp", "stabilizationWindowSeconds")
        object.fill(
            [["type": "Percent", "value": 100, "periodSeconds": 15]],
            at: "spec",
            "behavior",
            "scaleDown",
            "policies"
        )
        object.fill("Max", at: "spec", "behavior", "scaleDown", "selectPolicy")
    }
}

/// Defaults of custom resource definitions.
enum CustomResourceDefaults {
    static func apply(to object: inout JSONValue) {
        let kind = object.at("spec", "names", "kind")?.string ?? ""
        object.fill(.string(kind.lowercased()), at: "spec", "names", "singular")
        object.fill(.string(kind + "List"), at: "spec", "names", "listKind")
        object.fill("None", at: "spec", "conversion", "strategy")
    }
}
