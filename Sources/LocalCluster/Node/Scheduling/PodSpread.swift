// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The hard spreading constraints of a pod (the scheduler's `podtopologyspread`).
struct PodSpread {
    /// The pod, the nodes and their pods.
    let filter: NodeFilter

    private var constraints: [JSONValue] {
        (filter.pod["spec", "topologySpreadConstraints"]?.array ?? [])
            .filter { $0["whenUnsatisfiable"]?.string == "DoNotSchedule" }
    }

    /// Why a node is refused; `nil` when it isn't.
    func reason(against node: KubeObject) -> String? {
        let constraints = constraints
        let keys = constraints.map { $0["topologyKey"]?.string ?? "" }
        let nodes = filter.nodes.filter { node in keys.allSatisfy { node.labels[$0] != nil } }
        for constraint in constraints {
            if let reason = reason(constraint, against: node, among: nodes) { return reason }
        }
        return nil
    }

    private func reason(_ constraint: JSONValue, against node: KubeObject, among nodes: [KubeObject]) -> String? {
        let key = constraint["topologyKey"]?.string ?? ""
        guard let value = node.labels[key] else {
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        }
        guard let selector = try? LabelSelector(constraint["labelSelector"] ?? .null) else { return nil }
        let counts = counts(key, selector, among: nodes.filter { isCounted($0, constraint) })
        let isShort = counts.count < max(1, constraint["minDomains"]?.int ?? 1)
        let fewest = isShort ? 0 : counts.values.min() ?? 0
        let own = selector.matches(filter.pod.labels) ? 1 : 0
        return (counts[value] ?? 0) + own - fewest > max(1, constraint["maxSkew"]?.int ?? 1)
            ? "node(s) didn't match pod topology spread constraints" : nil
    }

    /// Whether a node counts: the pod may go there by its node selector and affinity and, where that is asked for, by the node's
    /// taints.
    private func isCounted(_ node: KubeObject, _ constraint: JSONValue) -> Bool {
        if constraint["nodeAffinityPolicy"]?.string != "Ignore", !filter.allows(node) { return false }
        return constraint["nodeTaintsPolicy"]?.string != "Honor" || filter.tolerates(Taint.all(of: node))
    }

    /// The number of selected pods in each domain of `nodes`; those that are being deleted don't count, and an empty selector means
    /// none.
    private func counts(_ key: String, _ selector: LabelSelector, among nodes: [KubeObject]) -> [String: Int] {
        var domains: [String: String] = [:]
        for node in nodes { domains[node.name] = node.labels[key] }
        var counts = Dictionary(domains.values.map { ($0, 0) }) { first, _ in first }
        guard !selector.isEmpty else { return counts }
        for other in filter.placed
        where other.namespace == filter.pod.namespace && !other.isBeingDeleted && selector.matches(other.labels) {
            if let domain = domains[other.nodeName ?? ""] { counts[domain, default: 0] += 1 }
        }
        return counts
    }
}
