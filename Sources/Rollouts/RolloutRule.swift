// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// One revision as the rollout sees it.
public struct RevisionState: Sendable, Hashable {
    /// The revision's number.
    public var number: Int
    /// The replicas that its workload asks for.
    public var replicas: Int
    /// The replicas that are ready.
    public var readyReplicas: Int
    /// Why its pods fail, where they do: `the image "x" can't be pulled`.
    public var failure: String?

    /// What its pods wait for, where that is known; no failure until the deadline.
    public var hindrance: String?

    /// A revision.
    public init(
        number: Int,
        replicas: Int,
        readyReplicas: Int,
        failure: String? = nil,
        hindrance: String? = nil
    ) {
        self.number = number
        self.replicas = replicas
        self.readyReplicas = readyReplicas
        self.failure = failure
        self.hindrance = hindrance
    }
}

/// What a rollout is decided from.
public struct RolloutObservation: Sendable, Hashable {
    /// The time now.
    public var time: WallTime
    /// The revision that gets the traffic; `nil` before the first.
    public var stable: RevisionState?
    /// The revision that the spec asks for; its replicas are 0 while its workload doesn't exist yet.
    public var wanted: RevisionState
    /// When the wanted revision began.
    public var startedAt: WallTime?
    /// How long the wanted revision may take to get ready.
    public var progressDeadline: Duration

    /// An observation.
    public init(
        time: WallTime,
        stable: RevisionState?,
        wanted: RevisionState,
        startedAt: WallTime?,
        progressDeadline: Duration = .seconds(600)
    ) {
        self.time = time
        self.stable = stable
        self.wanted = wanted
        self.startedAt = startedAt
        self.progressDeadline = progressDeadline
    }
}

/// What a rollout does next.
///
/// ```
/// settled <---------------------- switchTraffic
///    | spec changed                    ^ as many ready as stable has
///    v                                 |
/// bringUp (wanted gets stable's count) +--> failing: stays on stable, RolloutHealthy=False
/// ```
public enum RolloutStep: Sendable, Hashable {
    /// The wanted revision is the stable one.
    case settled
    /// The first revision: there is nothing to keep up meanwhile.
    case first
    /// The wanted revision gets this many replicas; traffic stays where it is.
    case bringUp(replicas: Int)
    /// The wanted revision is ready: it gets the traffic, then the old one goes.
    case switchTraffic
    /// The wanted revision isn't getting ready; traffic stays. The sentence says why.
    case failing(replicas: Int, reason: String)
}

/// The rollout's rule: ready first, then traffic, then shrink.
///
/// | stable | wanted | ready | failure or past the deadline | step |
/// | --- | --- | --- | --- | --- |
/// | none | 1 | any | any | first |
/// | 3 | 3 | any | any | settled |
/// | 3 | 4 | fewer than stable asks for | no | bringUp(stable's replicas) |
/// | 3 | 4 | fewer than stable asks for | yes | failing |
/// | 3 | 4 | as many as stable asks for | any | switchTraffic |
public enum RolloutRule {
    /// The next step.
    public static func step(_ observation: RolloutObservation) -> RolloutStep {
        guard let stable = observation.stable else { return .first }
        let wanted = observation.wanted
        guard stable.number != wanted.number else { return .settled }
        let needed = max(1, stable.replicas)
        if wanted.replicas > 0, wanted.readyReplicas >= needed { return .switchTraffic }
        if let failure = wanted.failure {
            return .failing(replicas: needed, reason: "revision \(wanted.number) does not get ready: \(failure)")
        }
        if let start = observation.startedAt, observation.time - start > observation.progressDeadline {
            let seconds = Int(observation.progressDeadline.inSeconds)
            return .failing(
                replicas: needed,
                reason: "revision \(wanted.number) has \(wanted.readyReplicas) of \(needed) ready replicas after "
                    + "\(seconds) s (progressDeadlineSeconds)" + (wanted.hindrance.map { ": \($0)" } ?? "")
            )
        }
        return .bringUp(replicas: needed)
    }
}
