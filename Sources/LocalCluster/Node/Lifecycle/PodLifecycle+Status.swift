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

    /// The pod's status as the node writes it, on top of what is there.
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
        let isFinished = phase == "Succeeded" || phase == "Failed"
        let isReady = !isFinished && isInitialized && main.allSatisfy(\.isReady)
        let unready = main.filter { !$0.isReady }.map(\.name).joined(separator: " ")
        let why: (String, String) =
            phase == "Succeeded"
            ? ("PodCompleted", "") : ("ContainersNotReady", "containers with unready status: [\(unready)]")
        let list: [(String, Bool, String, String)] = [
            ("PodReadyToStartContainers", containers.contains { $0.isLive }, "", ""),
            ("Initialized", isInitialized, "ContainersNotInitialized", "containers with incomplete status"),
            ("Ready", isReady, why.0, why.1), ("ContainersReady", isReady, why.0, why.1),
            ("PodScheduled", true, "", ""),
        ]
        let old = status["conditions"]?.array ?? []
        var written: [JSONValue] = list.map { type, isTrue, reason, message in
            let present = old.first { $0["type"]?.string == type }
            var condition: JSONValue = [
                "type": .string(type), "status": isTrue ? "True" : "False", "lastProbeTime": .null,
            ]
            if present?["status"] == condition["status"], let time = present?["lastTransitionTime"] {
                condition["lastTransitionTime"] = time
            } else {
                condition["lastTransitionTime"] = .string(now.rfc3339)
            }
            if !isTrue && !reason.isEmpty { condition["reason"] = .string(reason) }
            if !isTrue && !message.isEmpty { condition["message"] = .string(message) }
            return condition
        }
        written += old.filter { condition in !list.contains { $0.0 == condition["type"]?.string } }
        status["conditions"] = .array(written)
        status["containerStatuses"] = .array(main.map { Self.json($0, pod: pod) })
        if !inits.isEmpty { status["initContainerStatuses"] = .array(inits.map { Self.json($0, pod: pod) }) }
        status["qosClass"] = status["qosClass"] ?? "BestEffort"
        return status
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
