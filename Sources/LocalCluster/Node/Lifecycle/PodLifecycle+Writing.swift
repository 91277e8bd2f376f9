// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What of a pod's status is the node's, and how it is written beside what others write.
extension PodLifecycle {
    /// The conditions that are the node's to write.
    static let conditionTypes = [
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    ]

    /// Whether two statuses say the same in phase and in the node's conditions.
    static func agree(_ left: JSONValue?, _ right: JSONValue?) -> Bool {
        func said(_ status: JSONValue?) -> [JSONValue?] {
            [status?["phase"]]
                + conditionTypes.map { type in
                    status?["conditions"]?.array?.first { $0["type"]?.string == type }?["status"]
                }
        }
        return said(left) == said(right)
    }

    /// `status` with the conditions that others have written in `present`.
    static func merged(_ status: JSONValue, withConditionsOf present: JSONValue?) -> JSONValue {
        func conditions(_ status: JSONValue?, own: Bool) -> [JSONValue] {
            (status?["conditions"]?.array ?? []).filter { condition in
                conditionTypes.contains { $0 == condition["type"]?.string } == own
            }
        }
        var result = status
        result["conditions"] = .array(conditions(status, own: true) + conditions(present, own: false))
        return result
    }

    private static let members = [
        "phase", "observedGeneration", "reason", "message", "startTime", "hostIP", "podIP", "containerStatuses",
        "initContainerStatuses", "qosClass",
    ]

    /// The strategic merge patch that writes `status`, and leaves what others have written as it is.
    static func patch(_ status: JSONValue) -> JSONValue {
        var patch = JSONValue.emptyObject
        for member in members { patch[member] = status[member] }
        // These lists are merged: an address of before would stay, and the reason of a condition that holds by now.
        for member in ["hostIPs", "podIPs"] {
            if let addresses = status[member]?.array { patch[member] = .array([["$patch": "replace"]] + addresses) }
        }
        let conditions = (status["conditions"]?.array ?? []).map { condition in
            var condition = condition
            for member in ["reason", "message"] { condition[member] = condition[member] ?? .null }
            return condition
        }
        patch["conditions"] = .array(conditions)
        return patch
    }
}
