// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What pods ask of the pods beside them: required affinity, required anti-affinity (which holds both ways), and hard
/// spreading constraints. Domains are the values of a node label.
struct PodAffinity {
    /// The pod, the nodes and their pods.
    let filter: NodeFilter

    private static let required = "requiredDuringSchedulingIgnoredDuringExecution"

    /// Why a node is refused; `nil` when it isn't.
    func reason(against node: KubeObject) -> String? {
        let pod = filter.pod
        for term in Self.terms(of: pod, "podAffinity") where !isMet(term, of: pod, on: node) {
            return "node(s) didn't match pod affinity rules"
        }
        for term in Self.terms(of: pod, "podAntiAffinity") {
            if domain(of: node, term).contains(where: { Self.selects($0, term, of: pod) }) {
                return "node(s) didn't match pod anti-affinity rules"
            }
        }
        for other in filter.placed {
            for term in Self.terms(of: other, "podAntiAffinity")
            where Self.selects(pod, term, of: other) && domain(of: node, term).contains(where: { $0.uid == other.uid })
            {
                return "node(s) didn't satisfy existing pods anti-affinity rules"
            }
        }
        for constraint in pod["spec", "topologySpreadConstraints"]?.array ?? []
        where constraint["whenUnsatisfiable"]?.string == "DoNotSchedule" {
            if let reason = skew(constraint, on: node) { return reason }
        }
        return nil
    }

    private static func terms(of pod: KubeObject, _ kind: String) -> [JSONValue] {
        pod["spec", "affinity", kind, required]?.array ?? []
    }

    /// A term that no pod meets yet is met by a pod that would meet it itself: somebody must be first.
    private func isMet(_ term: JSONValue, of pod: KubeObject, on node: KubeObject) -> Bool {
        guard node.labels[term["topologyKey"]?.string ?? ""] != nil else { return false }
        if domain(of: node, term).contains(where: { Self.selects($0, term, of: pod) }) { return true }
        return Self.selects(pod, term, of: pod) && !filter.placed.contains { Self.selects($0, term, of: pod) }
    }

    /// The pods on the nodes that share the value of the term's label with `node`.
    private func domain(of node: KubeObject, _ term: JSONValue) -> [KubeObject] {
        let key = term["topologyKey"]?.string ?? ""
        guard let value = node.labels[key] else { return [] }
        let names = Set(filter.nodes.filter { $0.labels[key] == value }.map(\.name))
        return filter.placed.filter { $0.nodeName.map(names.contains) ?? false }
    }

    private static func selects(_ other: KubeObject, _ term: JSONValue, of pod: KubeObject) -> Bool {
        let namespaces = (term["namespaces"]?.array ?? []).compactMap(\.string)
        let isInside =
            namespaces.isEmpty ? other.namespace == pod.namespace : namespaces.contains(other.namespace ?? "")
        guard isInside, let selector = try? LabelSelector(term["labelSelector"] ?? .null) else { return false }
        return selector.matches(other.labels)
    }

    private func skew(_ constraint: JSONValue, on node: KubeObject) -> String? {
        let key = constraint["topologyKey"]?.string ?? ""
        guard let value = node.labels[key] else {
            return "node(s) didn't match pod topology spread constraints (missing required label)"
        }
        guard let selector = try? LabelSelector(constraint["labelSelector"] ?? .null) else { return nil }
        var counts: [String: Int] = [:]
        for domain in Set(filter.nodes.compactMap { $0.labels[key] }) { counts[domain] = 0 }
        let domains = Dictionary(filter.nodes.map { ($0.name, $0.labels[key]) }) { first, _ in first }
        for other in filter.placed
        where other.namespace == filter.pod.namespace && !other.isBeingDeleted && selector.matches(other.labels) {
            if let domain = other.nodeName.flatMap({ domains[$0] ?? nil }) { counts[domain, default: 0] += 1 }
        }
        let own = selector.matches(filter.pod.labels) ? 1 : 0
        let fewest = counts.values.min() ?? 0
        return (counts[value] ?? 0) + own - fewest > max(1, constraint["maxSkew"]?.int ?? 1)
            ? "node(s) didn't match pod topology spread constraints" : nil
    }
}
