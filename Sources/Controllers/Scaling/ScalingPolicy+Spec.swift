// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Scaling
import Telemetry

extension ModelDeployment {
    /// The spec's scaling as the autoscaler understands it.
    var scalingPolicy: ScalingPolicy {
        ScalingPolicy(
            minReplicas: scaling.minReplicas,
            maxReplicas: scaling.maxReplicas,
            targets: scaling.targets.compactMap { target in
                Signal(rawValue: target.signal).map { ScalingTarget(signal: $0, value: target.value) }
            },
            latency: scaling.latency.map {
                LatencyObjective(percentile: $0.percentile, milliseconds: $0.milliseconds)
            },
            up: Self.rules(scaling.behavior["scaleUp"], default: .defaultUp),
            down: Self.rules(scaling.behavior["scaleDown"], default: .defaultDown)
        )
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
