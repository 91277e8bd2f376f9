// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Something about a rollout that people should hear of.
public struct RolloutEvent: Sendable, Hashable {
    /// Whether somebody should look.
    public var isWarning: Bool
    /// One word: `RolloutStarted`, `StepReached`, `WeightChanged`, `Promoted`, `RollingBack`, `RolledBack`, ….
    public var reason: String
    /// A sentence.
    public var message: String

    /// The reason where a share goes back although the stable track doesn't carry it.
    public static let returnForced = "ReturnForced"
    /// The reason where the root Service turns to the new revision by this decision; it comes with each one until that is seen.
    public static let trafficSwitched = "TrafficSwitched"

    /// An event.
    public init(isWarning: Bool = false, reason: String, message: String) {
        self.isWarning = isWarning
        self.reason = reason
        self.message = message
    }
}

/// What holds from now on: the state to write first, then what follows from it.
///
/// The shell writes `state` where it differs from what is stored, and only then acts. A crash in between is made good by the next decision, which sees
/// the new state. Where a track shrinks or goes, the shell reads afresh what gets traffic, since its view may be old.
public struct RolloutDecision: Sendable, Hashable {
    /// The state to write; `nil` where nothing was ever rolled out.
    public var state: RolloutState?
    /// The revision that the root Service selects; `nil`: the pods of both tracks.
    public var rootRevision: Int?
    /// The revision that has the stable role.
    public var stableRevision: Int
    /// The revision on the canary track; `nil` without one.
    public var canaryRevision: Int?
    /// The replicas of the canary track; `nil`: they stay as they are.
    public var canaryReplicas: Int?
    /// The replicas of the stable track; `nil`: the scaling decides them.
    public var stableReplicas: Int?
    /// The canary's share of the requests.
    public var weight = 0
    /// The share of the requests that is mirrored to the canary.
    public var mirrorPercent = 0
    /// Whether requests that match go to the canary.
    public var sendsMatches = false
    /// The revision that the canary Service selects; `nil`: there is none.
    public var canaryServiceRevision: Int?
    /// Revisions that keep their pods although they have no role: they may still get requests.
    public var keeps: Set<Int> = []
    /// Replicas of a revision in `keeps` that has to make room.
    public var shrinks: [Int: Int] = [:]
    /// Whether the workload of the wanted revision is made.
    public var bringsUp = true
    /// Rollouts that have ended.
    public var ended: [RolloutOutcome] = []
    /// What to tell.
    public var events: [RolloutEvent] = []
    /// Why the new revision doesn't come up, for a condition; `nil` where it does.
    public var failure: String?
    /// Why the routes can't follow a rollout that is under way, for a condition; `nil` where they do.
    public var trafficProblem: RolloutEvent?
    /// When to look again even if nothing happens; `nil` where time alone changes nothing.
    public var recheck: Duration?

    /// A decision that leaves everything with one revision.
    init(stable: Int, state: RolloutState?) {
        stableRevision = stable
        rootRevision = stable
        self.state = state
    }

    /// Looks again after `rest` at the latest.
    mutating func look(in rest: Duration) {
        let rest = max(rest, .zero)
        recheck = min(recheck ?? rest, rest)
    }

    /// Adds an event.
    mutating func tell(_ reason: String, _ message: String, isWarning: Bool = false) {
        events.append(RolloutEvent(isWarning: isWarning, reason: reason, message: message))
    }
}
