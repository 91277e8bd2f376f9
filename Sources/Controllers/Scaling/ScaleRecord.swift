// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Scaling

/// A scaling decision as status shows it.
struct ScaleRecord: Sendable, Hashable {
    /// The most decisions of the past that status keeps.
    static let changeLimit = 10

    /// The reason where the API server doesn't take a count.
    static let rejected = "ScaleRejected"

    /// When it was made.
    let time: WallTime
    /// The decision.
    let decision: ScaleDecision
    /// What it followed from.
    var inputs: ScaleInputs?
    /// The revision that it is about.
    let revision: Int
    /// Waiting requests per replica; `nil` when missing.
    let queue: Double?
    /// The latency that 95 % of the requests keep below, in milliseconds; `nil` without a request.
    let p95: Double?
    /// The mean cold start in seconds; `nil` before one was seen.
    var coldStartSeconds: Double?
    /// Why the decision isn't acted on; `nil` where it is.
    var hindrance: ScaleHindrance?
    /// Whether two tracks shared the load, so that the count is the demand.
    var isShared = false
    /// The decisions before this one, or this one, that changed the count, the newest first.
    var changes: [JSONValue] = []
    /// The newest of them, where both tracks share the count that it changed: no Deployment has that, so the reconciler tells it.
    var sharedChange: JSONValue?

    /// The count that is acted on: of a decision that is only reported, the one that it was made at.
    var acted: Int { hindrance == nil ? decision.desired : decision.current }

    /// The count that is acted on in a rollout that goes on like this. A decision that wasn't made for both tracks may have been made at
    /// the count of a Deployment that had given some up by then: it is no demand for fewer.
    func acted(in rollout: RolloutState?) -> Int {
        guard !isShared, let rollout, rollout.isSharing, let demand = rollout.sharedDemand else { return acted }
        if hindrance != nil { return demand }
        return decision.current < demand ? max(demand, decision.desired) : decision.desired
    }

    /// The same of the last decision that a model's status shows; `nil` without one.
    /// - Parameters:
    ///   - scaling: `status.scaling`.
    ///   - conditions: `status.conditions`, which say whether it is acted on.
    static func acted(scaling: JSONValue?, conditions: JSONValue?) -> Int? {
        let active = conditions?.array?.first { $0["type"]?.string == ModelDeploymentCondition.scalingActive }
        let isReported = active?["reason"]?.string.map(ScaleHindrance.reasons.contains) ?? false
        let current = isReported ? scaling?.at("lastDecision", "fromReplicas")?.int : nil
        return current ?? scaling?["desiredReplicas"]?.int
    }

    /// `status.scaling`
    var json: JSONValue {
        var json: JSONValue = [
            "desiredReplicas": JSONValue(decision.desired),
            "engine": .string(ModelDeployment.Engine.direct.rawValue), "lastDecision": decisionJSON,
        ]
        json["queue"] = queue.map { .string(Self.text($0)) }
        json["p95"] = p95.map { .string(Self.text($0.rounded() > 10 ? $0.rounded() : $0) + "ms") }
        json["coldStartSeconds"] = coldStartSeconds.map { .double(($0 * 10).rounded() / 10) }
        if !changes.isEmpty { json["recentChanges"] = .array(changes) }
        // It is compared with what is stored: a difference would be written, to no effect, at every reconcile.
        return json.asReadBack
    }

    /// The decision with its signals, steps and inputs.
    var decisionJSON: JSONValue {
        let signals = decision.proposals.map { proposal -> JSONValue in
            var json: JSONValue = [
                "name": .string(proposal.source), "value": .string(proposal.value.map(Self.text) ?? ""),
                "target": .string(Self.text(proposal.target)), "note": .string(proposal.note),
            ]
            json["ageSeconds"] = proposal.age.map { JSONValue(Int($0.inSeconds)) }
            json["proposedReplicas"] = proposal.replicas.map { JSONValue($0) }
            return json
        }
        let steps = decision.steps.map { step -> JSONValue in
            [
                "rule": .string(step.rule), "before": JSONValue(step.before), "after": JSONValue(step.after),
                "note": .string(step.note),
            ]
        }
        var json: JSONValue = [
            "time": .string(time.rfc3339), "reason": .string(decision.reason.code),
            "message": .string(decision.reason.message), "fromReplicas": JSONValue(decision.current),
            "toReplicas": JSONValue(decision.desired), "signals": .array(signals), "steps": .array(steps),
        ]
        json["policy"] = inputs.map { .string($0.policy.kind.rawValue) }
        json["winner"] = decision.winner.map { .string($0) }
        json["inputs"] = inputs?.json
        return json
    }

    /// The event about a change of the count; what both tracks share is told by the status that shows it first.
    static func event(from: Int, to: Int, isShared: Bool = false, why: String) -> PlannedEvent {
        PlannedEvent(
            isWarning: false,
            reason: to > from ? "ScaledUp" : "ScaledDown",
            message: "from \(from) to \(to) replicas\(isShared ? " of both versions" : ""): \(why)"
        )
    }

    /// The event about a shared change that status doesn't show yet; `nil` where there is none.
    func news(after shown: JSONValue?) -> PlannedEvent? {
        guard let change = sharedChange, let from = change["fromReplicas"]?.int, let to = change["toReplicas"]?.int
        else { return nil }
        let isShown = (shown?["recentChanges"]?.array ?? []).contains { entry in
            ["time", "fromReplicas", "toReplicas"].allSatisfy { entry[$0] == change[$0] }
        }
        if isShown { return nil }
        return Self.event(from: from, to: to, isShared: true, why: change["message"]?.string ?? "")
    }

    /// Whether no replica was read yet, so that nothing is known but the count.
    var isUnread: Bool { decision.reason.code == "Unread" && decision.winner == nil }

    /// Whether the two say the same to a reader, but for the time.
    func isSame(as other: ScaleRecord) -> Bool { isSame(as: other.json) }

    /// Whether it says the same to a reader as what status shows, but for the time.
    func isSame(as shown: JSONValue) -> Bool { Self.timeless(json) == Self.timeless(shown) }

    /// Without what moves on although nothing happens: the time, the ages, and the inputs, which hold ages as well.
    private static func timeless(_ json: JSONValue) -> JSONValue {
        var json = json
        json.set(nil, at: "lastDecision", "time")
        json.set(nil, at: "lastDecision", "inputs")
        // No part of a decision.
        json["unusedReplicas"] = nil
        let signals = json.at("lastDecision", "signals")?.array?.map { signal -> JSONValue in
            var signal = signal
            signal["ageSeconds"] = nil
            return signal
        }
        if let signals { json.set(.array(signals), at: "lastDecision", "signals") }
        return json
    }

    private static func text(_ number: Double) -> String {
        let rounded = (number * 10).rounded() / 10
        return Int64(exactly: rounded).map { String($0) } ?? rounded.description
    }
}

/// Why a decision is reported and not acted on.
enum ScaleHindrance: Sendable, Hashable {
    /// `spec.scaling.mode` is Observe.
    case observing
    /// Something else scales the same target.
    case foreign(ForeignScaler)

    private static let observingReason = "Observing"
    private static let foreignReason = "ForeignAutoscaler"

    /// The reason of the condition ScalingActive.
    var reason: String {
        switch self {
        case .observing: Self.observingReason
        case .foreign: Self.foreignReason
        }
    }

    /// All reasons.
    static let reasons: Set<String> = [observingReason, foreignReason]
}
