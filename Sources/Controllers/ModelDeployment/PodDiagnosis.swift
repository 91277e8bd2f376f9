// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel

/// Why a pod isn't ready, with what to do about it.
struct PodFailure: Hashable {
    /// One word: `ImagePullFailed`, `ContainerConfigInvalid`, `ServerExits`, `Unschedulable`, `PodsNotCreated`,
    /// `PodNotReady`.
    let reason: String
    /// A sentence with the pod's name.
    let message: String
    /// Whether it may only be slow: nothing has failed for certain.
    var isSlow = false
}

/// Reads pods' statuses.
enum PodDiagnosis {
    private static let imageReasons = [
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
        "RegistryUnavailable",
    ]
    private static let configReasons = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"]

    /// Whether the pod's `Ready` condition is true and it isn't being deleted.
    static func isReady(_ pod: KubeObject) -> Bool {
        !pod.isBeingDeleted && condition(pod, "Ready")?["status"]?.string == "True"
    }

    /// The first failure of `pods`, in the order of their names; without one, the first pod that is late.
    static func failure(of pods: [KubeObject], now: WallTime) -> PodFailure? {
        let waiting = unready(pods)
        return waiting.lazy.compactMap { failure($0) }.first ?? waiting.lazy.compactMap { lateness($0, now: now) }.first
    }

    /// Why a Deployment has no pods, or not all, where its conditions say so.
    /// - Parameter isWhole: whether it has none.
    static func failure(ofDeployment deployment: KubeObject, isWhole: Bool) -> PodFailure? {
        guard let condition = ConditionSet(deployment)["ReplicaFailure"], condition.status == .isTrue else {
            return nil
        }
        return PodFailure(
            reason: "PodsNotCreated",
            message:
                "no \(isWhole ? "" : "more ")pod of Deployment \(deployment.name) can be created (\(condition.reason)): "
                + lastLine(condition.message)
        )
    }

    /// Whether a Deployment's pods have no room in the namespace's quota, as others have none on the nodes.
    static func lacksQuota(_ deployment: KubeObject) -> Bool {
        guard let condition = ConditionSet(deployment)["ReplicaFailure"], condition.status == .isTrue else {
            return false
        }
        return condition.message.contains("exceeded quota")
    }

    /// Whether the pod is over: evicted, failed or done. It serves no more, and its Deployment has replaced it.
    static func isOver(_ pod: KubeObject) -> Bool {
        let phase = pod["status", "phase"]?.string
        return phase == "Succeeded" || phase == "Failed"
    }

    /// The pods that are not ready and stay.
    static func unready(_ pods: [KubeObject]) -> [KubeObject] {
        pods.filter { !$0.isBeingDeleted && !isOver($0) && !isReady($0) }.sorted { $0.name < $1.name }
    }

    /// Why one pod fails; `nil` while it may only be slow.
    static func failure(_ pod: KubeObject) -> PodFailure? {
        for status in pod["status", "initContainerStatuses"]?.array ?? [] {
            // One that has done its work ends; nothing more is asked of it.
            if status.at("state", "terminated", "exitCode")?.int == 0 { continue }
            if let failure = failure(pod, container: status, isInit: true) { return failure }
        }
        for status in pod["status", "containerStatuses"]?.array ?? [] {
            if let failure = failure(pod, container: status) { return failure }
        }
        if let scheduled = condition(pod, "PodScheduled"), scheduled["status"]?.string == "False" {
            let why = scheduled["message"]?.string ?? "no reason given"
            return PodFailure(
                reason: "Unschedulable",
                message: "pod \(pod.name) finds no node: \(why); lower spec.resources or add nodes"
            )
        }
        return nil
    }

    private static func failure(_ pod: KubeObject, container: JSONValue, isInit: Bool = false) -> PodFailure? {
        let name = isInit ? "the init container \"\(container["name"]?.string ?? "?")\"" : nil
        let waiting = container.at("state", "waiting")
        let reason = waiting?["reason"]?.string ?? ""
        let detail = waiting?["message"]?.string.map { ": \(lastLine($0))" } ?? ""
        if imageReasons.contains(reason) {
            let image = container["image"]?.string ?? image(of: pod, container: container)
            return PodFailure(
                reason: "ImagePullFailed",
                message: "pod \(pod.name): the image \"\(image)\" can't be pulled (\(reason)\(detail)); "
                    + "check spec.container.image of the ServingRuntime"
            )
        }
        if configReasons.contains(reason) {
            return PodFailure(
                reason: "ContainerConfigInvalid",
                message: "pod \(pod.name): \(name ?? "the container") can't start (\(reason)\(detail))"
            )
        }
        let terminated = container.at("state", "terminated") ?? container.at("lastState", "terminated")
        let restarts = container["restartCount"]?.int ?? 0
        let isDown = reason == "CrashLoopBackOff" || container.at("state", "terminated") != nil
        guard let terminated, isDown || restarts > 0 else { return nil }
        let code = terminated["exitCode"]?.int ?? -1
        let message = terminated["message"]?.string.map(lastLine) ?? ""
        let place = isInit ? " -c \(container["name"]?.string ?? "?")" : ""
        let logs = "see `kubectl logs \(pod.name)\(place)\(restarts > 0 ? " --previous" : "")`"
        let why =
            terminated["reason"] == "OOMKilled"
            ? "it was killed for more memory than its limit; raise limits.memory of its resources"
            : message.isEmpty ? logs : message
        return PodFailure(
            reason: "ServerExits",
            message: "pod \(pod.name): \(name ?? "the server") exits with code \(code) "
                + "(\(restarts) restart\(restarts == 1 ? "" : "s")): \(why)"
        )
    }

    /// The last line with text, cut to what fits a condition.
    static func lastLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) } ?? ""
        return String(line.prefix(500))
    }

    private static func image(of pod: KubeObject, container: JSONValue) -> String {
        let match = pod["spec", "containers"]?.array?.first { $0["name"] == container["name"] }
        return match?["image"]?.string ?? "?"
    }

    /// One of a pod's conditions.
    static func condition(_ pod: KubeObject, _ type: String) -> JSONValue? {
        pod["status", "conditions"]?.array?.first { $0["type"]?.string == type }
    }
}
