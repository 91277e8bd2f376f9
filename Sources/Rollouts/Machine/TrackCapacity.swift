// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What the two tracks can carry of the load, in whole replicas and whole percent.
///
/// The load needs `demand` replicas. A track that gets `w` percent of the requests needs `demand × w / 100` ready replicas, rounded up: the
/// weight rises only where they are ready, and a track shrinks only to what its live weight needs.
struct TrackCapacity: Sendable, Hashable {
    /// The replicas that the whole load needs.
    var demand: Int
    /// The canary's ready replicas.
    var canaryReady: Int
    /// The stable track's ready replicas.
    var stableReady: Int

    /// The ready replicas that a share needs: at least one for any share at all.
    func needed(_ weight: Int) -> Int {
        guard weight > 0 else { return 0 }
        return max(1, (demand * min(weight, 100) + 99) / 100)
    }

    /// The largest share that the canary carries.
    var canaryCarries: Int {
        guard canaryReady > 0 else { return 0 }
        return demand == 0 ? 100 : min(100, canaryReady * 100 / demand)
    }

    /// The least share of the canary with which the stable track carries the rest.
    var stableLeaves: Int { demand == 0 ? 0 : 100 - min(100, stableReady * 100 / demand) }

    /// The share to ask for on the way from `current` to `goal`.
    ///
    /// | goal | capacity | share |
    /// | --- | --- | --- |
    /// | above or equal | the canary carries it | the goal |
    /// | above or equal | the canary carries the current one | the current one |
    /// | above or equal | neither | as little as stable leaves, not less than the canary carries |
    /// | below | any | the goal, or what stable leaves where that is more |
    /// | below | the canary has no ready replica | the goal, or what stable leaves where that is less |
    func weight(from current: Int, to goal: Int) -> Int {
        if goal >= current {
            return canaryReady >= needed(goal) ? goal : min(current, max(canaryCarries, stableLeaves))
        }
        guard canaryReady > 0 else { return min(goal, stableLeaves) }
        return min(current, max(goal, stableLeaves))
    }

    /// How many replicas the canary has beside the whole stable track where every pod gets the same share of the requests:
    /// `c / (c + demand) = weight / 100`, to the nearest replica; never more than the demand, so that no share is larger than 50 %.
    func sharedByPods(_ weight: Int) -> Int {
        guard weight > 0, weight < 100 else { return needed(weight) }
        let rest = 100 - weight
        return max(1, min(max(1, demand), (demand * weight + rest / 2) / rest))
    }

    /// How many replicas the canary has in place of as many stable ones where every pod gets the same share of the requests:
    /// `c / demand = weight / 100`, to the nearest replica; at least one, and below 100 % the stable track keeps one where there are two.
    func replacedByPods(_ weight: Int) -> Int {
        guard weight < 100 else { return max(1, demand) }
        return max(1, min(demand - 1, (demand * weight + 50) / 100))
    }
}
