// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Which node a pod goes to, as a pure function of the nodes and the pods that they hold.
enum SchedulingPlan: Equatable {
    /// To this one.
    case bind(node: String)
    /// To none; the message counts the reasons as the scheduler does.
    case refuse(message: String)

    /// Decides for `pod`; `placed` are the pods that nodes hold, ended ones too, and `namespaces` the labels of each namespace.
    ///
    /// Of the nodes that take it, the one goes first that has fewer taints that would rather not, more preferred labels,
    /// fewer pods of the same owner, more room, and at last the smaller name. Nothing is preempted.
    init(
        pod: KubeObject,
        nodes: [KubeObject],
        placed: [KubeObject],
        namespaces: [String: [String: String]] = [:]
    ) {
        guard !nodes.isEmpty else {
            self = .refuse(message: "no nodes available to schedule pods")
            return
        }
        let running = placed.filter { !$0.isPodFinished }
        let filter = NodeFilter(pod: pod, nodes: nodes, placed: running, namespaces: namespaces)
        var counts: [String: Int] = [:]
        var best: (score: [Double], name: String)?
        for node in nodes.sorted(by: { $0.name < $1.name }) {
            let reasons = filter.reasons(against: node)
            for reason in reasons { counts[reason, default: 0] += 1 }
            guard reasons.isEmpty else { continue }
            let score = Self.score(pod, node, running.filter { $0.nodeName == node.name })
            if best.map({ score.lexicographicallyPrecedes($0.score) }) ?? true { best = (score, node.name) }
        }
        if let best {
            self = .bind(node: best.name)
            return
        }
        let reasons = counts.map { "\($0.value) \($0.key)" }.sorted().joined(separator: ", ")
        self = .refuse(message: "0/\(nodes.count) nodes are available: \(reasons).")
    }

    /// Less is better.
    private static func score(_ pod: KubeObject, _ node: KubeObject, _ others: [KubeObject]) -> [Double] {
        let tolerations = Toleration.all(of: pod)
        let unwanted = Taint.all(of: node).count { taint in
            taint.effect == .preferNoSchedule && !tolerations.contains { $0.covers(taint) }
        }
        let path = ["spec", "affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"]
        let preferred = (pod.json.value(at: path)?.array ?? []).reduce(0) { sum, entry in
            let matches = entry["preference"].map { NodeFilter.matches(node, $0) } ?? false
            return sum + (matches ? entry["weight"]?.int ?? 0 : 0)
        }
        let siblings = others.count { $0.controller != nil && $0.controller?.uid == pod.controller?.uid }
        let used = ["cpu", "memory"].map { resource -> Double in
            let offered = Quantity(node["status", "allocatable", resource])?.double ?? 0
            let sum = (others + [pod]).reduce(0.0) { $0 + (NodeFilter.requests(of: $1)[resource]?.double ?? 0) }
            return offered > 0 ? sum / offered : 1
        }
        return [
            Double(unwanted), -Double(preferred), Double(siblings), used.reduce(0, +) / 2, Double(others.count),
        ]
    }
}
