// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What pods ask of the pods beside them: required affinity, required anti-affinity (which holds both ways), and hard
/// spreading constraints. Domains are the values of a node label (the scheduler's `interpodaffinity`).
struct PodAffinity {
    /// The pod, the nodes and their pods.
    let filter: NodeFilter

    private static let required = "requiredDuringSchedulingIgnoredDuringExecution"

    /// Why a node is refused; `nil` when it isn't.
    func reason(against node: KubeObject) -> String? {
        let pod = filter.pod
        let affinity = Self.terms(of: pod, "podAffinity")
        if !affinity.isEmpty, !areMet(affinity, on: node) { return "node(s) didn't match pod affinity rules" }
        for term in Self.terms(of: pod, "podAntiAffinity") {
            if domain(of: node, term, among: filter.placed).contains(where: { selects($0, term, of: pod) }) {
                return "node(s) didn't match pod anti-affinity rules"
            }
        }
        for other in filter.placed {
            for term in Self.terms(of: other, "podAntiAffinity")
            where selects(pod, term, of: other) && !domain(of: node, term, among: [other]).isEmpty {
                return "node(s) didn't satisfy existing pods anti-affinity rules"
            }
        }
        return PodSpread(filter: filter).reason(against: node)
    }

    private static func terms(of pod: KubeObject, _ kind: String) -> [JSONValue] {
        pod["spec", "affinity", kind, required]?.array ?? []
    }

    /// Whether each term has a pod in its domain; only pods that meet all terms count. Where there is none anywhere, the pod itself
    /// will do: somebody must be first.
    private func areMet(_ terms: [JSONValue], on node: KubeObject) -> Bool {
        guard terms.allSatisfy({ node.labels[$0["topologyKey"]?.string ?? ""] != nil }) else { return false }
        func meetsAll(_ other: KubeObject) -> Bool { terms.allSatisfy { selects(other, $0, of: filter.pod) } }
        let partners = filter.placed.filter(meetsAll)
        if terms.allSatisfy({ !domain(of: node, $0, among: partners).isEmpty }) { return true }
        let labels = Dictionary(filter.nodes.map { ($0.name, $0.labels) }) { first, _ in first }
        let isAnywhere = partners.contains { partner in
            let around = labels[partner.nodeName ?? ""] ?? [:]
            return terms.contains { around[$0["topologyKey"]?.string ?? ""] != nil }
        }
        return !isAnywhere && meetsAll(filter.pod)
    }

    /// Those of `pods` that are on the nodes that share the value of the term's label with `node`.
    private func domain(of node: KubeObject, _ term: JSONValue, among pods: [KubeObject]) -> [KubeObject] {
        let key = term["topologyKey"]?.string ?? ""
        guard let value = node.labels[key] else { return [] }
        let names = Set(filter.nodes.filter { $0.labels[key] == value }.map(\.name))
        return pods.filter { $0.nodeName.map(names.contains) ?? false }
    }

    /// Whether a term of `pod` means `other`.
    private func selects(_ other: KubeObject, _ term: JSONValue, of pod: KubeObject) -> Bool {
        guard isInside(other.namespace ?? "", term, of: pod),
            let selector = try? LabelSelector(term["labelSelector"] ?? .null)
        else { return false }
        return selector.matches(other.labels)
    }

    /// Whether a term looks at a namespace: one that it names or whose labels it selects; the pod's own where it does neither.
    private func isInside(_ namespace: String, _ term: JSONValue, of pod: KubeObject) -> Bool {
        let names = (term["namespaces"]?.array ?? []).compactMap(\.string)
        let selector = term["namespaceSelector"].flatMap { $0.object == nil ? nil : try? LabelSelector($0) }
        if names.isEmpty && selector == nil { return namespace == pod.namespace }
        return names.contains(namespace) || selector?.matches(filter.namespaces[namespace] ?? [:]) ?? false
    }
}
