// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension PodLifecycle {
    /// The pod's phase.
    var phase: String {
        if hasFailedInit { return "Failed" }
        if isExpired && !containers.contains(where: \.isLive) { return "Failed" }
        let main = containers.filter { !$0.isInit }
        guard isInitialized,
            main.allSatisfy({ $0.isLive && $0.runningSince != nil || $0.end != nil || $0.lastEnd != nil })
        else {
            return containers.contains { !$0.isInit && ($0.runningSince != nil || $0.lastEnd != nil) }
                ? "Running" : "Pending"
        }
        guard main.allSatisfy({ $0.end != nil }) else { return "Running" }
        return main.allSatisfy { $0.end?.code == 0 } ? "Succeeded" : "Failed"
    }

    /// The pod's status as the node writes it, on top of what is there, with the node's own conditions.
    mutating func status(of pod: KubeObject, address: String?, now: WallTime) -> JSONValue {
        var status = pod["status"] ?? .emptyObject
        let phase = phase
        status["phase"] = .string(phase)
        status["observedGeneration"] = pod.generation.map { .integer($0) }
        if isExpired {
            status["reason"] = "DeadlineExceeded"
            status["message"] = "Pod was active on the node longer than the specified deadline"
        }
        status["startTime"] = startTime.map { .string($0.rfc3339) }
        status["hostIP"] = "127.0.0.1"
        status["hostIPs"] = [["ip": "127.0.0.1"]]
        if let address {
            status["podIP"] = .string(address)
            status["podIPs"] = [["ip": .string(address)]]
        }
        let main = containers.filter { !$0.isInit }
        let inits = containers.filter(\.isInit)
        let canStart = address != nil && !isOver && !containers.contains { $0.mountFailures > 0 }
        status["conditions"] = .array(conditions(of: pod, phase: phase, canStart: canStart, now: now))
        status["containerStatuses"] = .array(main.map { Self.json($0, pod: pod) })
        if !inits.isEmpty { status["initContainerStatuses"] = .array(inits.map { Self.json($0, pod: pod) }) }
        status["qosClass"] = status["qosClass"] ?? "BestEffort"
        return status
    }

    private func conditions(of pod: KubeObject, phase: String, canStart: Bool, now: WallTime) -> [JSONValue] {
        let initialized = PodCondition(
            "Initialized",
            failing: isInitialized || phase == "Succeeded" ? nil : "ContainersNotInitialized",
            "containers with incomplete status: [\(Self.names(containers.filter { $0.isInit && !$0.isDone }))]"
        )
        let containersReady = containersReady(phase: phase)
        let list = [
            PodCondition("PodReadyToStartContainers", isTrue: canStart), initialized,
            containersReady.gated(by: pod), containersReady, PodCondition("PodScheduled", isTrue: true),
        ]
        return list.map { $0.json(after: pod.condition($0.type), now: now) }
    }

    /// Whether the containers and sidecars may get requests.
    private func containersReady(phase: String) -> PodCondition {
        let type = "ContainersReady"
        if phase == "Succeeded" { return PodCondition(type, failing: "PodCompleted") }
        if phase == "Failed" { return PodCondition(type, failing: "PodFailed") }
        let unready = containers.filter { (!$0.isInit || $0.isSidecar) && !$0.isReady }
        guard !unready.isEmpty else { return PodCondition(type, isTrue: true) }
        let message = "containers with unready status: [\(Self.names(unready))]"
        return PodCondition(type, failing: "ContainersNotReady", message)
    }

    private static func names(_ records: [ContainerRecord]) -> String {
        records.map(\.name).joined(separator: " ")
    }

    private static func json(_ record: ContainerRecord, pod: KubeObject) -> JSONValue {
        var json: JSONValue = [
            "name": .string(record.name), "image": .string(record.image), "imageID": .string(record.image),
            "restartCount": JSONValue(record.restarts),
            "ready": .bool(record.isInit ? isInitReady(record) : record.isReady),
            "started": .bool(record.runningSince != nil && record.hasStarted), "lastState": .emptyObject,
        ]
        let id = { (instance: Int) in "process://\(pod.uid ?? pod.name)/\(record.name)/\(instance)" }
        switch record.state {
        case .waiting(let reason, let message, _):
            var waiting: JSONValue = ["reason": .string(reason)]
            if !message.isEmpty { waiting["message"] = .string(message) }
            json["state"] = ["waiting": waiting]
        case .starting: json["state"] = ["waiting": ["reason": "ContainerCreating"]]
        case .running(let since):
            json["state"] = ["running": ["startedAt": .string(since.rfc3339)]]
            json["containerID"] = .string(id(record.instance))
        case .ended(let end):
            json["state"] = ["terminated": terminated(end, id: id(record.instance - 1))]
            json["containerID"] = .string(id(record.instance - 1))
        }
        if let end = record.lastEnd { json["lastState"] = ["terminated": terminated(end, id: id(record.instance - 1))] }
        return json
    }

    private static func isInitReady(_ record: ContainerRecord) -> Bool {
        record.isSidecar ? record.isReady : record.end?.code == 0
    }

    private static func terminated(_ end: ContainerEnd, id: String) -> JSONValue {
        var json: JSONValue = [
            "exitCode": JSONValue(end.code), "reason": .string(end.reason), "finishedAt": .string(end.ended.rfc3339),
            "startedAt": .string((end.started ?? end.ended).rfc3339), "containerID": .string(id),
        ]
        if !end.message.isEmpty { json["message"] = .string(end.message) }
        return json
    }
}
