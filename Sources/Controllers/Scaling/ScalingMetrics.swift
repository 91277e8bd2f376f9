// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Scaling
import Telemetry

/// The operator's own metrics about scaling.
struct ScalingMetrics: Sendable {
    private let desired: Gauge
    private let queue: Gauge
    private let latency: Gauge
    private let missing: Gauge
    private let decisions: Counter

    /// Registers the metrics.
    init(registry: MetricsRegistry) {
        desired = registry.gauge("modelfleet_desired_replicas", help: "Replicas that scaling asks for.")
        queue = registry.gauge("modelfleet_track_queue_length", help: "Waiting requests per replica.")
        latency = registry.gauge(
            "modelfleet_track_latency_p95_seconds",
            help: "The latency that 95 % of the requests keep below."
        )
        missing = registry.gauge("modelfleet_missing_replicas", help: "Ready replicas whose metrics can't be read.")
        decisions = registry.counter("modelfleet_scaling_decisions_total", help: "Scaling decisions by reason.")
    }

    /// Notes one decision.
    func note(_ key: ObjectKey, record: ScaleRecord, missing count: Int) {
        let labels = Self.labels(key)
        desired.set(Double(record.decision.desired), labels: labels)
        missing.set(Double(count), labels: labels)
        if let value = record.queue { queue.set(value, labels: labels) } else { queue.remove(labels: labels) }
        if let value = record.p95 { latency.set(value / 1000, labels: labels) } else { latency.remove(labels: labels) }
        decisions.add(labels: ["reason": record.decision.reason.code])
    }

    /// Drops the numbers of a model that is gone, or that something else scales.
    func forget(_ key: ObjectKey) {
        for gauge in [desired, missing, queue, latency] { gauge.remove(labels: Self.labels(key)) }
    }

    private static func labels(_ key: ObjectKey) -> [String: String] {
        ["namespace": key.namespace ?? "", "model": key.name]
    }
}
