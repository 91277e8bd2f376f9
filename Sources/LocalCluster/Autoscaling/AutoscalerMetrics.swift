// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeAPI
import KubeModel
import Scaling

/// One metric's answer: a count, what was seen, and how messages call the metric.
struct MetricProposal: Sendable, Equatable {
    /// The replicas that this metric asks for.
    var replicas: Int
    /// The entry of `status.currentMetrics`.
    var current: JSONValue
    /// `external metric queue(nil)`: the metric in events.
    var name: String
}

/// Why a metric has no answer; the words of the condition `ScalingActive`.
struct MetricFailure: Error, Sendable, Equatable {
    /// `FailedGetExternalMetric`
    var reason: String
    /// The sentence for people.
    var message: String
}

/// Reads an autoscaler's metrics from the metrics APIs and turns each into replicas (`horizontal.go`, Kubernetes 1.36).
struct AutoscalerMetrics: Sendable {
    /// The API, which hands on to the servers of metrics.
    let client: KubeClient
    /// What is scaled.
    let target: ScaleTarget
    /// The namespace.
    let namespace: String
    /// The pods that the target's selector names, whatever their phase.
    let pods: [KubeObject]
    /// The replica formulas with the tolerances of the autoscaler.
    let calculator: HPAReplicaCalculator
    /// The clock.
    let time: any TimeSource

    /// The answer of one entry of `spec.metrics`.
    func proposal(_ metric: JSONValue) async throws(MetricFailure) -> MetricProposal {
        switch metric["type"]?.string {
        case "External": return try await external(metric["external"] ?? .emptyObject)
        case "Object": return try await object(metric["object"] ?? .emptyObject)
        case "Pods": return try await pods(metric["pods"] ?? .emptyObject)
        case "Resource": return try await resource(metric["resource"] ?? .emptyObject, ofContainer: false)
        case "ContainerResource":
            return try await resource(metric["containerResource"] ?? .emptyObject, ofContainer: true)
        case let type:
            throw MetricFailure(
                reason: "InvalidMetricSourceType",
                message: "the local cluster's autoscaler reads no metrics of type \(type ?? "")"
            )
        }
    }

    private func external(_ source: JSONValue) async throws(MetricFailure) -> MetricProposal {
        let metric = source["metric"]?["name"]?.string ?? ""
        let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/\(namespace)/\(metric)"
        let reason = "FailedGetExternalMetric"
        let selector = try Self.selector(source.at("metric", "selector"), reason)
        let found = try await values(path, selector, reason, "external metric \(namespace)/\(metric)")
        let name = "external metric \(metric)\(selector.isEmpty ? "" : "{\(selector)}")"
        let total = found.reduce(0, HPAReplicaCalculator.sum)
        return try answer(total, source, member: "external", reason: reason, name: name)
    }

    private func object(_ source: JSONValue) async throws(MetricFailure) -> MetricProposal {
        let reason = "FailedGetObjectMetric"
        let described = source["describedObject"] ?? .emptyObject
        let metric = source.at("metric", "name")?.string ?? ""
        let kind = described["kind"]?.string ?? ""
        let path = try await path(of: described, metric: metric, reason)
        let selector = try Self.selector(source.at("metric", "selector"), reason)
        let what = "metric \(metric) of the \(kind)"
        let found = try await values(path, selector, named: "metricLabelSelector", reason, what)
        guard found.count == 1 else {
            throw MetricFailure(
                reason: reason,
                message: "unable to get \(what): the custom metrics API server returned \(found.count) results when we "
                    + "asked for exactly one"
            )
        }
        return try answer(found[0], source, member: "object", reason: reason, name: "\(kind) metric \(metric)")
    }

