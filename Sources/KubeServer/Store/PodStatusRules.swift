// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What the server itself puts into the status of a new pod.
enum PodStatusRules {
    /// `Pending`, with the quality of service that requests and limits amount to.
    static func initial(_ pod: KubeObject) -> JSONValue {
        ["phase": "Pending", "qosClass": .string(qualityOfService(pod))]
    }

    /// `Guaranteed`, `Burstable` or `BestEffort`.
    private static func qualityOfService(_ pod: KubeObject) -> String {
        let containers =
            (pod["spec", "containers"]?.array ?? []) + (pod["spec", "initContainers"]?.array ?? [])
        var isGuaranteed = true
        var namesAny = false
        for container in containers {
            for resource in ["cpu", "memory"] {
                let limit = container.at("resources", "limits", resource)
                let request = container.at("resources", "requests", resource)
                if limit != nil || request != nil { namesAny = true }
                if limit == nil || (request != nil && request != limit) { isGuaranteed = false }
            }
        }
        if !namesAny { return "BestEffort" }
        return isGuaranteed ? "Guaranteed" : "Burstable"
    }
}
