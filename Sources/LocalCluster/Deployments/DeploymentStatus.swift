// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What a step of the Deployment controller saw and did, for its status.
struct DeploymentObservation {
    /// The Deployment as it was before the step.
    var deployment: KubeObject
    /// What kind of step it was.
    var mode: DeploymentPlan.Mode
    /// The replica set of the current template.
    var current: KubeObject?
    /// All of its replica sets.
    var replicaSets: [KubeObject]
    /// Whether `current` was made by this step.
    var isNew = false
    /// The number of name collisions, where it has grown.
    var collisions: Int?
    /// Why a new replica set couldn't be made.
    var failure: String?
}

/// The status of a Deployment, as a pure function of what was observed and the time.
struct DeploymentStatus: Equatable {
    /// The status as it should be; counts of zero are left out, as the API does.
    private(set) var json: JSONValue
    /// When to look again although nothing changes: the progress deadline.
    private(set) var requeue: Duration?

    /// Derives the status.
    init(_ seen: DeploymentObservation, now: WallTime) {
        let deployment = seen.deployment
        let sets = seen.replicaSets
        func sum(_ member: String) -> Int { sets.reduce(0) { $0 + $1.statusCount(member) } }
        let available = sum("availableReplicas")
        var json = JSONValue.emptyObject
        json["observedGeneration"] = .integer(deployment.generation ?? 0)
        json["collisionCount"] = seen.collisions.map { JSONValue($0) } ?? deployment["status", "collisionCount"]
        json["terminatingReplicas"] = JSONValue(sum("terminatingReplicas"))
        for (member, count) in [
            ("replicas", sum("replicas")), ("updatedReplicas", seen.current?.statusCount("replicas") ?? 0),
            ("readyReplicas", sum("readyReplicas")), ("availableReplicas", available),
            ("unavailableReplicas", sets.reduce(0) { $0 + $1.wantedReplicas } - available),
        ] where count > 0 {
            json[member] = JSONValue(count)
        }
        self.json = json
        var conditions = DeploymentConditions(deployment["status"])
        if seen.mode != .observing { judgePause(&conditions, deployment, now: now) }
        let replicas = deployment.wantedReplicas
        let missing = replicas - RollingLimits(deployment: deployment, replicas: replicas).unavailable - available
        conditions.set(
            "Available",
            missing <= 0 ? "True" : "False",
            reason: missing <= 0 ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
            message: "Deployment \(missing <= 0 ? "has" : "does not have") minimum availability.",
            now: now
        )
        if seen.mode == .rolling {
            judgeProgress(&conditions, seen, now: now)
            Self.judgeFailure(&conditions, seen, now: now)
        }
        self.json["conditions"] = conditions.list.isEmpty ? nil : .array(conditions.list)
    }

    /// Whether a status says that every wanted pod is of the current template and available.
    static func isComplete(_ deployment: KubeObject, _ status: JSONValue?) -> Bool {
        let replicas = deployment.wantedReplicas
        return ["replicas", "updatedReplicas", "availableReplicas"].allSatisfy { status?[$0]?.int ?? 0 == replicas }
            && status?["observedGeneration"]?.integer ?? 0 >= deployment.generation ?? 0
    }

    /// The seconds within which a Deployment must show progress; `nil` for one that never is called late.
    private static func deadline(_ deployment: KubeObject) -> Int? {
        let seconds = deployment["spec", "progressDeadlineSeconds"]?.int ?? 600
        return seconds < Int(Int32.max) ? seconds : nil
    }

    /// Notes that the Deployment was paused or resumed. Lack of progress that was reported stays.
    private func judgePause(_ conditions: inout DeploymentConditions, _ deployment: KubeObject, now: WallTime) {
        guard Self.deadline(deployment) != nil else { return }
        let reason = conditions["Progressing"]?["reason"]?.string
        let isPaused = deployment["spec", "paused"]?.bool ?? false
        guard reason != "ProgressDeadlineExceeded", isPaused != (reason == "DeploymentPaused") else { return }
        conditions.set(
            "Progressing",
            "Unknown",
            reason: isPaused ? "DeploymentPaused" : "DeploymentResumed",
            message: isPaused ? "Deployment is paused" : "Deployment is resumed",
            now: now
        )
    }

