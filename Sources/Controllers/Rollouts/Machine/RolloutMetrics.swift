// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts
import Telemetry

/// The operator's own metrics about rollouts.
struct RolloutMetrics: Sendable {
    private let ended: Counter
    private let weight: Gauge
    private let step: Gauge

    /// Registers the metrics.
    init(registry: MetricsRegistry) {
        ended = registry.counter("modelfleet_rollouts_ended_total", help: "Rollouts that have ended, by outcome.")
        weight = registry.gauge(
            "modelfleet_rollout_weight_ratio",
            help: "The canary's share of the requests that is wanted, while one is under way."
        )
        step = registry.gauge("modelfleet_rollout_step", help: "The step, from 1, while a canary is under way.")
    }

    /// Notes what was decided, once it is stored.
    func note(_ plan: ModelPlan, _ observation: ModelObservation) {
        guard let decision = plan.rollout, let state = decision.state else { return }
        for outcome in decision.ended { ended.add(labels: ["outcome": outcome.outcome.rawValue]) }
        let labels = Self.labels(observation.stored.key)
        guard state.phase.isActive else { return forget(observation.stored.key) }
        weight.set(Double(state.desiredWeight) / 100, labels: labels)
        step.set(Double(state.stepIndex + 1), labels: labels)
    }

    /// Drops the numbers of a model that has no rollout.
    func forget(_ key: ObjectKey) {
        for gauge in [weight, step] { gauge.remove(labels: Self.labels(key)) }
    }

    private static func labels(_ key: ObjectKey) -> [String: String] {
        ["namespace": key.namespace ?? "", "model": key.name]
    }
}
