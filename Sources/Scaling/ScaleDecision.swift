// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One rule's effect on the number on its way to a decision.
public struct ScaleStep: Sendable, Hashable {
    /// The rule's name: `MissingData`, `Unread`, `Stabilization`, `Policies`, `ScaleToZero`, `Fallback`, `Schedule`, `Bounds`, `Paused`,
    /// and with the SLO policy `Hold`, `SecondLook`, `Together`, `Draining`, `Arriving`.
    public var rule: String
    /// The number before the rule.
    public var before: Int
    /// The number after it.
    public var after: Int
    /// Why, as a clause with the numbers that went in: `capped to 6 by maxReplicas`.
    public var note: String

    /// A step.
    public init(rule: String, before: Int, after: Int, note: String) {
        self.rule = rule
        self.before = before
        self.after = after
        self.note = note
    }
}

/// What one signal or objective asks for.
public struct ScaleProposal: Sendable, Hashable {
    /// The signal's name, or `Latency`.
    public var source: String
    /// The replicas that it asks for; `nil` when it can't say.
    public var replicas: Int?
    /// The value per replica, or the latency in milliseconds; `nil` when it is missing.
    public var value: Double?
    /// The target that the value was compared with.
    public var target: Double
    /// The age of the value.
    public var age: Duration?
    /// Whether data was missing, so that this source may hold or raise only.
    public var isIncomplete: Bool
    /// How it came to its number.
    public var note: String
}

/// Why a decision is what it is: one word for machines, a sentence for people.
public struct ScaleReason: Sendable, Hashable {
    /// The word: the winner's name (`QueueLength`, `Forecast`, `Latency`), `WithinTolerance`, the name of the last clamp
    /// (`Stabilizing`, `PolicyLimit`, `MinReplicas`, `MaxReplicas`, `Schedule`, `Fallback`, `Idle`, `Woken`, `Paused`, `Hold`),
    /// `MissingData`, `Unread`, `NoTargets`, `NothingReady`.
    public var code: String
    /// The sentence.
    public var message: String

    /// A reason.
    public init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// How many replicas there should be, and how that came about.
public struct ScaleDecision: Sendable, Hashable {
    /// The replicas before.
    public var current: Int
    /// The replicas that there should be; within the policy's bounds.
    public var desired: Int
    /// Why.
    public var reason: ScaleReason
    /// What each signal asked for, in the policy's order.
    public var proposals: [ScaleProposal]
    /// The rules that acted, in order.
    public var steps: [ScaleStep]
    /// The source of the largest answer; `nil` when nothing could be answered.
    public var winner: String?

    /// Whether the count changes.
    public var isChange: Bool { desired != current }
}
