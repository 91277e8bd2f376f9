// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Whether a node takes a pod, and if not, why: the scheduler's filters in its order. The first that fails decides.
struct NodeFilter {
    /// The pod.
    let pod: KubeObject
    /// All nodes.
    let nodes: [KubeObject]
    /// The pods that nodes hold already, and that haven't ended.
    let placed: [KubeObject]
    /// The labels of each namespace.
    let namespaces: [String: [String: String]]

    /// The reasons of one node; empty when it takes the pod.
    func reasons(against node: KubeObject) -> [String] {
        if let name = pod["spec", "nodeName"]?.string, !name.isEmpty, name != node.name {
            return ["node(s) didn't match the requested node name"]
        }
        let cordon = Taint(key: Taint.unschedulable, effect: .noSchedule)
        if node["spec", "unschedulable"]?.bool ?? false, !tolerates([cordon]) { return ["node(s) were unschedulable"] }
        if !tolerates(Taint.all(of: node)) { return ["node(s) had untolerated taint(s)"] }
        if !allows(node) { return ["node(s) didn't match Pod's node affinity/selector"] }
        let neighbours = placed.filter { $0.nodeName == node.name && $0.uid != pod.uid }
        let taken = neighbours.reduce(into: Set<String>()) { $0.formUnion(Self.hostPorts(of: $1)) }
        if !taken.isDisjoint(with: Self.hostPorts(of: pod)) {
            return ["node(s) didn't have free ports for the requested pod ports"]
        }
        let missing = Self.missing(for: pod, on: node, beside: neighbours)
        if !missing.isEmpty { return missing }
        return PodAffinity(filter: self).reason(against: node).map { [$0] } ?? []
    }

    /// Whether the pod tolerates those of the taints that keep pods away.
    func tolerates(_ taints: [Taint]) -> Bool {
        let tolerations = Toleration.all(of: pod)
        return taints.allSatisfy { taint in
            taint.effect == .preferNoSchedule || tolerations.contains { $0.covers(taint) }
        }
    }

    // MARK: Labels

    /// Whether the pod's node selector and its required node affinity hold for a node.
    func allows(_ node: KubeObject) -> Bool {
        let selector = pod["spec", "nodeSelector"]?.object ?? JSONObject()
        guard selector.allSatisfy({ node.labels[$0.key] == $0.value.string }) else { return false }
        let path = ["spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]
        guard let required = pod.json.value(at: path), required.object != nil else { return true }
        return (required["nodeSelectorTerms"]?.array ?? []).contains { Self.matches(node, $0) }
    }

    /// Whether a node selector term holds; an empty term matches no node.
    static func matches(_ node: KubeObject, _ term: JSONValue) -> Bool {
        let expressions = term["matchExpressions"]?.array ?? []
        let fields = term["matchFields"]?.array ?? []
        guard !expressions.isEmpty || !fields.isEmpty else { return false }
        return expressions.allSatisfy { holds($0, node.labels) }
            && fields.allSatisfy { holds($0, ["metadata.name": node.name]) }
    }

    private static func holds(_ expression: JSONValue, _ labels: [String: String]) -> Bool {
        guard let key = expression["key"]?.string,
            let comparison = expression["operator"]?.string.flatMap(LabelSelector.Operator.init(rawValue:))
        else { return false }
        let values = (expression["values"]?.array ?? []).compactMap(\.string)
        return LabelSelector.Requirement(key, comparison, values).holds(for: labels)
    }

    // MARK: Resources

    private static func hostPorts(of pod: KubeObject) -> Set<String> {
        var ports: Set<String> = []
        for container in pod["spec", "containers"]?.array ?? [] {
            for port in container["ports"]?.array ?? [] {
                guard let number = port["hostPort"]?.int, number > 0 else { continue }
                ports.insert("\(port["protocol"]?.string ?? "TCP")/\(number)")
            }
        }
        return ports
    }

    private static func missing(for pod: KubeObject, on node: KubeObject, beside others: [KubeObject]) -> [String] {
        let allocatable = node["status", "allocatable"]
        var reasons: [String] = []
        let most = Quantity(allocatable?["pods"]).map { Int(clamping: $0.value) } ?? .max
        if others.count >= most { reasons.append("Too many pods") }
        for (resource, wanted) in requests(of: pod).sorted(by: { $0.key < $1.key }) where Quantity(0) < wanted {
            let offered = Quantity(allocatable?[resource]) ?? Quantity(0)
            let used = others.reduce(Quantity(0)) { $0 + (requests(of: $1)[resource] ?? Quantity(0)) }
            if offered < used + wanted { reasons.append("Insufficient \(resource)") }
        }
        return reasons
    }

    /// What a pod requests: what it says for itself, else the sum over its containers and sidecars, or the largest of its
    /// init containers (with the sidecars before it) where that is more; and the pod's overhead.
    static func requests(of pod: KubeObject) -> [String: Quantity] {
        func amounts(_ json: JSONValue?) -> [String: Quantity] {
            var amounts: [String: Quantity] = [:]
            for (name, value) in json?.object ?? JSONObject() { amounts[name] = Quantity(value) }
            return amounts
        }
        var total: [String: Quantity] = [:]
        for container in pod["spec", "containers"]?.array ?? [] {
            total.merge(amounts(container.at("resources", "requests"))) { $0 + $1 }
        }
        var sidecars: [String: Quantity] = [:]
        var peak: [String: Quantity] = [:]
        for container in pod["spec", "initContainers"]?.array ?? [] {
            let own = amounts(container.at("resources", "requests"))
            let together = own.merging(sidecars) { $0 + $1 }
            peak.merge(together) { $0 < $1 ? $1 : $0 }
            if container["restartPolicy"]?.string == "Always" { sidecars = together }
        }
        total.merge(sidecars) { $0 + $1 }
        total.merge(peak) { $0 < $1 ? $1 : $0 }
        let own = amounts(pod["spec", "resources", "requests"]).filter { isForPods($0.key) }
        total.merge(own) { $1 }
        total.merge(amounts(pod["spec", "overhead"])) { $0 + $1 }
        return total
    }

    /// Whether a pod can say for itself what it requests of a resource (`IsSupportedPodLevelResource`).
    private static func isForPods(_ resource: String) -> Bool {
        resource == "cpu" || resource == "memory" || resource.hasPrefix("hugepages-")
    }

    /// Whether a pod says for itself what it requests of any resource (`IsPodLevelRequestsSet`).
    static func hasRequests(_ pod: KubeObject) -> Bool {
        pod["spec", "resources", "requests"]?.object?.contains { isForPods($0.key) } ?? false
    }
}
