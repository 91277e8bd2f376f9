// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// One revision as the rollout sees it.
public struct RevisionState: Sendable, Hashable {
    /// The numbers that a revision, or a step, may have; what people write may say others.
    public static let numbers = 0...Int(Int32.max)

    /// The revision's number.
    public var number: Int
    /// The fingerprint of what it was rendered from.
    public var hash: String
    /// The model version that it serves.
    public var version: String
    /// The replicas that its workload asks for; 0 while it doesn't exist yet.
    public var replicas: Int
    /// The replicas that are ready.
    public var readyReplicas: Int
    /// Why its pods fail, where they do: `the image "x" can't be pulled`.
    public var failure: String?
    /// What its pods wait for, where that is known; no failure until the deadline.
    public var hindrance: String?
    /// Whether a pod of it finds no node.
    public var isUnschedulable: Bool
    /// Since when it serves nobody, where it doesn't; `nil` counts as now.
    public var unavailableSince: WallTime?

    /// A revision.
    public init(
        number: Int,
        hash: String = "",
        version: String = "",
        replicas: Int,
        readyReplicas: Int,
        failure: String? = nil,
        hindrance: String? = nil,
        isUnschedulable: Bool = false,
        unavailableSince: WallTime? = nil
    ) {
        self.number = number
        self.hash = hash
        self.version = version
        self.replicas = max(0, replicas)
        self.readyReplicas = max(0, readyReplicas)
        self.failure = failure
        self.hindrance = hindrance
        self.isUnschedulable = isUnschedulable
        self.unavailableSince = unavailableSince
    }
}

/// Where the traffic goes, as the routes and Services say that are there.
public struct TrafficObservation: Sendable, Hashable {
    /// The revision that the root Service selects; `nil` where it selects all tracks, or isn't there.
    public var rootRevision: Int?
    /// The revision that the canary Service selects; `nil` without one.
    public var canaryRevision: Int?
    /// The share that the routes give the canary; `nil` where that can't be known now.
    public var weight: Int?
    /// The share that the routes have instead as nearly as they can say it: beside others' backends not every percent is a whole number.
    public var nearest: Int?
    /// The share that the canary really gets, where that isn't the weight.
    public var achieved: Int?
    /// Whether anything reaches the canary: a weight, mirrored requests, requests that match.
    public var isAttached: Bool
    /// Why the routes can't be read or written, as a sentence.
    public var problem: String?
    /// That in one word, for a condition.
    public var problemReason: String?
    /// What of the wish has no effect, as a clause; the weights hold all the same.
    public var remark: String?

    /// Traffic; without arguments, a model that has none.
    public init(
        rootRevision: Int? = nil,
        canaryRevision: Int? = nil,
        weight: Int? = 0,
        nearest: Int? = nil,
        achieved: Int? = nil,
        isAttached: Bool = false,
        problem: String? = nil
    ) {
        self.rootRevision = rootRevision
        self.canaryRevision = canaryRevision
        self.weight = weight.map { min(max(0, $0), 100) }
        self.nearest = nearest
        self.achieved = achieved
        self.isAttached = isAttached || (weight ?? 0) > 0
        self.problem = problem
    }

    /// Whether the routes give the canary this share, or what is nearest to it.
    public func gives(_ share: Int) -> Bool { weight == share || nearest == share }
}

/// What a person asks of a rollout.
public struct RolloutRequest: Sendable, Hashable {
    /// What to do.
    public enum Action: String, Sendable, Hashable, CaseIterable {
        /// Go on to the next step.
        case promote
        /// Go on to the promotion, without the steps between.
        case promoteFull = "promote-full"
        /// Give the canary up.
        case abort
        /// Try a revision again that was given up.
        case retry
    }

    /// What to do.
    public var action: Action
    /// The canary's revision at the time of asking.
    public var revision: Int
    /// The step at the time of asking, from 0.
    public var step: Int
    /// The whole text, by which one request is told from another.
    public var text: String

    /// The most characters that are read.
    public static let longest = 128

