// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Scaling

/// The settings of a model of one's own: what the policies `slo` and `target-tracking` are simulated with.
public struct ModelScaling: Sendable, Hashable {
    /// The model's name.
    public var name: String
    /// `spec.scaling` with policy SLO.
    public var slo: ScalingPolicy
    /// `spec.scaling` with policy TargetTracking; without a target the level is a share of a replica's slots.
    public var tracking: ScalingPolicy
    /// The seconds between two decisions, 1 to 15.
    public var intervalSeconds: Double
    /// The parts of the spec that change the count in a cluster and aren't simulated, for people.
    public var notSimulated: [String]

    /// The settings of a model.
    public init(
        name: String,
        slo: ScalingPolicy,
        tracking: ScalingPolicy,
        intervalSeconds: Double = 2,
        notSimulated: [String] = []
    ) {
        self.name = name
        self.slo = slo
        self.tracking = tracking
        self.intervalSeconds = intervalSeconds
        self.notSimulated = notSimulated
    }

    /// The policy of the row `choice`, without what isn't simulated; `nil` for those of others, which know nothing of a model's
    /// spec but its bounds.
    func policy(
        _ choice: PolicyChoice,
        _ settings: FleetSettings,
        _ knobs: PolicyChoice.Knobs
    ) -> (any FleetPolicy)? {
        var policy: ScalingPolicy
        switch choice {
        case .slo:
            policy = slo
            if let price = knobs.latePrice { policy.latency?.latePrice = price }
            // As in `status.scaling.coldStartSeconds` of a model that has run before.
            policy.coldStartSeconds = policy.coldStartSeconds ?? settings.coldStartSeconds
        case .targetTracking:
            policy = tracking
            if knobs.chosenUtilization != nil || policy.targets.isEmpty {
                let level = Double(settings.concurrency) * knobs.utilization
                policy.targets = [ScalingTarget(signal: .inFlight, value: level)]
            }
            if let seconds = knobs.stabilizationSeconds { policy.down.stabilizationWindowSeconds = Int(seconds) }
        default: return nil
        }
        // Of a model at rest, or without readings, the question is still what its policy would do.
        policy.isPaused = false
        policy.fallback = nil
        return ModelFleetPolicy(name: choice.rawValue, policy: policy, intervalSeconds: intervalSeconds)
    }
}
