// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ExtensionServer
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import Scaling
import Telemetry

/// A metric that is served, by the name that it has in the metrics APIs.
enum ServedMetric: String, Sendable, Hashable, CaseIterable {
    /// Requests that wait.
    case queueLength = "modelfleet_queue_length"
    /// Requests that were accepted and not yet answered.
    case inFlight = "modelfleet_requests_in_flight"
    /// Requests a second.
    case requestRate = "modelfleet_request_rate"
    /// How full a pod's key-value cache is, 0 to 1; of pods only.
    case cacheUsage = "modelfleet_cache_usage"

    /// The signal that HPAs of models scale by; `nil` for one that is no target.
    var signal: Signal? {
        switch self {
        case .queueLength: .queueLength
        case .inFlight: .inFlight
        case .requestRate: .requestRate
        case .cacheUsage: nil
        }
    }

    /// The metric of a signal.
    init(_ signal: Signal) {
        self =
            switch signal {
            case .queueLength: .queueLength
            case .inFlight: .inFlight
            case .requestRate: .requestRate
            }
    }

    /// What a replica showed.
    func value(of replica: ReplicaSignals) -> Double? {
        switch self {
        case .queueLength: replica.queueLength.value
        case .inFlight: replica.inFlight.value
        case .requestRate: replica.requestRate.value
        case .cacheUsage: replica.cacheUsage.value
        }
    }

    /// Those that are totals of a model.
    static let ofModels = allCases.filter { $0.signal != nil }
}

/// What a request asks of the metrics APIs.
enum MetricsQuery: Sendable {
    /// A document of discovery.
    case document(JSONValue)
    /// Totals of models: `external.metrics.k8s.io`.
    case external(ServedMetric, namespace: String, selector: LabelSelector)
    /// Values of pods: `custom.metrics.k8s.io`; `name` is `nil` for all that match.
    case pods(ServedMetric, namespace: String, name: String?, selector: LabelSelector, version: String)
    /// Totals of ModelDeployments: `custom.metrics.k8s.io`; `name` is `nil` for all that match.
    case models(ServedMetric, namespace: String, name: String?, selector: LabelSelector, version: String)

    /// Reads a request.
    /// - Throws: 404, 405 or 400 with what could be asked instead.
    init(_ request: HTTPRequestMessage) throws(APIStatus) {
        guard request.head.method == .get else {
            throw APIStatus(code: 405, reason: "MethodNotAllowed", message: "metrics can only be read: use GET")
        }
        let raw = request.path.split(separator: "/", omittingEmptySubsequences: true)
        let parts = raw.compactMap { PercentText.decoded($0) }
        guard parts.count == raw.count, parts.first == "apis" else { throw Self.unknownPath }
        let rest = Array(parts.dropFirst(3))
        if parts.count <= 3 {
            guard let document = MetricsDiscovery.document(parts.dropFirst()) else { throw Self.unknownPath }
            self = .document(document)
            return
        }
        guard rest.first == "namespaces", rest.count >= 3 else { throw Self.unknownPath }
        let (group, version, namespace) = (parts[1], parts[2], rest[1])
        let selector = try Self.selector("labelSelector", request.query)
        switch (group, rest.count) {
        case (MetricsDiscovery.external, 3) where version == "v1beta1":
            self = .external(
                try Self.metric(rest[2], of: ServedMetric.ofModels),
                namespace: namespace,
                selector: selector
            )
        case (MetricsDiscovery.custom, 5) where MetricsDiscovery.customVersions.contains(version):
            let name = rest[3] == "*" ? nil : rest[3]
            try Self.checkMetricLabels(request.query)
            switch rest[2] {
            case "pods":
                let metric = try Self.metric(rest[4], of: ServedMetric.allCases)
                self = .pods(metric, namespace: namespace, name: name, selector: selector, version: version)
            case ResourceType.modelDeployments.qualifiedName:
                let metric = try Self.metric(rest[4], of: ServedMetric.ofModels)
                self = .models(metric, namespace: namespace, name: name, selector: selector, version: version)
            default:
                throw Self.notFound(
                    "no metrics of \(rest[2].prefix(100)) are served; there are those of pods and of "
                        + ResourceType.modelDeployments.qualifiedName
                )
            }
        default: throw Self.unknownPath
        }
    }

