// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

/// No router at all: while both tracks serve, the root Service selects the pods of both, and the share of each is its
/// share of the ready pods, as kube-proxy gives each connection to any of them alike.
enum ReplicaTraffic {
    /// The root Service's selector for a split.
    ///
    /// | weight | the root Service selects |
    /// | --- | --- |
    /// | 0 | the stable revision |
    /// | 1 to 99 | the model, whatever the revision |
    /// | 100 | the canary revision |
    static func selector(for weight: Int, model: String, stable: String, canary: String) -> [String: String] {
        var selector = [FleetAPI.modelLabel: model]
        if weight <= 0 { selector[FleetAPI.revisionLabel] = stable }
        if weight >= 100 { selector[FleetAPI.revisionLabel] = canary }
        return selector
    }

    /// The share that the canary really has, in per cent; `nil` where nobody is ready.
    ///
    /// - Parameters:
    ///   - selector: the root Service's selector as it is.
    ///   - canary: the canary's revision as its label has it.
    ///   - readyStable: the ready pods of the stable track, not negative.
    ///   - readyCanary: the ready pods of the canary, not negative.
    static func achieved(
        selector: [String: String],
        canary: String,
        readyStable: Int,
        readyCanary: Int
    ) -> ObservedTraffic? {
        if let selected = selector[FleetAPI.revisionLabel] {
            return ObservedTraffic(weight: selected == canary ? 100 : 0)
        }
        guard readyStable + readyCanary > 0 else { return nil }
        return ObservedTraffic(weight: WeightShare.percent(root: readyStable, canary: readyCanary))
    }

    /// What of a split has no effect without a router.
    static func problems(of split: TrafficSplit) -> [TrafficProblem] {
        var without: [String] = []
        if split.stickyHeader != nil { without.append("stickiness") }
        if !split.matches.isEmpty { without.append("match") }
        if split.mirrorPercent > 0 { without.append("mirroring") }
        guard !without.isEmpty else { return [] }
        return [
            .ineffective(
                "RouterNeeded",
                "the traffic provider Replicas has no router, so there is no \(without.joined(separator: ", no ")); "
                    + "use GatewayAPI or Istio"
            )
        ]
    }
}
