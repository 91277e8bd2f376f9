// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

extension ModelPlan {
    /// More replicas of what serves, for a model that can't be acted on.
    ///
    /// Its objects stay as they are but for the count: more are made where whoever scales asks for more, and none is taken away, since
    /// where the requests go isn't looked after. With the engine `Direct` the scaling writes the count itself unless tracks share the load.
    mutating func planGrowth(_ observation: ModelObservation) {
        guard !observation.isScaledByForeign, let stable = observation.stableRevision else { return }
        let rollout = observation.rollout.flatMap { $0.isSharing ? $0 : nil }
        let selected = observation.selectedRevision.flatMap { observation.deployment($0) == nil ? nil : $0 }
        let numbers = rollout.map { [stable, $0.canaryRevision].compactMap(\.self) } ?? [selected ?? stable]
        let view = RolloutView(observation: observation, wanted: stable, hash: "")
        let asked = rollout == nil ? observation.model.outsideReplicas : view.demand(stable)
        let tracks = Set(numbers).sorted().compactMap(observation.deployment)
            .map { (key: $0.key, count: $0["spec", "replicas"]?.int ?? 1) }
        let running = tracks.reduce(0) { $0 + $1.count }
        // The bounds of a spec that isn't valid may be any.
        guard let asked = asked.map({ min($0, Int(Int32.max)) }), asked > running else { return }
        if running == 0, let first = tracks.first { return actions.append(.scale(.deployments, first.key, asked)) }
        for track in tracks where track.count > 0 {
            // Each as much as its share.
            let count = (asked * track.count + running - 1) / running
            actions.append(.scale(.deployments, track.key, count))
        }
    }
}
