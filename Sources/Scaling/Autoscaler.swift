// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// The autoscaler of one model: observations in, decisions out; it holds what has to be remembered between them.
///
/// ```
/// proposals -> Largest -> MissingData -> Stabilization -> Policies -> Bounds -> decision
/// ```
public struct Autoscaler: Sendable, Hashable {
    /// What is asked for; may change between two decisions.
    public var policy: ScalingPolicy
    private var stabilization = Stabilization()
    private var rateLimit = RateLimit()

    /// An autoscaler without a memory.
    public init(policy: ScalingPolicy) { self.policy = policy }

    /// Remembers that the count was changed, for the limits on how far it may move within a period.
    public mutating func didScale(from old: Int, to new: Int, at time: WallTime) {
        if old != new { rateLimit.record(delta: new - old, at: time) }
    }

    /// Decides.
    public mutating func decide(_ observation: ScaleObservation) -> ScaleDecision {
        let current = observation.replicas
        let proposals = makeProposals(observation)
        var decision = ScaleDecision(
            current: current,
            desired: current,
            reason: ScaleReason("WithinTolerance", "the replicas fit the load"),
            proposals: proposals,
            steps: []
        )
        for proposal in proposals {
            decision.steps.append(
                ScaleStep(
                    rule: proposal.source,
                    before: current,
                    after: proposal.replicas ?? current,
                    note: proposal.note
                )
            )
        }
        let answers = proposals.filter { $0.replicas != nil }
        if let winner = answers.max(by: { ($0.replicas ?? 0) < ($1.replicas ?? 0) }), let replicas = winner.replicas {
            if answers.count > 1 {
                apply("Largest", to: &decision, replicas, ScaleReason(winner.source, winner.note))
            } else {
                decision.desired = replicas
                decision.reason = ScaleReason(winner.source, winner.note)
            }
            if replicas == current { decision.reason = ScaleReason("WithinTolerance", winner.note) }
        } else {
            decision.reason = holdReason(observation, proposals: proposals)
        }
        holdOnMissingData(&decision, observation)
        let raw = decision.desired
        apply(
            "Stabilization",
            to: &decision,
            stabilization.stabilized(raw, current: current, now: observation.time, policy: policy),
            ScaleReason("Stabilizing", stabilizationMessage(raw, current: current))
        )
        apply(
            "Policies",
            to: &decision,
            rateLimit.limited(decision.desired, current: current, now: observation.time, policy: policy),
            ScaleReason("PolicyLimit", "the scaling policies limit how far the count moves; asked for \(raw)")
        )
        let isLow = decision.desired < policy.minReplicas
        apply(
            "Bounds",
            to: &decision,
            policy.clamped(decision.desired),
            isLow
                ? ScaleReason("MinReplicas", "never below minReplicas \(policy.minReplicas)")
                : ScaleReason(
                    "MaxReplicas",
                    "\(decision.reason.message); limited by maxReplicas \(policy.maxReplicas)"
                )
        )
        return decision
    }

    private func makeProposals(_ observation: ScaleObservation) -> [ScaleProposal] {
        var proposals = policy.targets.map {
            TargetTracking(target: $0, toleranceUp: policy.up.tolerance, toleranceDown: policy.down.tolerance)
                .proposal(observation)
        }
        if let objective = policy.latency {
            proposals.append(
                LatencyTracking(objective: objective, tolerance: policy.up.tolerance).proposal(observation)
            )
        }
        return proposals
    }

    /// Missing is not zero: while any source lacks data the count may hold or rise, never fall.
    private func holdOnMissingData(_ decision: inout ScaleDecision, _ observation: ScaleObservation) {
        let isIncomplete = decision.proposals.contains(where: \.isIncomplete) || !observation.missing.isEmpty
        guard isIncomplete, decision.desired < decision.current else { return }
        apply("MissingData", to: &decision, decision.current, holdReason(observation, proposals: decision.proposals))
    }

    private func holdReason(_ observation: ScaleObservation, proposals: [ScaleProposal]) -> ScaleReason {
        if proposals.isEmpty { return ScaleReason("NoTargets", "no target and no objective to scale by") }
        if observation.readyReplicas == 0 { return ScaleReason("NothingReady", "no replica is ready yet: hold") }
        if let first = observation.missing.first {
            let more = observation.missing.count > 1 ? " and \(observation.missing.count - 1) more" : ""
            return ScaleReason("MissingData", "hold: no metrics from pod \(first.pod)\(more): \(first.reason)")
        }
        let note = proposals.first { $0.isIncomplete }?.note ?? "a signal is missing"
        return ScaleReason("MissingData", "hold: \(note)")
    }

    private func stabilizationMessage(_ raw: Int, current: Int) -> String {
        raw < current
            ? "\(raw) would do, but more was needed within the last \(policy.down.stabilizationWindowSeconds) s"
            : "\(raw) is asked for, but not for \(policy.up.stabilizationWindowSeconds) s yet"
    }

    /// Notes the step where it changes the number, and makes its reason the decision's.
    private func apply(_ rule: String, to decision: inout ScaleDecision, _ after: Int, _ reason: ScaleReason) {
        guard after != decision.desired else {
            if rule == "Largest" { decision.reason = reason }
            return
        }
        decision.steps.append(ScaleStep(rule: rule, before: decision.desired, after: after, note: reason.message))
        decision.desired = after
        decision.reason = reason
    }
}
