// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Scaling

/// The policies that can be compared.
public enum PolicyChoice: String, Sendable, Hashable, CaseIterable {
    /// The cluster's HorizontalPodAutoscaler.
    case hpa
    /// Knative's pod autoscaler.
    case kpa
    /// KEDA.
    case keda
    /// Ray Serve.
    case rayServe = "ray-serve"
    /// The simple rule.
    case rule
    /// This project's target tracking, on requests in work and waiting.
    case targetTracking = "target-tracking"
    /// This project's SLO policy.
    case slo
    /// The offline schedule with perfect knowledge.
    case oracle

    /// What a policy may be told to be safer or cheaper.
    public struct Knobs: Sendable, Hashable {
        /// The share of a replica's slots to aim for, 0 to 1; 0.7 by default.
        public var utilization: Double {
            get { chosenUtilization ?? 0.7 }
            set { chosenUtilization = newValue }
        }
        /// The same, where it isn't left at the default.
        private(set) var chosenUtilization: Double?
        /// How long a lower count has to be asked for, in seconds; `nil` is the policy's default.
        public var stabilizationSeconds: Double?
        /// Whether the HPA has two rate policies in each direction instead of its defaults.
        public var hasTwoRatePolicies = false
        /// The SLO policy's price of a late request; `nil` is its default.
        public var latePrice: Double?

        /// The defaults.
        public init() {}

        /// As a line for a report.
        public var text: String {
            var parts = ["utilization \(utilization)"]
            if let stabilizationSeconds { parts.append("stabilization \(stabilizationSeconds) s") }
            if hasTwoRatePolicies { parts.append("two rate policies") }
            if let latePrice { parts = ["late price \(latePrice)"] }
            return parts.joined(separator: ", ")
        }
    }

    /// The policy for a fleet; `nil` for the oracle, whose schedule needs the whole trace.
    /// - Parameter model: whose own settings ours have; the knobs win.
    public func make(
        _ settings: FleetSettings,
        knobs: Knobs = Knobs(),
        model: ModelScaling? = nil
    ) -> (any FleetPolicy)? {
        if let own = model?.policy(self, settings, knobs) { return own }
        let target = Double(settings.concurrency) * knobs.utilization
        switch self {
        case .hpa:
            return HPAPolicy(
                target: target,
                minReplicas: settings.minReplicas,
                maxReplicas: settings.maxReplicas,
                behavior: Self.behavior(knobs)
            )
        case .keda:
            return KEDAPolicy(
                target: target,
                minReplicas: settings.minReplicas,
                idlesAtZero: settings.scalesToZero,
                maxReplicas: settings.maxReplicas,
                behavior: Self.behavior(knobs)
            )
        case .kpa: return Self.kpa(settings, knobs)
        case .rayServe: return Self.rayServe(settings, knobs)
        case .rule:
            // Two waiting requests per replica at 70 %: a quarter to three quarters of the slots in the grid.
            return RulePolicy(
                queueTarget: 2 * knobs.utilization / 0.7,
                latencyTargetSeconds: settings.objectiveSeconds * min(1, knobs.utilization / 0.7),
                latencyPercentile: settings.objectivePercentile,
                concurrency: settings.concurrency,
                minReplicas: settings.minReplicas
            )
        case .targetTracking:
            return TargetTrackingFleetPolicy(
                policy: ScalingPolicy(
                    minReplicas: settings.leastReplicas,
                    maxReplicas: settings.maxReplicas,
                    targets: [ScalingTarget(signal: .inFlight, value: target)],
                    down: Self.down(knobs)
                )
            )
        case .slo:
            return SLOFleetPolicy(
                policy: SLOPolicy(
                    objective: LatencyObjective(
                        percentile: settings.objectivePercentile,
                        milliseconds: settings.objectiveSeconds * 1000
                    ),
                    minReplicas: settings.leastReplicas,
                    maxReplicas: settings.maxReplicas,
                    latePrice: knobs.latePrice
                )
            )
        case .oracle: return nil
        }
    }

    private static func down(_ knobs: Knobs) -> ScalingRules {
        var rules = ScalingRules.defaultDown
        if let seconds = knobs.stabilizationSeconds { rules.stabilizationWindowSeconds = Int(seconds) }
        return rules
    }

    private static func behavior(_ knobs: Knobs) -> HPABehavior {
        guard knobs.hasTwoRatePolicies else {
            return HPABehavior(downscaleStabilizationSeconds: Int(knobs.stabilizationSeconds ?? 300))
        }
        let up = ScalingRules(
            stabilizationWindowSeconds: 0,
            limits: [
                ScalingLimit(kind: .percent, value: 100, periodSeconds: 15),
                ScalingLimit(kind: .pods, value: 4, periodSeconds: 15),
            ]
        )
        let down = ScalingRules(
            stabilizationWindowSeconds: Int(knobs.stabilizationSeconds ?? 300),
            limits: [
                ScalingLimit(kind: .percent, value: 25, periodSeconds: 60),
                ScalingLimit(kind: .pods, value: 2, periodSeconds: 60),
            ]
        )
        return HPABehavior(up: up, down: down)
    }

    private static func kpa(_ settings: FleetSettings, _ knobs: Knobs) -> KPAPolicy {
        var kpa = KPAPolicy.Settings()
        kpa.concurrency = Double(settings.concurrency)
        kpa.targetUtilization = knobs.utilization
        kpa.scaleDownDelaySeconds = knobs.stabilizationSeconds ?? 0
        kpa.minReplicas = settings.leastReplicas
        kpa.activationScale = settings.scalesToZero ? settings.minReplicas : 1
        return KPAPolicy(kpa)
    }

    private static func rayServe(_ settings: FleetSettings, _ knobs: Knobs) -> RayServePolicy {
        var ray = RayServePolicy.Settings()
        ray.targetOngoingRequests = Double(settings.concurrency) * knobs.utilization
        ray.downscaleDelaySeconds = knobs.stabilizationSeconds ?? 600
        ray.minReplicas = settings.minReplicas
        ray.scalesToZero = settings.scalesToZero
        ray.maxReplicas = settings.maxReplicas
        return RayServePolicy(ray)
    }
}
