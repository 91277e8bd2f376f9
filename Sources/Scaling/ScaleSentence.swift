// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A decision in one line, for an operator on call.
///
/// ```
/// queue 84 over target 30 on 3 replicas; latency p95 640 ms over 500 ms; want 8, capped to 6 by maxReplicas
/// ```
struct ScaleSentence {
    /// What the decision came from.
    let inputs: ScaleInputs
    /// The decision.
    let decision: ScaleDecision
    /// The count before memory and limits.
    let wanted: Int

    /// The line.
    var text: String {
        var clauses = missing
        for proposal in decision.proposals {
            if let clause = level(proposal) { clauses.append(clause) }
        }
        if !decision.proposals.contains(where: { $0.source == "Latency" }) { clauses += latency }
        clauses += forecast
        clauses += hopeless
        if let blind { clauses.append(blind) }
        clauses.append(end)
        return clauses.joined(separator: "; ")
    }

    private static let words = ["QueueLength": "queue", "InFlight": "in flight", "RequestRate": "requests/s"]

    /// `queue 84 over target 30 on 3 replicas`; the value is per replica.
    private func level(_ proposal: ScaleProposal) -> String? {
        let text = TargetTracking.text
        if proposal.source == "Latency", let value = proposal.value { return latency(value, proposal.target) }
        guard let word = Self.words[proposal.source] else { return nil }
        guard let value = proposal.value else { return "no \(word)" }
        let ratio = value / proposal.target
        let place =
            ratio > 1 + inputs.policy.up.tolerance ? "over" : ratio < 1 - inputs.policy.down.tolerance ? "under" : "on"
        return "\(word) \(text(value)) \(place) target \(text(proposal.target))\(on(proposal.source))"
    }

    /// Over which replicas the value of a signal is the mean.
    private func on(_ source: String) -> String {
        guard let reading = Signal(rawValue: source).flatMap({ inputs.observation.readings[$0] }) else { return "" }
        let count =
            inputs.policy.kind == .rule ? inputs.observation.workers(reading) : TargetTracking.counted(reading)
        let others = reading.reporting == 0 ? " of another revision" : ""
        return " on \(count) replica\(count == 1 ? "" : "s")\(others)"
    }

    private var latency: [String] {
        guard let objective = inputs.policy.latency, let value = inputs.observation.latency?.milliseconds else {
            return []
        }
        return [latency(value, objective.milliseconds)]
    }

    private func latency(_ value: Double, _ target: Double) -> String {
        let text = TargetTracking.text
        let percentile = inputs.policy.latency.map { text($0.percentile) } ?? ""
        let rounded = text(value >= 10 ? value.rounded() : value)
        let isBound = inputs.observation.latency?.isLowerBound == true
        let place = value > target ? "over" : isBound ? "(its histogram ends there) of" : "within"
        return "latency p\(percentile) \(isBound ? "at least " : "")\(rounded) ms \(place) \(text(target)) ms"
    }

    /// The note of the SLO policy's winner, where it is about what is seen now.
    private var forecast: [String] {
        guard !inputs.isPlannedUnseen(by: decision.winner) || decision.isChange else { return [] }
        let winner = decision.proposals.first { $0.source == decision.winner }
        guard let winner, Self.words[winner.source] == nil, winner.source != "Latency" else { return [] }
        return [winner.note]
    }

    /// That no count keeps the objective, where that is so and the latency doesn't contradict it.
    private var hopeless: [String] {
        guard let objective = inputs.policy.keptObjective,
            inputs.observation.latency?.milliseconds ?? .infinity > objective.milliseconds
        else { return [] }
        return inputs.sizing?.hopelessness(of: objective).map { [$0] } ?? []
    }

    private var missing: [String] {
        let own = Self.missing(inputs.observation.missing, "")
        return own + Self.missing(inputs.observation.missingElsewhere, " of another revision")
            + inputs.observation.missingSignals
    }

    private static func missing(_ pods: [MissingReplica], _ whose: String) -> [String] {
        guard let first = pods.first else { return [] }
        let more = pods.count > 1 ? " and \(pods.count - 1) more" : ""
        return ["no metrics from pod \(first.pod)\(more)\(whose): \(first.reason)"]
    }

    /// A limit that left the number as it was is no step, and still the reason. (Of a model that stays at zero no seconds are counted:
    /// status would follow them.)
    private var tacit: [String] { reasoned + awake }

    /// Why a model stays that has been idle for as long as the policy says.
    private var awake: [String] {
        guard let usual = inputs.policy.idleSeconds, let limit = inputs.memory.idleSeconds,
            let unused = inputs.memory.unusedSeconds, unused >= Double(usual), decision.desired > 0, inputs.isQuiet
        else { return [] }
        return [
            "idle for \(limit) s instead of \(usual) s before 0: asked for no more than activationValue, it was woken soon after it slept"
        ]
    }

    private var reasoned: [String] {
        func isStep(_ rule: String) -> Bool { decision.steps.contains { $0.rule == rule } }
        switch decision.reason.code {
        case "Fallback" where !isStep("Fallback"): return ["the fewest by fallback"]
        case "Idle" where !isStep("ScaleToZero") && decision.isChange: return [inputs.idleness]
        default: return []
        }
    }

    private var blind: String? {
        guard decision.winner == nil, inputs.observation.replicas > 0 else { return nil }
        if inputs.policy.targets.isEmpty, inputs.policy.latency == nil { return "no target and no objective" }
        if inputs.observation.readyReplicas == 0 {
            return inputs.observation.newReplicas > 0 ? "no replica was read yet" : "no replica is ready yet"
        }
        if inputs.policy.keptObjective == nil { return "no signal to decide by" }
        let isUnused = inputs.observation.readings[.requestRate]?.total == 0
        return isUnused ? "no answered request was seen yet" : "what a replica serves isn't known yet"
    }

    /// `want 8, capped to 6 by maxReplicas`, or `keep 3`.
    private var end: String {
        let notes = decision.steps.map(\.note) + tacit
        if decision.winner == nil {
            let hold = decision.isChange ? [] : ["hold at \(decision.current)"]
            return (hold + notes).joined(separator: ", ")
        }
        // The SLO policy's own steps stand between the winner's number and what is wanted.
        let asked = decision.proposals.first { $0.source == decision.winner }?.replicas ?? wanted
        if asked == decision.current, notes.isEmpty { return "keep \(decision.current)" }
        return (["want \(asked)"] + notes).joined(separator: ", ")
    }
}
