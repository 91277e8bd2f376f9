// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The columns of pods and of what makes and scales them.
enum WorkloadColumns {
    /// Pods.
    static let pods: [TableColumn] = [
        TableColumn("Ready", about: "How many containers are ready, of how many.") { pod, _ in
            let all = pod["spec", "containers"]?.array ?? []
            let ready = (pod["status", "containerStatuses"]?.array ?? []).filter { $0["ready"]?.bool == true }
            return .string("\(ready.count)/\(all.count)")
        },
        TableColumn("Status", about: "What the containers do, summed up.") { pod, _ in .string(PodPhrase.text(pod)) },
        TableColumn("Restarts", about: "How often containers were restarted, and when last.") { pod, now in
            restarts(pod, now)
        },
        TableColumns.age,
        TableColumn("IP", about: "The pod's address.", wide: true) { pod, _ in orNone(pod["status", "podIP"]) },
        TableColumn("Node", about: "The node that runs it.", wide: true) { pod, _ in orNone(pod["spec", "nodeName"]) },
        TableColumn("Nominated Node", about: "The node that makes room for it.", wide: true) { pod, _ in
            orNone(pod["status", "nominatedNodeName"])
        },
        TableColumn("Readiness Gates", about: "Further conditions of readiness.", wide: true) { pod, _ in
            let gates = pod["spec", "readinessGates"]?.array ?? []
            guard !gates.isEmpty else { return "<none>" }
            let conditions = pod["status", "conditions"]?.array ?? []
            let held = gates.filter { gate in
                conditions.contains { $0["type"] == gate["conditionType"] && $0["status"]?.string == "True" }
            }
            return .string("\(held.count)/\(gates.count)")
        },
    ]

    /// Deployments.
    static let deployments: [TableColumn] =
        [
            TableColumn("Ready", about: "How many pods are ready, of how many.") { object, _ in
                let wanted = object["spec", "replicas"]?.integer ?? 0
                return .string("\(object["status", "readyReplicas"]?.integer ?? 0)/\(wanted)")
            },
            TableColumns.number("Up-to-date", "How many pods have the present template.", "status", "updatedReplicas"),
            TableColumns.number("Available", "How many pods are available.", "status", "availableReplicas"),
            TableColumns.age,
        ] + templates

    /// Replica sets.
    static let replicaSets: [TableColumn] =
        [
            TableColumns.number("Desired", type: "integer", "How many pods are wanted.", "spec", "replicas"),
            TableColumns.number("Current", type: "integer", "How many pods there are.", "status", "replicas"),
            TableColumns.number("Ready", type: "integer", "How many pods are ready.", "status", "readyReplicas"),
            TableColumns.age,
        ] + templates

    /// Horizontal pod autoscalers.
    static let autoscalers: [TableColumn] = [
        TableColumn("Reference", about: "What is scaled.") { object, _ in
            let target = object["spec", "scaleTargetRef"]
            return .string("\(target?["kind"]?.string ?? "")/\(target?["name"]?.string ?? "")")
        },
        TableColumn("Targets", about: "Each metric's value and target.") { object, _ in
            .string(AutoscalerTargets.text(object))
        },
        TableColumn("MinPods", about: "The fewest pods.") { object, _ in
            .string(object["spec", "minReplicas"]?.integer.map(String.init) ?? "<unset>")
        },
        TableColumns.number("MaxPods", "The most pods.", "spec", "maxReplicas"),
        TableColumns.number("Replicas", "How many pods there are.", "status", "currentReplicas"),
        TableColumns.age,
    ]

    /// Pod disruption budgets.
    static let disruptionBudgets: [TableColumn] = [
        TableColumn("Min Available", about: "How many pods must stay.") { object, _ in
            intOrString(object["spec", "minAvailable"])
        },
        TableColumn("Max Unavailable", about: "How many pods may go.") { object, _ in
            intOrString(object["spec", "maxUnavailable"])
        },
        TableColumns.number("Allowed Disruptions", "How many pods may go now.", "status", "disruptionsAllowed"),
        TableColumns.age,
    ]

    private static let templates: [TableColumn] = [
        TableColumn("Containers", about: "The containers of the template.", wide: true) { object, _ in
            .string(TableColumns.joined(object["spec", "template", "spec", "containers"], "name"))
        },
        TableColumn("Images", about: "The images of the template.", wide: true) { object, _ in
            .string(TableColumns.joined(object["spec", "template", "spec", "containers"], "image"))
        },
        TableColumn("Selector", about: "The labels of its pods.", wide: true) { object, _ in
            .string(TableColumns.selector(object["spec", "selector"]))
        },
    ]

    private static func intOrString(_ value: JSONValue?) -> JSONValue {
        guard let value else { return "N/A" }
        return .string(value.string ?? value.jsonText)
    }

    private static func orNone(_ value: JSONValue?) -> JSONValue {
        .string(value?.string.flatMap { $0.isEmpty ? nil : $0 } ?? "<none>")
    }

