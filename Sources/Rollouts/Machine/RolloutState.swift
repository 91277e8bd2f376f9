// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// Where a rollout is: everything that the next decision needs beside what it sees. It lives in the model's status.
public struct RolloutState: Sendable, Hashable, Codable {
    /// What a rollout is doing.
    ///
    /// | phase | ends by | deadline |
    /// | --- | --- | --- |
    /// | Settled | a new spec | none: nothing is under way |
    /// | Progressing | the canary is ready and has its share | the progress deadline: rolled back |
    /// | Paused | its time, or a person | its time: next step; the timeout: rolled back |
    /// | Analyzing | the judge, a person | its time: what the fallback says; the timeout: rolled back |
    /// | Promoting | the canary has all replicas and all traffic | the progress deadline: rolled back |
    /// | RollingBack | the canary has no traffic | the progress deadline: goes back anyway where stable serves at all |
    /// | RolledBack | a new spec, a person | none: nothing is under way |
    /// | Failed | the revision gets ready after all, a new spec | none: it is tried on |
    public enum Phase: String, Sendable, Hashable, Codable, CaseIterable {
        /// The revision of the spec serves.
        case settled = "Settled"
        /// The canary gets ready for its step, or its share is on its way.
        case progressing = "Progressing"
        /// Waits for a time or a person.
        case paused = "Paused"
        /// Waits for the judge.
        case analyzing = "Analyzing"
        /// The canary takes everything over.
        case promoting = "Promoting"
        /// The traffic returns to the stable track.
        case rollingBack = "RollingBack"
        /// The canary was given up; it has no replica.
        case rolledBack = "RolledBack"
        /// The new revision doesn't get ready; the old one serves on.
        case failed = "Failed"

        /// Whether a canary is under way.
        public var isActive: Bool { self != .settled && self != .rolledBack }
    }

    /// What it is doing.
    public var phase: Phase
    /// The strategy.
    public var strategy: RolloutStrategy
    /// The revision with the stable role.
    public var stableRevision: Int
    /// The revision that is rolled out, or was last.
    public var canaryRevision: Int?
    /// The fingerprint of the canary.
    public var canaryHash: String?
    /// The model version of the canary.
    public var canaryVersion: String?
    /// The step, from 0; `stepCount` for the promotion.
    public var stepIndex = 0
    /// How many steps there are before the promotion.
    public var stepCount = 0
    /// When the rollout began.
    public var startedAt: WallTime?
    /// When the step began.
    public var stepStartedAt: WallTime?
    /// When what the step asks for was reached; its time counts from here.
    public var reachedAt: WallTime?
    /// Since when a person holds it (`spec.rollout.paused`).
    public var heldAt: WallTime?
    /// Since when a track has fewer ready replicas than it needs, without any progress.
    public var lackingSince: WallTime?
    /// The most ready replicas since then.
    public var readySeen = 0
    /// The replicas that were needed then.
    public var neededSeen = 0
    /// Since when pods of the canary find no node.
    public var unschedulableSince: WallTime?
    /// Whether replicas are replaced one after the other, for lack of room.
    public var isReplacing = false
    /// Whether the stable track has fewer replicas than the demand: then the scaling writes no count, and both are derived.
    public var isSharing = false
    /// The replicas that the whole load needed when the sharing began; `nil` while there is none.
    public var sharedDemand: Int?
    /// When the canary was seen without traffic, while it is rolled back.
    public var drainedAt: WallTime?
    /// When the phase ends by itself.
    public var deadline: WallTime?
    /// The share that the canary shall have.
    public var desiredWeight = 0
    /// The share that it really has.
    public var achievedWeight: Int?
    /// The share that was told last.
    public var toldWeight: Int?
    /// The share that it had when the model went to sleep, and has again when it wakes.
    public var restedWeight: Int?
    /// The share of the requests that is mirrored.
    public var mirrorPercent = 0
    /// Whether requests that match go to the canary.
    public var sendsMatches = false
    /// Whether a router was ever asked to give the canary anything: then nothing is known of it while the routes can't be read.
    public var wasRouted = false
    /// How the rollback that is under way ends.
    public var outcome: RolloutOutcome.Kind?
    /// Why it is rolled back.
    public var reason: String?
    /// A sentence for a person.
    public var message = ""
    /// The request that was acted on last.
    public var handledRequest: String?
    /// When the judge looked last.
    public var lookedAt: WallTime?
    /// From when on the time of an analysis counts, where that isn't `reachedAt`: what nobody looked at, as the operator was away, is none
    /// of it.
    public var watchedFrom: WallTime?
    /// What the judge remembers.
    public var judge: JudgeState?
    /// What the judge holds of the canary.
    public var judgement: Judgement?

    /// A model that is settled.
    public init(settledOn revision: Int, strategy: RolloutStrategy) {
        phase = .settled
        self.strategy = strategy
        stableRevision = revision
    }

    /// The stable track has all its replicas.
    mutating func endSharing() {
        isSharing = false
        sharedDemand = nil
    }

    enum CodingKeys: String, CodingKey {
        case phase, strategy, stableRevision, canaryRevision, canaryHash, canaryVersion, stepIndex, stepCount, startedAt
        case stepStartedAt, reachedAt, heldAt, lackingSince, readySeen, neededSeen, unschedulableSince, isReplacing
        case isSharing, sharedDemand, drainedAt, deadline, desiredWeight, achievedWeight, toldWeight, restedWeight
        case mirrorPercent, sendsMatches, wasRouted, outcome, reason, message
        case handledRequest, lookedAt, watchedFrom, judge, judgement
    }
}

