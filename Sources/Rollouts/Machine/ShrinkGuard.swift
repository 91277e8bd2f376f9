// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Whether a track may shrink, by what was read afresh: a decision from an old view doesn't know of the weight that was raised since.
public enum ShrinkGuard {
    /// Whether `replicas` are enough for the share of the requests that a revision may be getting.
    ///
    /// | the root Service selects | the canary Service selects | share |
    /// | --- | --- | --- |
    /// | the revision | another | all but the weight |
    /// | another | the revision | the weight; with a mirror or matches at least one replica is needed |
    /// | the revision | the revision | all |
    /// | both tracks | any | whatever the pods are: the other track's carry it |
    /// - Parameters:
    ///   - demand: the replicas that the whole load needs; one less while replicas are replaced.
    ///   - traffic: read afresh, after the decision.
    public static func allows(
        _ replicas: Int,
        of revision: Int,
        demand: Int,
        traffic: TrafficObservation
    ) -> Bool {
        var share = 0
        var least = 0
        if traffic.rootRevision == revision { share += 100 - (traffic.isAttached ? traffic.weight ?? 0 : 0) }
        if traffic.canaryRevision == revision, traffic.isAttached, traffic.rootRevision != nil {
            share += traffic.weight ?? 100
            least = 1
        }
        // A share is a whole percent: what is lost by that is no reason to stay.
        return replicas >= least && replicas * 100 + demand >= min(share, 100) * demand
            && (share == 0 || demand == 0 || replicas > 0)
    }

    /// Whether the canary Service may turn to another revision: nothing reaches it, or the other one carries what does.
    /// - Parameters:
    ///   - ready: the ready replicas of the revision that it turns to.
    ///   - demand: the replicas that the whole load needs.
    ///   - traffic: read afresh, after the decision.
    public static func allowsTurn(ready: Int, demand: Int, traffic: TrafficObservation) -> Bool {
        guard traffic.isAttached else { return true }
        let capacity = TrackCapacity(demand: demand, canaryReady: ready, stableReady: 0)
        return ready >= max(1, capacity.needed(traffic.weight ?? 100))
    }

    /// Whether the canary's share may fall to `weight`: the stable track, which may have given replicas up, carries the rest, or doesn't
    /// carry what it gets now either.
    /// - Parameters:
    ///   - ready: the stable track's ready replicas, read afresh.
    ///   - demand: the replicas that the whole load needs.
    ///   - traffic: read afresh, before the change.
    public static func allowsReturn(to weight: Int, ready: Int, demand: Int, traffic: TrafficObservation) -> Bool {
        let live = traffic.weight ?? 0
        guard weight < live else { return true }
        let capacity = TrackCapacity(demand: demand, canaryReady: 0, stableReady: ready)
        return weight >= capacity.stableLeaves || live < capacity.stableLeaves
    }

    /// Whether a revision may shrink to `replicas` while the root Service selects all pods: what is left carries what is asked, or nothing
    /// that is ready goes.
    /// - Parameters:
    ///   - ready: the revision's ready replicas, read afresh.
    ///   - all: those of all revisions.
    ///   - demand: the replicas that the whole load needs.
    public static func allowsShared(_ replicas: Int, ready: Int, all: Int, demand: Int) -> Bool {
        let gone = max(0, ready - replicas)
        return gone == 0 || all - gone >= demand
    }

    /// Whether a root Service that selects all pods may select one revision only: it carries what is asked, or all there is.
    /// - Parameters:
    ///   - ready: the revision's ready replicas, read afresh.
    ///   - all: those of all revisions.
    ///   - demand: the replicas that the whole load needs.
    public static func allowsSelection(ready: Int, all: Int, demand: Int) -> Bool { ready >= min(demand, all) }

    /// Whether the canary's share may rise to `weight`: the revision that the canary Service selects carries it.
    /// - Parameters:
    ///   - ready: that revision's ready replicas, read afresh.
    ///   - demand: the replicas that the whole load needs.
    ///   - live: the share that it has, in percent.
    public static func allowsRise(to weight: Int, ready: Int, demand: Int, live: Int) -> Bool {
        // A share is a whole percent: what is lost by that is no reason to wait.
        weight <= live || ready > 0 && ready * 100 + demand >= weight * demand
    }
}
