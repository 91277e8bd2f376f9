// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer

/// `metrics.k8s.io/v1beta1`: what pods and nodes use, as metrics-server tells it; `kubectl top` and HPAs read it.
struct ResourceMetricsAPI: HTTPExchange {
    /// The name of its APIService.
    static let apiService = "v1beta1.metrics.k8s.io"

    private static let groupVersion = "metrics.k8s.io/v1beta1"
    private static let root = "/apis/metrics.k8s.io/v1beta1"

    /// What was measured.
    let board: UsageBoard

    /// Answers reads; anything else with a `Status`.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        do throws(APIStatus) {
            return Self.response(200, try answer(request))
        } catch {
            return Self.response(error.code, error.json)
        }
    }

    private func answer(_ request: HTTPRequestMessage) throws(APIStatus) -> JSONValue {
        guard request.head.method == .get else {
            throw APIStatus(code: 405, reason: "MethodNotAllowed", message: "metrics can only be read: use GET")
        }
        let parts = request.path.dropFirst(Self.root.utf8.count).split(separator: "/").map(String.init)
        let query = QueryItems(request.query)
        guard query["fieldSelector"]?.isEmpty ?? true else {
            throw APIStatus(code: 400, reason: "BadRequest", message: "field selectors are not supported here")
        }
        let selector = try Self.selector(query["labelSelector"])
        switch (parts.first, parts.count) {
        case (nil, _): return Self.resources
        case ("nodes", 1): return list("NodeMetricsList", nodes(selector))
        case ("nodes", 2): return try one(nodes(.everything), "nodes", namespace: nil, name: parts[1])
        case ("pods", 1): return list("PodMetricsList", pods(selector, namespace: nil))
        case ("namespaces", 3) where parts[2] == "pods":
            return list("PodMetricsList", pods(selector, namespace: parts[1]))
        case ("namespaces", 4) where parts[2] == "pods":
            return try one(pods(.everything, namespace: parts[1]), "pods", namespace: parts[1], name: parts[3])
        default:
            throw APIStatus(code: 404, reason: "NotFound", message: "the server could not find the requested resource")
        }
    }

    private func pods(_ selector: LabelSelector, namespace: String?) -> [JSONValue] {
        board.pods.filter { usage in
            (namespace == nil || usage.pod.namespace == namespace) && selector.matches(usage.labels)
        }.map { usage in
            Self.item(
                "PodMetrics",
                usage.pod,
                labels: usage.labels,
                time: usage.time,
                window: usage.window,
                member: "containers",
                .array(
                    usage.containers.map { container in
                        [
                            "name": .string(container.name),
                            "usage": Self.usage(container.processors, container.memoryBytes),
                        ]
                    }
                )
            )
        }
    }

    /// A node's usage is that of its pods: the machine has other things to do as well.
    private func nodes(_ selector: LabelSelector) -> [JSONValue] {
        let pods = Dictionary(grouping: board.pods, by: \.node)
        return board.nodes.sorted { $0.key < $1.key }.compactMap { name, time in
            let labels = ["kubernetes.io/hostname": name]
            guard selector.matches(labels) else { return nil }
            let containers = (pods[name] ?? []).flatMap(\.containers)
            return Self.item(
                "NodeMetrics",
                ObjectKey(namespace: nil, name: name),
                labels: labels,
                time: time,
                window: UsageMeter.interval,
                member: "usage",
                Self.usage(
                    containers.reduce(0) { $0 + $1.processors },
                    containers.reduce(Int64(0)) { $0 &+ $1.memoryBytes }
                )
            )
        }
    }

    private func one(
        _ items: [JSONValue],
        _ resource: String,
        namespace: String?,
        name: String
    ) throws(APIStatus) -> JSONValue {
        guard let found = items.first(where: { $0.at("metadata", "name")?.string == name }) else {
            // metrics-server names the kind, not the resource: `podmetrics.metrics.k8s.io`.
            let resource = resource.dropLast() + "metrics"
            throw APIStatus(
                code: 404,
                reason: "NotFound",
                message: "\(resource).metrics.k8s.io \"\(namespace.map { "\($0)/" } ?? "")\(name)\" not found",
                name: name,
                group: "metrics.k8s.io",
                kind: String(resource)
            )
        }
        return found
    }

    private func list(_ kind: String, _ items: [JSONValue]) -> JSONValue {
        let bare = items.map { item in
            var item = item
            item["kind"] = nil
            item["apiVersion"] = nil
            return item
        }
        return [
            "kind": .string(kind), "apiVersion": .string(Self.groupVersion), "metadata": [:], "items": .array(bare),
        ]
    }

    private static func item(
        _ kind: String,
        _ key: ObjectKey,
        labels: [String: String],
        time: WallTime,
        window: Duration,
        member: String,
        _ value: JSONValue
    ) -> JSONValue {
        var metadata: JSONValue = ["name": .string(key.name), "creationTimestamp": .string(time.rfc3339)]
        if let namespace = key.namespace { metadata["namespace"] = .string(namespace) }
        var members = JSONObject()
        for (label, value) in labels.sorted(by: { $0.key < $1.key }) { members[label] = .string(value) }
        metadata["labels"] = .object(members)
        let seconds = (window.inSeconds * 1000).rounded() / 1000
        return [
            "kind": .string(kind), "apiVersion": .string(groupVersion), "metadata": metadata,
            "timestamp": .string(time.rfc3339), "window": .string("\(seconds)s"), member: value,
        ]
    }

    private static func usage(_ processors: Double, _ bytes: Int64) -> JSONValue {
        [
            "cpu": .string("\(Int64(min(max(processors * 1e9, 0), 9e18)))n"),
            "memory": .string("\(max(0, bytes) / 1024)Ki"),
        ]
    }

    private static func selector(_ text: String?) throws(APIStatus) -> LabelSelector {
        guard let text, !text.isEmpty else { return .everything }
        do { return try LabelSelector(parsing: text) } catch {
            throw APIStatus(code: 400, reason: "BadRequest", message: "labelSelector: \(error)")
        }
    }

    private static let resources: JSONValue = [
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": .string(groupVersion),
        "resources": [
            [
                "name": "nodes", "singularName": "", "namespaced": false, "kind": "NodeMetrics",
                "verbs": ["get", "list"],
            ],
            ["name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"]],
        ],
    ]

    private static func response(_ code: Int, _ json: JSONValue) -> HTTPResponseMessage {
        HTTPResponseMessage(
            status: HTTPResponse.Status(code: code),
            contentType: "application/json",
            bytes: json.encoded()
        )
    }
}