    /// Where an object's metric is: of a Namespace it is the autoscaler's own, whatever name is given.
    private func path(of described: JSONValue, metric: String, _ reason: String) async throws(MetricFailure) -> String {
        let root = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/\(namespace)"
        let kind = described["kind"]?.string ?? ""
        let version = described["apiVersion"]?.string ?? "v1"
        if kind == "Namespace", !version.contains("/") { return "\(root)/metrics/\(metric)" }
        do {
            let type = try await ScaleTarget.type(client, apiVersion: version, kind: kind)
            return "\(root)/\(type.qualifiedName)/\(described["name"]?.string ?? "")/\(metric)"
        } catch { throw MetricFailure(reason: reason, message: "unable to map \(kind): \(error)") }
    }

    /// The replicas for a total in thousandths, by the target's form.
    private func answer(
        _ total: Int64,
        _ source: JSONValue,
        member: String,
        reason: String,
        name: String
    ) throws(MetricFailure) -> MetricProposal {
        var current: JSONValue = ["metric": source["metric"] ?? .emptyObject]
        current["describedObject"] = source["describedObject"]
        let replicas: Int
        if let wanted = Quantity(source.at("target", "averageValue"))?.milliValue, wanted > 0 {
            replicas = calculator.averageValue(total: total, target: wanted, statusReplicas: target.statusReplicas)
            let mean = (Double(total) / Double(max(1, target.statusReplicas))).rounded(.up)
            current["current"] = ["averageValue": Self.quantity(Int64(min(mean, 9e18)))]
        } else if let wanted = Quantity(source.at("target", "value"))?.milliValue, wanted > 0 {
            let isHeld = target.wanted == 0 || calculator.isWithinTolerance(Double(total) / Double(wanted))
            let ready = isHeld ? 0 : try readyPods(reason)
            replicas = calculator.value(total, target: wanted, current: target.wanted, readyPods: ready)
            current["current"] = ["value": Self.quantity(total)]
        } else {
            throw MetricFailure(reason: reason, message: "the \(name) has no target above 0")
        }
        let type = member == "external" ? "External" : "Object"
        return MetricProposal(replicas: replicas, current: ["type": .string(type), member: current], name: name)
    }

    /// The values at a path of a metrics API, in thousandths; none, and what is no quantity, are failures: missing is not
    /// zero.
    private func values(
        _ path: String,
        _ selector: String,
        named parameter: String = "labelSelector",
        _ reason: String,
        _ what: String
    ) async throws(MetricFailure) -> [Int64] {
        let query = selector.isEmpty ? [] : [QueryItem(parameter, selector)]
        let answer: JSONValue
        do { answer = try await client.raw(.get, path, query: query) } catch {
            throw MetricFailure(reason: reason, message: "unable to get \(what): \(error.message)")
        }
        let items = answer["items"]?.array ?? []
        let values = items.compactMap { Quantity($0["value"])?.milliValue }
        guard !values.isEmpty, values.count == items.count else {
            throw MetricFailure(
                reason: reason,
                message: "unable to get \(what): no metrics returned from the metrics API"
            )
        }
        return values
    }

    /// How many pods are ready; a target without any pod is no answer (`getReadyPodsCount`).
    private func readyPods(_ reason: String) throws(MetricFailure) -> Int {
        guard !pods.isEmpty else {
            throw MetricFailure(
                reason: reason,
                message: "unable to calculate ready pods: no pods returned by selector while calculating replica count"
            )
        }
        return pods.count { pod in pod["status", "phase"] == "Running" && ConditionSet(pod).isTrue("Ready") }
    }

    /// The query text of a metric's selector; empty for everything.
    static func selector(_ json: JSONValue?, _ reason: String) throws(MetricFailure) -> String {
        guard let json else { return "" }
        do { return try LabelSelector(json).queryText } catch {
            throw MetricFailure(reason: reason, message: "the metric's selector is wrong: \(error)")
        }
    }

    /// Thousandths, as the controller keeps values.
    static func quantity(_ milli: Int64) -> JSONValue { .string(Quantity(milli: milli).description) }
}
