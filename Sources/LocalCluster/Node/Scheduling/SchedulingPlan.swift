// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Whether the only node takes a pod, as a pure function.
enum SchedulingPlan: Equatable {
    /// It does.
    case bind
    /// It doesn't; the message counts the reasons as the scheduler does.
    case refuse(message: String)

    /// Decides for `pod` on `node`, where `others` are the pods that it holds already.
    init(pod: KubeObject, node: KubeObject, others: [KubeObject]) {
        var reasons: [String] = []
        let labels = node.labels
        let selector = pod["spec", "nodeSelector"]?.object ?? JSONObject()
        if !selector.allSatisfy({ labels[$0.key] == $0.value.string }) {
            reasons.append("1 node(s) didn't match Pod's node affinity/selector")
        }
        if node["spec", "unschedulable"]?.bool ?? false { reasons.append("1 node(s) were unschedulable") }
        let running = others.filter { !$0.isPodFinished && $0.uid != pod.uid }
        let allocatable = node["status", "allocatable"]
        for resource in Self.requests(of: pod).keys.sorted() {
            let wanted = Self.requests(of: pod)[resource] ?? 0
            guard wanted > 0 else { continue }
            let offered = allocatable?[resource]?.string.flatMap(ResourceAmount.value) ?? 0
            let used = running.reduce(0.0) { $0 + (Self.requests(of: $1)[resource] ?? 0) }
            if wanted + used > offered { reasons.append("1 Insufficient \(resource)") }
        }
        let most = allocatable?["pods"]?.string.flatMap(ResourceAmount.value) ?? .infinity
        if Double(running.count) + 1 > most { reasons.append("1 Too many pods") }
        self =
            reasons.isEmpty
            ? .bind : .refuse(message: "0/1 nodes are available: \(reasons.joined(separator: ", ")).")
    }

    /// What a pod requests: the sum over its containers, or the largest of its init containers where that is more.
    static func requests(of pod: KubeObject) -> [String: Double] {
        func amounts(_ container: JSONValue) -> [String: Double] {
            var amounts: [String: Double] = [:]
            for (name, value) in container.at("resources", "requests")?.object ?? JSONObject() {
                amounts[name] = value.string.flatMap(ResourceAmount.value) ?? value.double ?? 0
            }
            return amounts
        }
        var total: [String: Double] = [:]
        for container in pod["spec", "containers"]?.array ?? [] {
            total.merge(amounts(container)) { $0 + $1 }
        }
        for container in pod["spec", "initContainers"]?.array ?? [] { total.merge(amounts(container)) { max($0, $1) } }
        return total
    }
}

/// Reads resource amounts as numbers; rounding beyond 2^53 doesn't matter for what a node offers.
enum ResourceAmount {
    private static let suffixes: [(String, Double)] = [
        ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("Ei", 0x1p60), ("m", 1e-3),
        ("u", 1e-6), ("n", 1e-9), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18),
    ]

    /// The number that `500m` or `2Gi` means; `nil` when it is none.
    static func value(_ text: String) -> Double? {
        for (suffix, factor) in suffixes where text.hasSuffix(suffix) {
            return Double(text.dropLast(suffix.count)).map { $0 * factor }
        }
        return Double(text)
    }
}