    /// Reads `ACTION REVISION/STEP NONCE`; `nil` where the text is something else.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.longest else { return nil }
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, let action = Action(rawValue: String(parts[0])), !parts[2].isEmpty else { return nil }
        let place = parts[1].split(separator: "/", omittingEmptySubsequences: false)
        guard place.count == 2, let revision = Int(place[0]), let step = Int(place[1]),
            RevisionState.numbers.contains(revision), RevisionState.numbers.contains(step)
        else { return nil }
        self.action = action
        self.revision = revision
        self.step = step
        self.text = text
    }
}

/// What a check beside the judge says.
public struct RolloutCheck: Sendable, Hashable {
    /// The answer.
    public enum Answer: Sendable, Hashable {
        /// It holds.
        case passed
        /// It doesn't: the canary is rolled back.
        case failed
        /// It can't be told: the analysis doesn't pass yet.
        case unknown
    }

    /// The check's name.
    public var name: String
    /// The answer.
    public var answer: Answer
    /// What was seen, as a clause.
    public var message: String

    /// An outcome.
    public init(name: String, answer: Answer, message: String) {
        self.name = name
        self.answer = answer
        self.message = message
    }
}

/// What happened on both tracks between two looks of the judge.
public struct RolloutEvidence: Sendable, Hashable {
    /// On the canary.
    public var canary: TrackIncrement
    /// On the stable track.
    public var stable: TrackIncrement
    /// What the checks say.
    public var checks: [RolloutCheck]

    /// Evidence.
    public init(
        canary: TrackIncrement = TrackIncrement(),
        stable: TrackIncrement = TrackIncrement(),
        checks: [RolloutCheck] = []
    ) {
        self.canary = canary
        self.stable = stable
        self.checks = checks
    }
}

/// What a rollout is decided from.
public struct RolloutObservation: Sendable, Hashable {
    /// The time now.
    public var time: WallTime
    /// What is planned.
    public var plan: RolloutPlan
    /// What was decided last, as status says; `nil` where nothing was ever rolled out.
    public var state: RolloutState?
    /// The revision that has the stable role; `nil` before the first.
    public var stable: RevisionState?
    /// The revision that the spec asks for; its replicas are 0 while its workload doesn't exist yet.
    public var wanted: RevisionState
    /// The replicas that the whole load needs.
    public var demand: Int
    /// Whether the stable track has no replica because nobody uses the model, so that the first request wakes it.
    public var isAtRest = false
    /// Where the traffic goes.
    public var traffic: TrafficObservation
    /// Whether traffic can only be shared by the number of pods.
    public var sharesByPods: Bool
    /// What a person asks for.
    public var request: RolloutRequest?
    /// What happened since the last look; `nil` where it isn't time yet.
    public var evidence: RolloutEvidence?
    /// Why the wanted revision was given up before, where its fingerprint was.
    public var failedBefore: String?
    /// The other revisions that are there.
    public var others: [RevisionState]

    /// An observation.
    public init(
        time: WallTime,
        plan: RolloutPlan = RolloutPlan(),
        state: RolloutState? = nil,
        stable: RevisionState?,
        wanted: RevisionState,
        demand: Int? = nil,
        traffic: TrafficObservation = TrafficObservation(),
        sharesByPods: Bool = false,
        request: RolloutRequest? = nil,
        evidence: RolloutEvidence? = nil,
        failedBefore: String? = nil,
        others: [RevisionState] = []
    ) {
        self.time = time
        self.plan = plan
        self.state = state
        self.stable = stable
        self.wanted = wanted
        self.demand = max(0, demand ?? stable?.replicas ?? 0)
        self.traffic = traffic
        self.sharesByPods = sharesByPods
        self.request = request
        self.evidence = evidence
        self.failedBefore = failedBefore
        self.others = others
    }

    /// The revision with this number; one without replicas where it isn't there.
    func revision(_ number: Int) -> RevisionState {
        if wanted.number == number { return wanted }
        if let stable, stable.number == number { return stable }
        return others.first { $0.number == number } ?? RevisionState(number: number, replicas: 0, readyReplicas: 0)
    }
}
