// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// One condition of a pod's status.
struct PodCondition: Sendable, Hashable {
    /// What it is about.
    let type: String
    /// Whether it holds.
    let isTrue: Bool
    /// One word why it doesn't hold; mostly empty.
    let reason: String
    /// A sentence for people; mostly empty.
    let message: String

    /// A condition that needs no reason.
    init(_ type: String, isTrue: Bool) {
        self.type = type
        self.isTrue = isTrue
        reason = ""
        message = ""
    }

    /// A condition that doesn't hold for a reason; one that holds where there is none.
    init(_ type: String, failing reason: String?, _ message: String = "") {
        self.type = type
        isTrue = reason == nil
        self.reason = reason ?? ""
        self.message = reason == nil ? "" : message
    }

    /// Whether the pod is ready: this, that its containers are, and every readiness gate that it names.
    func gated(by pod: KubeObject) -> PodCondition {
        guard isTrue else { return PodCondition("Ready", failing: reason, message) }
        let missing = (pod["spec", "readinessGates"]?.array ?? []).compactMap { gate -> String? in
            let name = gate["conditionType"]?.string ?? ""
            guard let condition = pod.condition(name) else {
                return "corresponding condition of pod readiness gate \"\(name)\" does not exist."
            }
            let status = condition["status"]?.string ?? ""
            return status == "True"
                ? nil : "the status of pod readiness gate \"\(name)\" is not \"True\", but \(status)"
        }
        guard !missing.isEmpty else { return PodCondition("Ready", isTrue: true) }
        return PodCondition("Ready", failing: "ReadinessGatesNotReady", missing.joined(separator: ", "))
    }

    /// As the API has it, with the time since which it has been so.
    func json(after present: JSONValue?, now: WallTime) -> JSONValue {
        var json: JSONValue = [
            "type": .string(type), "status": isTrue ? "True" : "False", "lastProbeTime": .null,
        ]
        let isSame = present?["status"] == json["status"]
        json["lastTransitionTime"] = (isSame ? present?["lastTransitionTime"] : nil) ?? .string(now.rfc3339)
        if !reason.isEmpty { json["reason"] = .string(reason) }
        if !message.isEmpty { json["message"] = .string(message) }
        return json
    }
}
