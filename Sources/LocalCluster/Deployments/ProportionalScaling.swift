// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// How a changed count is shared between the replica sets of a rollout that is under way.
///
/// With 10 replicas, `maxSurge` 3 and replica sets of 8 and 5, a change to 15 makes them 11 and 7: what is added is split
/// in proportion to the sizes, and what rounding leaves goes to the largest.
enum ProportionalScaling {
    /// The new counts of `active` replica sets (those that want pods) in the order in which they are written.
    ///
    /// `total` is the Deployment's present number of pods; it stands in for a replica set that doesn't say what the
    /// Deployment's most was when it was last scaled.
    static func counts(
        _ active: [KubeObject],
        replicas: Int,
        surge: Int,
        total: Int
    ) -> [(set: KubeObject, count: Int)] {
        let allowed = replicas > 0 ? replicas + surge : 0
        let change = allowed - active.reduce(0) { $0 + $1.wantedReplicas }
        let sorted = active.sorted { left, right in
            guard left.wantedReplicas == right.wantedReplicas else { return left.wantedReplicas > right.wantedReplicas }
            return change > 0 ? DeploymentPlan.isOlder(right, left) : DeploymentPlan.isOlder(left, right)
        }
        var shared = 0
        var counts = sorted.map { set in
            let share = share(of: set, replicas: replicas, surge: surge, total: total)
            let part = change > 0 ? min(share, change - shared) : change < 0 ? max(share, change - shared) : 0
            shared += part
            return (set: set, count: set.wantedReplicas + part)
        }
        if !counts.isEmpty { counts[0].count = max(0, counts[0].count + change - shared) }
        return counts
    }

    /// What one replica set gains (or loses, below zero) before the limits of the whole change.
    private static func share(of set: KubeObject, replicas: Int, surge: Int, total: Int) -> Int {
        let size = set.wantedReplicas
        guard replicas > 0 else { return -size }
        let written = set.annotations[DeploymentWords.maximum].flatMap { Int($0) } ?? 0
        let before = written > 0 ? written : total
        guard before > 0 else { return 0 }
        return Int((Double(size) * Double(replicas + surge) / Double(before)).rounded()) - size
    }
}