    /// 404.
    static func notFound(_ message: String) -> APIStatus { APIStatus(code: 404, reason: "NotFound", message: message) }

    private static var unknownPath: APIStatus {
        notFound(
            "try /apis/\(MetricsDiscovery.external)/v1beta1/namespaces/NAMESPACE/METRIC?labelSelector="
                + "\(FleetAPI.modelLabel)=NAME or /apis/\(MetricsDiscovery.custom)/v1beta2/namespaces/NAMESPACE/pods/*/METRIC"
        )
    }

    private static func metric(_ name: String, of known: [ServedMetric]) throws(APIStatus) -> ServedMetric {
        guard let metric = ServedMetric(rawValue: name), known.contains(metric) else {
            let names = known.map(\.rawValue).joined(separator: ", ")
            throw notFound("no metric \"\(name.prefix(100))\" is served; there are \(names)")
        }
        return metric
    }

    /// The label selector of this name in a query; everything when there is none.
    private static func selector(_ name: String, _ query: Substring) throws(APIStatus) -> LabelSelector {
        guard let text = query.split(separator: "&").first(where: { $0.hasPrefix("\(name)=") }) else {
            return .everything
        }
        guard let text = PercentText.decoded(text.dropFirst(name.utf8.count + 1), plusIsSpace: true) else {
            throw APIStatus(code: 400, reason: "BadRequest", message: "\(name) is not percent-encoded UTF-8")
        }
        do { return try LabelSelector(parsing: text) } catch {
            throw APIStatus(code: 400, reason: "BadRequest", message: "\(name): \(error)")
        }
    }

    /// Refuses a query for series with certain labels: a value of all of them is no answer to that.
    private static func checkMetricLabels(_ query: Substring) throws(APIStatus) {
        guard try !selector("metricLabelSelector", query).matches([:]) else { return }
        throw notFound(
            "these metrics have no labels of their own, so that no series matches metricLabelSelector; leave the metric's "
                + "selector out"
        )
    }

    /// Whether it can be about one model, or one pod, only: who has a value then has all of the answer.
    var isAboutOne: Bool {
        switch self {
        case .document: true
        case .external(_, _, let selector): Self.namesModel(selector)
        case .pods(_, _, let name, let selector, _): name != nil || Self.namesModel(selector)
        case .models(_, _, let name, _, _): name != nil
        }
    }

    private static func namesModel(_ selector: LabelSelector) -> Bool {
        selector.requirements.contains {
            $0.key == FleetAPI.modelLabel && $0.comparison == .isIn && $0.values.count == 1
        }
    }

    /// The list with these items.
    func list(_ items: [JSONValue]) -> JSONValue {
        let (kind, version) =
            switch self {
            case .document, .external: ("ExternalMetricValueList", "\(MetricsDiscovery.external)/v1beta1")
            case .pods(_, _, _, _, let version), .models(_, _, _, _, let version):
                ("MetricValueList", "\(MetricsDiscovery.custom)/\(version)")
            }
        return ["kind": .string(kind), "apiVersion": .string(version), "metadata": [:], "items": .array(items)]
    }

    /// The refusal where nobody has a value.
    var nothing: APIStatus {
        switch self {
        case .document: Self.unknownPath
        case .external(let metric, let namespace, _):
            Self.notFound(
                "\(metric.rawValue): no model in namespace \(namespace.prefix(63)) that matches is scaled by engine "
                    + "HorizontalPodAutoscaler and has been read; the selector is \(FleetAPI.modelLabel)=NAME"
            )
        case .pods(let metric, let namespace, let name, _, _):
            Self.notFound(
                "\(metric.rawValue): "
                    + (name.map { "pod \($0.prefix(253))" } ?? "no pod that matches")
                    + " in namespace \(namespace.prefix(63)) " + (name == nil ? "has a" : "has no")
                    + " fresh reading; ready pods of models are read"
            )
        case .models(let metric, let namespace, let name, _, _):
            Self.notFound(
                "\(metric.rawValue): "
                    + (name.map { "ModelDeployment \($0.prefix(253))" } ?? "no ModelDeployment that matches")
                    + " in namespace \(namespace.prefix(63)) " + (name == nil ? "is" : "isn't")
                    + " scaled by engine HorizontalPodAutoscaler with a fresh reading"
            )
        }
    }
}