extension RolloutState {
    /// Reads a state; members that are missing have their defaults, since an earlier operator may have written it.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        phase = try values.decode(Phase.self, forKey: .phase)
        strategy = try values.decode(RolloutStrategy.self, forKey: .strategy)
        stableRevision = try values.decode(Int.self, forKey: .stableRevision)
        canaryRevision = try values.decodeIfPresent(Int.self, forKey: .canaryRevision)
        canaryHash = try values.decodeIfPresent(String.self, forKey: .canaryHash)
        canaryVersion = try values.decodeIfPresent(String.self, forKey: .canaryVersion)
        let numbers = RevisionState.numbers
        stepIndex = numbers.nearest(to: try values.decodeIfPresent(Int.self, forKey: .stepIndex) ?? 0)
        stepCount = numbers.nearest(to: try values.decodeIfPresent(Int.self, forKey: .stepCount) ?? 0)
        startedAt = try values.decodeIfPresent(WallTime.self, forKey: .startedAt)
        stepStartedAt = try values.decodeIfPresent(WallTime.self, forKey: .stepStartedAt)
        reachedAt = try values.decodeIfPresent(WallTime.self, forKey: .reachedAt)
        heldAt = try values.decodeIfPresent(WallTime.self, forKey: .heldAt)
        lackingSince = try values.decodeIfPresent(WallTime.self, forKey: .lackingSince)
        readySeen = try values.decodeIfPresent(Int.self, forKey: .readySeen) ?? 0
        neededSeen = try values.decodeIfPresent(Int.self, forKey: .neededSeen) ?? 0
        unschedulableSince = try values.decodeIfPresent(WallTime.self, forKey: .unschedulableSince)
        isReplacing = try values.decodeIfPresent(Bool.self, forKey: .isReplacing) ?? false
        isSharing = try values.decodeIfPresent(Bool.self, forKey: .isSharing) ?? false
        sharedDemand = try values.decodeIfPresent(Int.self, forKey: .sharedDemand)
        drainedAt = try values.decodeIfPresent(WallTime.self, forKey: .drainedAt)
        deadline = try values.decodeIfPresent(WallTime.self, forKey: .deadline)
        desiredWeight = min(max(0, try values.decodeIfPresent(Int.self, forKey: .desiredWeight) ?? 0), 100)
        achievedWeight = try values.decodeIfPresent(Int.self, forKey: .achievedWeight)
        toldWeight = try values.decodeIfPresent(Int.self, forKey: .toldWeight)
        restedWeight = try values.decodeIfPresent(Int.self, forKey: .restedWeight).map { min(max(0, $0), 100) }
        mirrorPercent = min(max(0, try values.decodeIfPresent(Int.self, forKey: .mirrorPercent) ?? 0), 100)
        sendsMatches = try values.decodeIfPresent(Bool.self, forKey: .sendsMatches) ?? false
        wasRouted = try values.decodeIfPresent(Bool.self, forKey: .wasRouted) ?? false
        outcome = try values.decodeIfPresent(RolloutOutcome.Kind.self, forKey: .outcome)
        reason = try values.decodeIfPresent(String.self, forKey: .reason)
        message = try values.decodeIfPresent(String.self, forKey: .message) ?? ""
        handledRequest = try values.decodeIfPresent(String.self, forKey: .handledRequest)
        lookedAt = try values.decodeIfPresent(WallTime.self, forKey: .lookedAt)
        watchedFrom = try values.decodeIfPresent(WallTime.self, forKey: .watchedFrom)
        judge = try values.decodeIfPresent(JudgeState.self, forKey: .judge)
        judgement = try values.decodeIfPresent(Judgement.self, forKey: .judgement)
    }
}

extension ClosedRange<Int> {
    /// The number of the range that is nearest to `number`.
    func nearest(to number: Int) -> Int { Swift.min(Swift.max(lowerBound, number), upperBound) }
}

/// How a rollout ended: one line of the history.
public struct RolloutOutcome: Sendable, Hashable, Codable {
    /// The end.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// The revision took over.
        case promoted = "Promoted"
        /// It was given up by the machine.
        case rolledBack = "RolledBack"
        /// It was given up by a person.
        case aborted = "Aborted"
        /// Another spec came before it ended.
        case superseded = "Superseded"
    }

    /// The revision.
    public var revision: Int
    /// The model version that it serves.
    public var version: String
    /// The fingerprint of what it was rendered from.
    public var hash: String
    /// How it ended.
    public var outcome: Kind
    /// Why, as a sentence.
    public var reason: String
    /// When the rollout began.
    public var startedAt: WallTime?
    /// When it ended.
    public var endedAt: WallTime

    /// An outcome.
    public init(
        revision: Int,
        version: String,
        hash: String,
        outcome: Kind,
        reason: String,
        startedAt: WallTime?,
        endedAt: WallTime
    ) {
        self.revision = revision
        self.version = version
        self.hash = hash
        self.outcome = outcome
        self.reason = reason
        self.startedAt = startedAt
        self.endedAt = endedAt
    }
}