    private mutating func judgeProgress(
        _ conditions: inout DeploymentConditions,
        _ seen: DeploymentObservation,
        now: WallTime
    ) {
        guard let deadline = Self.deadline(seen.deployment) else {
            conditions.remove("Progressing")
            return
        }
        if let failure = seen.failure {
            conditions.set("Progressing", "False", reason: "ReplicaSetCreateError", message: failure, now: now)
            return
        }
        if seen.isNew, let current = seen.current {
            let message = "Created new replica set \"\(current.name)\""
            conditions.set("Progressing", "True", reason: "NewReplicaSetCreated", message: message, now: now)
        } else if let current = seen.current, Self.isOfAnother(conditions["Progressing"], than: current) {
            let message = "Found new replica set \"\(current.name)\""
            conditions.set("Progressing", "True", reason: "FoundNewReplicaSet", message: message, now: now)
        }
        let reason = conditions["Progressing"]?["reason"]?.string
        let what = seen.current.map { "ReplicaSet \"\($0.name)\"" } ?? "Deployment \"\(seen.deployment.name)\""
        let isFinished = json["replicas"] == json["updatedReplicas"] && reason == "NewReplicaSetAvailable"
        if !isFinished {
            if Self.isComplete(seen.deployment, json) {
                conditions.set(
                    "Progressing",
                    "True",
                    reason: "NewReplicaSetAvailable",
                    message: "\(what) has successfully progressed.",
                    now: now
                )
            } else if hasProgressed(since: seen.deployment) {
                conditions.set(
                    "Progressing",
                    "True",
                    reason: "ReplicaSetUpdated",
                    message: "\(what) is progressing.",
                    now: now,
                    refreshes: true
                )
            } else if let left = Self.timeLeft(conditions, deadline, now: now), left < .zero {
                conditions.set(
                    "Progressing",
                    "False",
                    reason: "ProgressDeadlineExceeded",
                    message: "\(what) has timed out progressing.",
                    now: now
                )
            }
        }
        if !Self.isComplete(seen.deployment, json), let left = Self.timeLeft(conditions, deadline, now: now) {
            requeue = max(.zero, left) + .seconds(1)
        }
    }

    /// Whether nothing is known of the present replica set's progress yet: there is no condition, or one that tells that
    /// another has arrived. (Kubernetes keeps the latter, so that a rollback that gets stuck is never called late.)
    private static func isOfAnother(_ condition: JSONValue?, than current: KubeObject) -> Bool {
        guard let condition else { return true }
        guard condition["reason"]?.string == "NewReplicaSetAvailable", let message = condition["message"]?.string else {
            return false
        }
        return message.contains("ReplicaSet \"") && !message.contains("\"\(current.name)\"")
    }

    /// How long the Deployment may still take to show progress; `nil` where nothing is awaited or it is too late already.
    private static func timeLeft(_ conditions: DeploymentConditions, _ deadline: Int, now: WallTime) -> Duration? {
        guard let present = conditions["Progressing"],
            !["NewReplicaSetAvailable", "ProgressDeadlineExceeded"].contains(present["reason"]?.string)
        else { return nil }
        let last = present["lastUpdateTime"]?.string.flatMap(WallTime.init(rfc3339:)) ?? now
        return last + .seconds(deadline) - now
    }

    private func hasProgressed(since deployment: KubeObject) -> Bool {
        func count(_ member: String) -> Int { json[member]?.int ?? 0 }
        let oldRest = deployment.statusCount("replicas") - deployment.statusCount("updatedReplicas")
        return count("updatedReplicas") > deployment.statusCount("updatedReplicas")
            || count("replicas") - count("updatedReplicas") < oldRest
            || count("readyReplicas") > deployment.statusCount("readyReplicas")
            || count("availableReplicas") > deployment.statusCount("availableReplicas")
    }

    /// Hands on why a replica set can't make its pods: the current one's reason, or any other's.
    private static func judgeFailure(
        _ conditions: inout DeploymentConditions,
        _ seen: DeploymentObservation,
        now: WallTime
    ) {
        let sets = [seen.current].compactMap { $0 } + seen.replicaSets
        let failures = sets.compactMap { $0.condition("ReplicaFailure") }
        guard let failure = failures.first else {
            conditions.remove("ReplicaFailure")
            return
        }
        conditions.set(
            "ReplicaFailure",
            failure["status"]?.string ?? "True",
            reason: failure["reason"]?.string ?? "",
            message: failure["message"]?.string ?? "",
            now: now
        )
    }
}
