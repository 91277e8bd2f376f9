// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How a new revision replaces the one that serves.
public enum RolloutStrategy: String, Sendable, Hashable, Codable, CaseIterable {
    /// A share of the traffic that grows step by step.
    case canary = "Canary"
    /// A full second track, then all traffic at once.
    case blueGreen = "BlueGreen"
    /// Mirrored requests, whose answers are dropped, then all traffic at once.
    case shadow = "Shadow"
    /// A full second track, then all traffic at once, without an analysis; what fails to come up is tried on.
    case rollingUpdate = "RollingUpdate"
}

/// What a rollout may do about nodes without room for more pods; BlueGreen and Shadow replace nothing before their promotion.
public enum RolloutSurge: String, Sendable, Hashable, Codable, CaseIterable {
    /// Uses room beside the old track where there is some, and otherwise replaces one replica after the other; never the last
    /// one that is ready.
    case auto = "Auto"
    /// Always beside the old track: without room the rollout says so, and fails at its deadline.
    case always = "Always"
    /// Replaces one replica after the other, the last one included: a model with one replica is interrupted.
    case never = "Never"
}

/// One thing that a rollout does, in the order of the steps.
public enum RolloutStep: Sendable, Hashable {
    /// The canary gets this share of the requests, `0...100`.
    case setWeight(Int)
    /// Stays for a time; without one until a person promotes.
    case pause(Duration?)
    /// Stays until the judge is certain, for the plan's time at most, or for this time.
    case analysis(Duration?)
    /// The canary gets at least this many replicas; `nil` as many as all the demand needs.
    case setReplicas(Int?)
    /// This share of the requests is also sent to the canary, `0...100`.
    case mirror(Int)
}

/// What a rollout does: every strategy is compiled to the same kind of steps.
///
/// | strategy | steps |
/// | --- | --- |
/// | Canary | as given; by default 10 %, 25 % and 50 %, each with an analysis |
/// | BlueGreen | all replicas, the analysis, and a pause unless it promotes by itself |
/// | Shadow | one replica or as many as given, all requests mirrored, the analysis |
/// | RollingUpdate | none: straight to the promotion |
///
/// After the last step comes the promotion: all replicas, all traffic, then the roles change.
public struct RolloutPlan: Sendable, Hashable {
    /// The strategy that it came from.
    public var strategy: RolloutStrategy
    /// The steps before the promotion.
    public var steps: [RolloutStep]
    /// How the canary is judged.
    public var judge: JudgeSettings
    /// Whether the canary is judged at all.
    public var judges: Bool
    /// How long one analysis may take, unless its step says.
    public var analysisDuration: Duration
    /// How often the judge looks.
    public var interval: Duration
    /// What to do when there is nothing to compare.
    public var onNoData: AnalysisFallback
    /// What to do when the evidence isn't enough.
    public var onInconclusive: AnalysisFallback
    /// How long a step may wait for an answer or for a person; then the canary is rolled back.
    public var timeout: Duration
    /// How long a track may take to get the replicas ready that its step asks for.
    public var progressDeadline: Duration
    /// What to do about full nodes.
    public var surge: RolloutSurge
    /// Whether the stable track gives up the replicas whose share of the load the canary carries.
    public var dynamicStableScale: Bool
    /// Whether a person has stopped it where it is.
    public var isPaused: Bool

    /// The steps of a canary for which none are given.
    public static let defaultSteps: [RolloutStep] = [
        .setWeight(10), .analysis(nil), .setWeight(25), .analysis(nil), .setWeight(50), .analysis(nil),
    ]
    /// How long pods may find no node before replicas are replaced: a cluster autoscaler brings a node within one to three
    /// minutes, and a model with spare nodes shouldn't lose a replica for less.
    public static let patience = Duration.seconds(60)
    /// How long the canary keeps its pods after it lost its traffic: its addresses may still be in use.
    public static let drain = Duration.seconds(5)

    /// A plan.
    /// - Parameters:
    ///   - steps: those of a canary; `nil` for the default ones.
    ///   - autoPromotes: whether a BlueGreen rollout goes on by itself.
    public init(
        strategy: RolloutStrategy = .rollingUpdate,
        steps: [RolloutStep]? = nil,
        judge: JudgeSettings = JudgeSettings(),
        judges: Bool = true,
        analysisDuration: Duration = .seconds(300),
        interval: Duration = .seconds(10),
        onNoData: AnalysisFallback = .wait,
        onInconclusive: AnalysisFallback = .wait,
        timeout: Duration = .seconds(86_400),
        progressDeadline: Duration = .seconds(600),
        surge: RolloutSurge = .auto,
        dynamicStableScale: Bool = false,
        autoPromotes: Bool = true,
        isPaused: Bool = false
    ) {
        self.strategy = strategy
        self.judge = judge
        self.judges = judges && strategy != .rollingUpdate
        self.analysisDuration = analysisDuration
        self.interval = interval
        self.onNoData = onNoData
        self.onInconclusive = onInconclusive
        self.timeout = timeout
        self.progressDeadline = progressDeadline
        self.surge = surge
        self.dynamicStableScale = dynamicStableScale && strategy == .canary
        self.isPaused = isPaused
        switch strategy {
        case .canary: self.steps = steps ?? Self.defaultSteps
        case .blueGreen:
            self.steps = [.setReplicas(nil)] + (judges ? [.analysis(nil)] : []) + (autoPromotes ? [] : [.pause(nil)])
        case .shadow: self.steps = (steps ?? []) + [.mirror(100)] + (judges ? [.analysis(nil)] : [])
        case .rollingUpdate: self.steps = []
        }
        if !judges { self.steps.removeAll { if case .analysis = $0 { true } else { false } } }
    }

    /// Whether the share of the traffic moves in steps, so that the whole of it is moved by the provider before the roles change.
    public var movesWeights: Bool { strategy == .canary }

    /// The stable track gives up no replica, whatever room there is.
    public mutating func keepStableWhole() {
        dynamicStableScale = false
        surge = .always
    }

    /// What holds at a step: the last weight, replicas and mirror that were set up to it.
    func level(at index: Int) -> RolloutLevel {
        var level = RolloutLevel()
        for step in steps.prefix(max(0, index + 1)) {
            switch step {
            case .setWeight(let weight): level.weight = min(max(0, weight), 100)
            case .setReplicas(let count):
                level.replicas = count
                level.isFull = count == nil
            case .mirror(let percent): level.mirror = min(max(0, percent), 100)
            case .pause, .analysis: break
            }
        }
        return level
    }
}

/// What a step asks for.
struct RolloutLevel: Sendable, Hashable {
    /// The canary's share of the requests.
    var weight = 0
    /// The fewest replicas of the canary, where a step says.
    var replicas: Int?
    /// Whether the canary gets as many replicas as all the demand needs.
    var isFull = false
    /// The share of the requests that is mirrored.
    var mirror = 0
}