    private static func restarts(_ pod: KubeObject, _ now: WallTime) -> JSONValue {
        let statuses = pod["status", "containerStatuses"]?.array ?? []
        let count = statuses.compactMap { $0["restartCount"]?.integer }.reduce(0, &+)
        let last = statuses.compactMap { $0.at("lastState", "terminated", "finishedAt")?.string }.max()
        guard count > 0, let last else { return .string(String(count)) }
        return .string("\(count) (\(HumanDuration.since(.string(last), now)) ago)")
    }
}

/// The word that sums up what a pod does.
enum PodPhrase {
    /// `Running`, `CrashLoopBackOff`, `Terminating` and the like.
    static func text(_ pod: KubeObject) -> String {
        var phrase = pod["status", "reason"]?.string ?? pod["status", "phase"]?.string ?? ""
        let initial = initPhrase(pod)
        if let initial { phrase = initial } else { phrase = containerPhrase(pod, phrase) }
        guard pod.isBeingDeleted else { return phrase }
        return pod["status", "reason"]?.string == "NodeLost" ? "Unknown" : "Terminating"
    }

    private static func containerPhrase(_ pod: KubeObject, _ start: String) -> String {
        var phrase = start
        var hasRunning = false
        for status in (pod["status", "containerStatuses"]?.array ?? []).reversed() {
            if let reason = status.at("state", "waiting", "reason")?.string, !reason.isEmpty {
                phrase = reason
            } else if let ended = status.at("state", "terminated") {
                phrase = endPhrase(ended, prefix: "")
            } else if status["ready"]?.bool == true, status.at("state", "running") != nil {
                hasRunning = true
            }
        }
        guard phrase == "Completed", hasRunning else { return phrase }
        let isReady = (pod["status", "conditions"]?.array ?? [])
            .contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
        return isReady ? "Running" : "NotReady"
    }

    private static func initPhrase(_ pod: KubeObject) -> String? {
        let statuses = pod["status", "initContainerStatuses"]?.array ?? []
        let total = pod["spec", "initContainers"]?.array?.count ?? statuses.count
        for (index, status) in statuses.enumerated() {
            if let ended = status.at("state", "terminated") {
                if ended["exitCode"]?.integer == 0 { continue }
                return endPhrase(ended, prefix: "Init:")
            }
            if let reason = status.at("state", "waiting", "reason")?.string, reason != "PodInitializing" {
                return "Init:" + reason
            }
            return "Init:\(index)/\(total)"
        }
        return nil
    }

    private static func endPhrase(_ ended: JSONValue, prefix: String) -> String {
        if let reason = ended["reason"]?.string, !reason.isEmpty { return prefix + reason }
        if let signal = ended["signal"]?.integer, signal != 0 { return "\(prefix)Signal:\(signal)" }
        return "\(prefix)ExitCode:\(ended["exitCode"]?.integer ?? 0)"
    }
}

/// The metrics of an autoscaler in one cell.
enum AutoscalerTargets {
    /// `cpu: 40%/80%, queue: <unknown>/4`
    static func text(_ object: KubeObject) -> String {
        let metrics = object["spec", "metrics"]?.array ?? []
        guard !metrics.isEmpty else { return "<none>" }
        let current = object["status", "currentMetrics"]?.array ?? []
        let texts = metrics.prefix(2).enumerated().map { index, metric in
            one(metric, index < current.count ? current[index] : nil)
        }
        let rest = metrics.count - 2
        return texts.joined(separator: ", ") + (rest > 0 ? " + \(rest) more..." : "")
    }

    private static func one(_ metric: JSONValue, _ current: JSONValue?) -> String {
        let member: String
        switch metric["type"]?.string {
        case "External": member = "external"
        case "Pods": member = "pods"
        case "Object": member = "object"
        case "Resource": member = "resource"
        case "ContainerResource": member = "containerResource"
        default: return "<unknown type>"
        }
        let target = metric.at(member, "target")
        let now = current?.at(member, "current")
        if let wanted = target?["averageUtilization"]?.integer {
            let name = metric.at(member, "name")?.string ?? ""
            let found = now?["averageUtilization"]?.integer.map { "\($0)%" } ?? "<unknown>"
            return "\(name): \(found)/\(wanted)%"
        }
        let isResource = member == "resource" || member == "containerResource"
        let prefix = isResource ? (metric.at(member, "name")?.string ?? "") + ": " : ""
        if let wanted = target?["averageValue"]?.string {
            let suffix = isResource || member == "pods" ? "" : " (avg)"
            return "\(prefix)\(now?["averageValue"]?.string ?? "<unknown>")/\(wanted)\(suffix)"
        }
        return "\(prefix)\(now?["value"]?.string ?? "<unknown>")/\(target?["value"]?.string ?? "<auto>")"
    }
}
