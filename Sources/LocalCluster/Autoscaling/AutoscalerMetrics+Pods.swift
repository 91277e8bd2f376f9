// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPTypes
import KubeAPI
import KubeModel
import Scaling

/// The metrics that have a value for each pod: Pods, Resource and ContainerResource.
extension AutoscalerMetrics {
    /// A value of each pod from `custom.metrics.k8s.io`.
    func pods(_ source: JSONValue) async throws(MetricFailure) -> MetricProposal {
        let reason = "FailedGetPodsMetric"
        let metric = source.at("metric", "name")?.string ?? ""
        let what = "unable to get metric \(metric)"
        guard let wanted = Quantity(source.at("target", "averageValue"))?.milliValue, wanted > 0 else {
            throw MetricFailure(reason: reason, message: "the pods metric \(metric) has no averageValue above 0")
        }
        var query = [QueryItem("labelSelector", target.selector ?? "")]
        let metricSelector = try Self.selector(source.at("metric", "selector"), reason)
        if !metricSelector.isEmpty { query.append(QueryItem("metricLabelSelector", metricSelector)) }
        let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/\(namespace)/pods/*/\(metric)"
        var readings: [String: PodReading] = [:]
        for item in try await items(path, query, reason, what) {
            guard let name = item.at("describedObject", "name")?.string, let value = Quantity(item["value"])?.milliValue
            else { continue }
            readings[name] = PodReading(value: value)
        }
        let groups = try groups(readings, isProcessorTime: false, reason, what)
        let (replicas, mean) = try plain(groups, target: wanted, reason, what)
        return MetricProposal(
            replicas: replicas,
            current: [
                "type": "Pods",
                "pods": ["metric": source["metric"] ?? .emptyObject, "current": ["averageValue": Self.quantity(mean)]],
            ],
            name: "pods metric \(metric)"
        )
    }

    /// What each pod, or one container of it, uses of a resource, from `metrics.k8s.io`.
    func resource(_ source: JSONValue, ofContainer: Bool) async throws(MetricFailure) -> MetricProposal {
        let reason = ofContainer ? "FailedGetContainerResourceMetric" : "FailedGetResourceMetric"
        let resource = source["name"]?.string ?? ""
        let container = ofContainer ? source["container"]?.string ?? "" : nil
        let utilization = source.at("target", "averageUtilization")?.int
        let what = "failed to get \(resource) \(utilization == nil ? "usage" : "utilization")"
        let path = "/apis/metrics.k8s.io/v1beta1/namespaces/\(namespace)/pods"
        var readings: [String: PodReading] = [:]
        for item in try await items(path, [QueryItem("labelSelector", target.selector ?? "")], reason, what) {
            guard let name = item.at("metadata", "name")?.string,
                let reading = Self.usage(item, of: resource, container: container)
            else { continue }
            readings[name] = reading
        }
        let groups = try groups(readings, isProcessorTime: resource == "cpu", reason, what)
        var current: JSONValue
        let replicas: Int
        let kind: String
        if let wanted = Quantity(source.at("target", "averageValue"))?.milliValue, wanted > 0 {
            let (count, mean) = try plain(groups, target: wanted, reason, what)
            (replicas, kind) = (count, "\(resource) resource")
            current = ["averageValue": Self.quantity(mean)]
        } else if let utilization, utilization > 0 {
            let answer = try self.utilization(groups, resource, container, target: utilization, reason, what)
            replicas = answer.replicas
            kind = "\(resource) \(ofContainer ? "container " : "")resource utilization (percentage of request)"
            current = [
                "averageUtilization": JSONValue(answer.utilization),
                "averageValue": Self.quantity(answer.mean),
            ]
        } else {
            throw MetricFailure(
                reason: reason,
                message: "invalid resource metric source: neither an average utilization target nor an average value "
                    + "(usage) target was set"
            )
        }
        current = ["name": .string(resource), "current": current]
        if let container { current["container"] = .string(container) }
        let type = ofContainer ? "ContainerResource" : "Resource"
        let member = ofContainer ? "containerResource" : "resource"
        return MetricProposal(replicas: replicas, current: ["type": .string(type), member: current], name: kind)
    }

    private func utilization(
        _ groups: PodGroups,
        _ resource: String,
        _ container: String?,
        target wanted: Int,
        _ reason: String,
        _ what: String
    ) throws(MetricFailure) -> UtilizationAnswer {
        func requests(_ pods: [KubeObject]) throws(MetricFailure) -> [Int64] {
            var found: [Int64] = []
            for pod in pods { found.append(try PodRequests.of(pod, resource, container: container, reason: reason)) }
            return found
        }
        let counted = zip(groups.counted, try requests(groups.counted.map(\.pod)))
        let answer = calculator.utilization(
            counted.map { PodUtilization(usage: $0.0.reading.value, request: $0.1) },
            missing: try requests(groups.missing),
            unready: try requests(groups.unready),
            target: wanted,
            current: target.wanted
        )
        guard let answer else {
            throw MetricFailure(reason: reason, message: "\(what): no metrics returned matched known pods")
        }
        return answer
    }

    /// The replicas for plain values, and the mean of those that count, in thousandths.
    private func plain(
        _ groups: PodGroups,
        target wanted: Int64,
        _ reason: String,
        _ what: String
    ) throws(MetricFailure) -> (Int, mean: Int64) {
        let values = groups.counted.map(\.reading.value)
        let replicas = calculator.pods(
            values: values,
            missing: groups.missing.count,
            unready: groups.unready.count,
            target: wanted,
            current: target.wanted
        )
        guard let replicas else {
            throw MetricFailure(
                reason: reason,
                message: "\(what): did not receive metrics for targeted pods (pods might be unready)"
            )
        }
        return (replicas, values.reduce(0, HPAReplicaCalculator.sum) / Int64(values.count))
    }

    private func groups(
        _ readings: [String: PodReading],
        isProcessorTime: Bool,
        _ reason: String,
        _ what: String
    ) throws(MetricFailure) -> PodGroups {
        guard !pods.isEmpty else {
            throw MetricFailure(
                reason: reason,
                message: "\(what): no pods returned by selector while calculating replica count"
            )
        }
        let groups = PodGroups(pods, readings: readings, isProcessorTime: isProcessorTime, now: time.now())
        guard !groups.counted.isEmpty else {
            throw MetricFailure(
                reason: reason,
                message: "\(what): did not receive metrics for targeted pods (pods might be unready)"
            )
        }
        return groups
    }

    private func items(
        _ path: String,
        _ query: [QueryItem],
        _ reason: String,
        _ what: String
    ) async throws(MetricFailure) -> [JSONValue] {
        let answer: JSONValue
        do { answer = try await client.raw(.get, path, query: query) } catch {
            throw MetricFailure(reason: reason, message: "\(what): \(error.message)")
        }
        guard let items = answer["items"]?.array, !items.isEmpty else {
            throw MetricFailure(reason: reason, message: "\(what): no metrics returned from the metrics API")
        }
        return items
    }

    /// The usage that a PodMetrics shows; `nil` where a container's is missing.
    private static func usage(_ item: JSONValue, of resource: String, container: String?) -> PodReading? {
        let containers = (item["containers"]?.array ?? []).filter {
            container == nil || $0["name"]?.string == container
        }
        let values = containers.map { Quantity($0.at("usage", resource))?.milliValue }
        guard !values.isEmpty, !values.contains(nil) else { return nil }
        return PodReading(
            value: values.compactMap(\.self).reduce(0, HPAReplicaCalculator.sum),
            time: item["timestamp"]?.string.flatMap(WallTime.init(rfc3339:)),
            window: .seconds(window(item["window"]?.string ?? ""))
        )
    }

    /// Go's `15s` or `10.005s`, in seconds; 0 for another form.
    private static func window(_ text: String) -> Double {
        text.hasSuffix("s") ? Double(text.dropLast()).map { min(max($0, 0), 86_400) } ?? 0 : 0
    }
}
