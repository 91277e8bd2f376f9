// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeRuntime
import Telemetry

/// The operator's metrics about a work queue, named as the work queue metrics of Kubernetes' own controllers.
struct QueueMetrics: WorkQueueObserver {
    private let name: [String: String]
    private let depth: Gauge
    private let adds: Counter
    private let retries: Counter
    private let waits: Histogram
    private let work: Histogram

    /// Upper bounds in seconds: a reconcile that finds nothing takes a tenth of a millisecond, a queue may take minutes.
    private static let buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]

    /// Registers the metrics for the queue `name`.
    init(registry: MetricsRegistry, name: String) {
        self.name = ["name": name]
        depth = registry.gauge("modelfleet_workqueue_depth", help: "Keys that wait to be worked on.")
        adds = registry.counter("modelfleet_workqueue_adds_total", help: "Keys that were added.")
        retries = registry.counter("modelfleet_workqueue_retries_total", help: "Keys that failed and come back.")
        waits = registry.histogram(
            "modelfleet_workqueue_queue_duration_seconds",
            help: "How long keys wait before they are worked on.",
            buckets: Self.buckets
        )
        work = registry.histogram(
            "modelfleet_workqueue_work_duration_seconds",
            help: "How long keys are worked on.",
            buckets: Self.buckets
        )
    }

    /// Sets the depth.
    func depth(_ count: Int) { depth.set(Double(count), labels: name) }
    /// Counts an addition.
    func added() { adds.add(labels: name) }
    /// Observes a wait.
    func waited(_ duration: Duration) { waits.observe(duration.inSeconds, labels: name) }
    /// Observes work.
    func worked(_ duration: Duration) { work.observe(duration.inSeconds, labels: name) }
    /// Counts a retry.
    func retried() { retries.add(labels: name) }
}
