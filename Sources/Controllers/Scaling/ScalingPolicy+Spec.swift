// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
public import FleetAPI
import KubeModel
public import Scaling
import Telemetry

extension ModelDeployment {
    /// The spec's scaling as the autoscaler understands it.
    var scalingPolicy: ScalingPolicy {
        scalingPolicy(as: ScalingPolicy.Kind(rawValue: scaling.policy.rawValue) ?? .targetTracking)
    }

    /// The spec's scaling as it would be understood with another `spec.scaling.policy`.
    public func scalingPolicy(as kind: ScalingPolicy.Kind) -> ScalingPolicy {
        var policy = ScalingPolicy(
            minReplicas: scaling.minReplicas,
            maxReplicas: scaling.maxReplicas,
            kind: kind,
            targets: scaling.targets.compactMap { target in
                Signal(rawValue: target.signal).map {
                    ScalingTarget(signal: $0, value: target.value, activation: target.activationValue)
                }
            },
            latency: latencyObjective,
            up: Self.rules(scaling.behavior["scaleUp"], default: ScalingPolicy.defaultUp(kind)),
            down: Self.rules(scaling.behavior["scaleDown"], default: ScalingPolicy.defaultDown(kind)),
            fallback: scaling.fallback.map {
                ScalingFallback(failureThreshold: $0.failureThreshold, replicas: $0.replicas)
            },
            idleSeconds: scaling.idleSeconds
        )
        policy.isPaused = scaling.isPaused
        policy.intervalSeconds = Double(scaling.intervalSeconds)
        return policy
    }

    /// The latency objective.
    var latencyObjective: LatencyObjective? {
        scaling.latency.map {
            LatencyObjective(percentile: $0.percentile, milliseconds: $0.milliseconds, latePrice: $0.latePrice)
        }
    }

    /// The schedules that can be read.
    var schedules: [ScalingSchedule] {
        scaling.schedules.compactMap { schedule in
            guard let start = CronSchedule(schedule.start), let end = CronSchedule(schedule.end) else { return nil }
            let bounds = ScheduledBounds(
                name: schedule.name,
                minReplicas: schedule.minReplicas,
                maxReplicas: schedule.maxReplicas
            )
            return ScalingSchedule(bounds: bounds, start: start, end: end, timeZone: schedule.timeZone)
        }
    }

    private static func rules(_ json: JSONValue?, default rules: ScalingRules) -> ScalingRules {
        var rules = rules
        if let seconds = json?["stabilizationWindowSeconds"]?.int { rules.stabilizationWindowSeconds = seconds }
        if let select = json?["selectPolicy"]?.string.flatMap(ScalingRules.Select.init(rawValue:)) {
            rules.select = select
        }
        if let tolerance = json?["tolerance"]?.double { rules.tolerance = tolerance }
        if let policies = json?["policies"]?.array {
            rules.limits = policies.compactMap { policy in
                guard let kind = policy["type"]?.string.flatMap(ScalingLimit.Kind.init(rawValue:)),
                    let value = policy["value"]?.int, let seconds = policy["periodSeconds"]?.int
                else { return nil }
                return ScalingLimit(kind: kind, value: value, periodSeconds: seconds)
            }
        }
        return rules
    }
}

extension ServingRuntime {
    /// What the server's metrics mean.
    var mapping: MetricsMapping { MetricsMapping(metrics) }

    /// The path and port of the metrics page.
    var metricsEndpoint: (path: String, port: Int) {
        (metrics["path"]?.string ?? "/metrics", metrics["port"]?.int ?? port)
    }
}
