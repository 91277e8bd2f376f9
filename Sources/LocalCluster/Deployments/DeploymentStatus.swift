// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The status of a Deployment, as a pure function of it, its replica sets and the time.
struct DeploymentStatus: Equatable {
    /// The status as it should be.
    private(set) var json: JSONValue
    /// When to look again although nothing changes: the progress deadline.
    private(set) var requeue: Duration?

    /// Derives the status. `current` is the replica set of the current template; `created` tells that it is new.
    init(
        deployment: KubeObject,
        current: KubeObject?,
        replicaSets: [KubeObject],
        created: Bool = false,
        collisions: Int? = nil,
        now: WallTime
    ) {
        let replicas = deployment.wantedReplicas
        let sets = replicaSets
        func sum(_ member: String) -> Int { sets.reduce(0) { $0 + $1.statusCount(member) } }
        let available = sum("availableReplicas")
        let total = sum("replicas")
        let updated = current?.statusCount("replicas") ?? 0
        var json = JSONValue.emptyObject
        json["observedGeneration"] = .integer(deployment.generation ?? 0)
        json["replicas"] = JSONValue(total)
        json["updatedReplicas"] = JSONValue(updated)
        json["readyReplicas"] = JSONValue(sum("readyReplicas"))
        json["availableReplicas"] = JSONValue(available)
        json["unavailableReplicas"] = JSONValue(max(0, sets.reduce(0) { $0 + $1.wantedReplicas } - available))
        json["terminatingReplicas"] = deployment["status", "terminatingReplicas"]
        json["collisionCount"] = collisions.map { JSONValue($0) } ?? deployment["status", "collisionCount"]
        self.json = json
        let limits = RollingLimits(deployment: deployment, replicas: replicas)
        let isAvailable = available >= replicas - limits.unavailable
        var conditions = deployment["status", "conditions"]?.array ?? []
        Self.set(
            &conditions,
            "Available",
            isAvailable,
            reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
            message: isAvailable
                ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
            now: now
        )
        let isComplete = updated == replicas && total == replicas && available == replicas
        judgeProgress(&conditions, deployment, current, created: created, isComplete: isComplete, now: now)
        self.json["conditions"] = .array(conditions)
    }

    private mutating func judgeProgress(
        _ conditions: inout [JSONValue],
        _ deployment: KubeObject,
        _ current: KubeObject?,
        created: Bool,
        isComplete: Bool,
        now: WallTime
    ) {
        let deadline = deployment["spec", "progressDeadlineSeconds"]?.int ?? 600
        guard deadline < Int(Int32.max) else { return }
        let present = deployment.condition("Progressing")
        let name = current?.name ?? deployment.name
        if deployment["spec", "paused"]?.bool ?? false {
            Self.setUnknownPaused(&conditions, now: now)
            return
        }
        let reason = present?["reason"]?.string
        if created {
            Self.set(
                &conditions,
                "Progressing",
                true,
                reason: "NewReplicaSetCreated",
                message: "Created new replica set \"\(name)\"",
                now: now,
                refreshes: true
            )
        } else if isComplete && current != nil {
            Self.set(
                &conditions,
                "Progressing",
                true,
                reason: "NewReplicaSetAvailable",
                message: "ReplicaSet \"\(name)\" has successfully progressed.",
                now: now
            )
        } else if reason == nil || reason == "DeploymentPaused" || hasProgressed(since: deployment)
            || reason == "NewReplicaSetAvailable" && hasNewTemplate(deployment)
        {
            Self.set(
                &conditions,
                "Progressing",
                true,
                reason: "ReplicaSetUpdated",
                message: "ReplicaSet \"\(name)\" is progressing.",
                now: now,
                refreshes: true
            )
        } else if reason != "NewReplicaSetAvailable" {
            let last = present?["lastUpdateTime"]?.string.flatMap(WallTime.init(rfc3339:)) ?? now
            let left = last + .seconds(deadline) - now
            if left <= .zero {
                Self.set(
                    &conditions,
                    "Progressing",
                    false,
                    reason: "ProgressDeadlineExceeded",
                    message: "ReplicaSet \"\(name)\" has timed out progressing.",
                    now: now
                )
            } else {
                requeue = left + .seconds(1)
            }
        }
        if requeue == nil, !isComplete { requeue = .seconds(deadline + 1) }
    }

    private func hasNewTemplate(_ deployment: KubeObject) -> Bool {
        json["updatedReplicas"]?.int ?? 0 < deployment.wantedReplicas
            && deployment.statusCount("updatedReplicas") != json["updatedReplicas"]?.int ?? 0
    }

    private func hasProgressed(since deployment: KubeObject) -> Bool {
        func count(_ member: String) -> Int { json[member]?.int ?? 0 }
        let oldRest = deployment.statusCount("replicas") - deployment.statusCount("updatedReplicas")
        return count("updatedReplicas") > deployment.statusCount("updatedReplicas")
            || count("replicas") - count("updatedReplicas") < oldRest
            || count("readyReplicas") > deployment.statusCount("readyReplicas")
            || count("availableReplicas") > deployment.statusCount("availableReplicas")
    }

    private static func setUnknownPaused(_ conditions: inout [JSONValue], now: WallTime) {
        set(
            &conditions,
            "Progressing",
            nil,
            reason: "DeploymentPaused",
            message: "Deployment is paused",
            now: now
        )
    }

    /// Sets a condition; the transition time changes with the status, the update time with anything (`refreshes`: always).
    private static func set(
        _ conditions: inout [JSONValue],
        _ type: String,
        _ status: Bool?,
        reason: String,
        message: String,
        now: WallTime,
        refreshes: Bool = false
    ) {
        let index = conditions.firstIndex { $0["type"]?.string == type }
        let old = index.map { conditions[$0] }
        var condition: JSONValue = [
            "type": .string(type), "status": status.map { $0 ? "True" : "False" } ?? "Unknown",
            "reason": .string(reason), "message": .string(message),
        ]
        let isSame = ["status", "reason", "message"].allSatisfy { old?[$0] == condition[$0] }
        let time = JSONValue.string(now.rfc3339)
        condition["lastUpdateTime"] = isSame && !refreshes ? old?["lastUpdateTime"] ?? time : time
        condition["lastTransitionTime"] =
            old?["status"] == condition["status"] ? old?["lastTransitionTime"] ?? time : time
        if let index { conditions[index] = condition } else { conditions.append(condition) }
    }
}
