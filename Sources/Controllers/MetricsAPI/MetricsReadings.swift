// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import Scaling
import Telemetry

/// What this process has read of models and pods, as the metrics APIs write it.
///
/// Missing is not zero: what is missing or stale has no item, or fails the answer with the reason, and an HPA holds its count.
struct MetricsReadings: Sendable {
    /// The readings of models.
    let state: ScalingState
    /// ModelDeployments.
    let models: ObjectStore
    /// Pods.
    let pods: ObjectStore
    /// The pages of pods.
    let board: ScrapeBoard
    /// The time.
    let time: any TimeSource
    /// Whether a model is this process's to read.
    let isHeld: @Sendable (ObjectKey) -> Bool

    /// The items of an answer; none where this process knows nothing of what is asked for.
    /// - Throws: 404 with the reason where a value is missing that must not be left out.
    func items(_ query: MetricsQuery) throws(APIStatus) -> [JSONValue] {
        switch query {
        case .document: return []
        case .external(let metric, let namespace, let selector):
            return try external(metric, namespace: namespace, selector: selector)
        case .pods(let metric, let namespace, let name, let selector, let version):
            return podItems(metric, namespace: namespace, name: name, selector: selector, version: version)
        case .models(let metric, let namespace, let name, let selector, let version):
            return try modelItems(metric, namespace: namespace, name: name, selector: selector, version: version)
        }
    }

    /// The values of all models that match; one without a value fails them all, since an HPA adds them up.
    private func external(
        _ metric: ServedMetric,
        namespace: String,
        selector: LabelSelector
    ) throws(APIStatus) -> [JSONValue] {
        let models = scaled(namespace: namespace) { selector.matches([FleetAPI.modelLabel: $0.name]) }
        var items: [JSONValue] = []
        for model in models {
            let reading = try fresh(metric, model.key, model.readings)
            items.append([
                "metricName": .string(metric.rawValue),
                "metricLabels": [FleetAPI.modelLabel: .string(model.key.name)],
                "timestamp": .string(reading.time.rfc3339), "value": Self.quantity(reading.total),
            ])
        }
        return items
    }

    /// The models with engine `HorizontalPodAutoscaler` that this process looks after, in the order of their names, with what
    /// was read of them: nothing where no replica is ready.
    private func scaled(
        namespace: String,
        where matches: (ObjectKey) -> Bool
    ) -> [(key: ObjectKey, readings: [Signal: ExternalReading])] {
        var found = state.offered(namespace: namespace).filter { matches($0.key) }
        let read = Set(found.map(\.key))
        for key in models.keys(namespace: namespace) where !read.contains(key) && matches(key) && isHeld(key) {
            guard let model = models.stored(key), model.value(at: "metadata", "deletionTimestamp") == nil,
                model.value(at: "spec", "scaling", "engine")?.string
                    == ModelDeployment.Engine.horizontalPodAutoscaler.rawValue
            else { continue }
            found.append((key, [:]))
        }
        return found.sorted { $0.key < $1.key }
    }

    private func modelItems(
        _ metric: ServedMetric,
        namespace: String,
        name: String?,
        selector: LabelSelector,
        version: String
    ) throws(APIStatus) -> [JSONValue] {
        let found = scaled(namespace: namespace) { key in
            name.map { $0 == key.name } ?? selector.matches(models.stored(key)?.labels ?? [:])
        }
        var items: [JSONValue] = []
        for model in found {
            let reading = try fresh(metric, model.key, model.readings)
            let type = ResourceType.modelDeployments
            items.append(
                Self.item(
                    metric,
                    of: ["kind": .string(type.kind), "apiVersion": .string(type.apiVersion)],
                    key: model.key,
                    value: reading.total,
                    time: reading.time,
                    version: version
                )
            )
        }
        return items
    }

    private func podItems(
        _ metric: ServedMetric,
        namespace: String,
        name: String?,
        selector: LabelSelector,
        version: String
    ) -> [JSONValue] {
        let now = time.now()
        var items: [JSONValue] = []
        for group in state.groups(namespace: namespace) {
            for (pod, part) in board.parts(of: group.name) where name == nil || pod == name {
                guard case .reported(let signals) = part, now - signals.time <= ModelSignals.staleAfter,
                    let value = metric.value(of: signals), value.isFinite
                else { continue }
                let key = ObjectKey(namespace: namespace, name: pod)
                guard let object = pods.object(key) else { continue }
                if name == nil, !selector.matches(object.labels) { continue }
                items.append(
                    Self.item(
                        metric,
                        of: ["kind": "Pod", "apiVersion": "/v1"],
                        key: key,
                        value: value,
                        time: signals.time,
                        version: version
                    )
                )
            }
        }
        return items
    }

    private func fresh(
        _ metric: ServedMetric,
        _ model: ObjectKey,
        _ readings: [Signal: ExternalReading]
    ) throws(APIStatus) -> ExternalReading {
        guard let signal = metric.signal, let reading = readings[signal] else {
            throw MetricsQuery.notFound("\(metric.rawValue): no ready replica of model \(model.name) reports it")
        }
        let age = time.now() - reading.time
        guard age <= ModelSignals.staleAfter else {
            throw MetricsQuery.notFound(
                "\(metric.rawValue): the last reading of model \(model.name) is \(Int(age.inSeconds)) s old"
            )
        }
        return reading
    }

    /// An item of a `MetricValueList`, in the form of its version.
    private static func item(
        _ metric: ServedMetric,
        of object: JSONValue,
        key: ObjectKey,
        value: Double,
        time: WallTime,
        version: String
    ) -> JSONValue {
        var object = object
        object["namespace"] = .string(key.namespace ?? "")
        object["name"] = .string(key.name)
        var item: JSONValue = ["describedObject": object]
        if version == "v1beta1" {
            item["metricName"] = .string(metric.rawValue)
        } else {
            item["metric"] = ["name": .string(metric.rawValue), "selector": .null]
        }
        item["timestamp"] = .string(time.rfc3339)
        item["value"] = quantity(value)
        return item
    }

    /// In thousandths, rounded up.
    private static func quantity(_ value: Double) -> JSONValue {
        let bounded = min(max(value, 0), ExternalReading.largestTotal)
        return .string(Quantity(milli: Int64((bounded * 1000).rounded(.up))).description)
    }
}
