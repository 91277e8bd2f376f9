// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What an autoscaler remembers at the moment of a decision, as numbers.
public struct ScaleMemory: Sendable, Hashable {
    /// What the window makes of the targets' answer, where they stand beside an objective.
    public var targetsHeld: Int?
    /// What the stabilization windows make of the raw answer.
    public var stabilized: Int?
    /// How far the scaling policies let the count move towards that.
    public var limited: Int?
    /// The readings in a row that failed, this one included.
    public var failedReadings = 0
    /// The seconds since the model was last used, as far as is known.
    public var unusedSeconds: Double?
    /// After how many seconds without use it goes to zero, where that isn't what the policy says: it was woken early.
    public var idleSeconds: Int?

    /// Nothing remembered.
    public init() {}
}

/// Everything that a decision follows from, after all learning: the same inputs give the same decision, for ever.
///
/// ```
/// targets, SLO or rule -> largest -> MissingData, Unread -> Stabilization -> Policies
///     -> ScaleToZero -> Fallback -> Schedule -> Bounds -> Paused -> decision
/// ```
public struct ScaleInputs: Sendable, Hashable {
    /// What is asked for.
    public var policy: ScalingPolicy
    /// What was seen.
    public var observation: ScaleObservation
    /// The numbers of the SLO policy; `nil` with another.
    public var sizing: SLOSizing?
    /// What was remembered.
    public var memory = ScaleMemory()

    /// Inputs without a memory.
    public init(policy: ScalingPolicy, observation: ScaleObservation, sizing: SLOSizing? = nil) {
        self.policy = policy
        self.observation = observation
        self.sizing = sizing
    }

    /// The decision.
    public func decision() -> ScaleDecision {
        var decision = raw()
        let wanted = decision.desired
        applyMemory(&decision)
        applyUse(&decision)
        applyFloors(&decision)
        applyBounds(&decision)
        if policy.isPaused {
            let current = observation.replicas
            apply("Paused", "Paused", &decision, current, "held at \(current): paused by spec.scaling.paused")
            decision.reason.code = "Paused"
        }
        decision.reason.message = ScaleSentence(inputs: self, decision: decision, wanted: wanted).text
        return decision
    }

    // MARK: The raw answer

    /// What the targets, or the rule, ask for.
    var targetProposals: [ScaleProposal] {
        if policy.kind == .rule {
            let queue = policy.targets.first { $0.signal == .queueLength }?.value
            return RuleTracking(queueTarget: queue, objective: policy.latency).proposals(observation)
        }
        return policy.targets.map { target in
            TargetTracking(target: target, toleranceUp: policy.up.tolerance, toleranceDown: policy.down.tolerance)
                .proposal(observation)
        }
    }

    /// The answer before memory and limits.
    func raw() -> ScaleDecision {
        let current = observation.replicas
        let targets = targetProposals
        let slo = policy.keptObjective == nil ? nil : sizing?.decision()
        var decision = ScaleDecision(
            current: current,
            desired: current,
            reason: ScaleReason("WithinTolerance", ""),
            proposals: (slo?.proposals ?? []) + targets,
            steps: []
        )
        if let slo {
            let sources = Set(slo.proposals.map(\.source))
            decision.steps = slo.steps.filter { !sources.contains($0.rule) }
            decision.desired = slo.desired
            decision.reason.code = slo.reason.code
            decision.winner = Self.largest(slo.proposals)?.source
        }
        if let winner = Self.largest(targets), let count = memory.targetsHeld ?? winner.replicas {
            if slo == nil || count > decision.desired {
                // What the SLO policy did with its own number is no reason for another one.
                if count > decision.desired { decision.steps = [] }
                decision.desired = count
                decision.winner = winner.source
                decision.reason.code = count == current ? "WithinTolerance" : winner.source
            }
        }
        if decision.winner == nil { decision.reason.code = slo == nil ? blindness : "MissingData" }
        if isPlannedUnseen(by: decision.winner), decision.desired == current { decision.reason.code = "MissingData" }
        if slo != nil, decision.winner == nil, observation.trafficReporting > 0 { rest(&decision) }
        if slo != nil, observation.readyReplicas == 0, current > 0 { decision.reason.code = notReady }
        holdOnMissingData(&decision)
        return decision
    }

    /// Nothing is known of a replica's rate, because nobody asked anything yet: that is no lack of data. What nobody has
    /// used for as long as the HPA looks back isn't needed either.
    private func rest(_ decision: inout ScaleDecision) {
        decision.reason.code = "NoRequestsYet"
        let window = ScalingRules.defaultDown.stabilizationWindowSeconds
        guard isQuiet, memory.unusedSeconds ?? 0 >= Double(window), decision.desired > policy.minReplicas else {
            return
        }
        let note = "down to \(policy.minReplicas): \(nothing) for \(window) s"
        apply("Unused", "Unused", &decision, policy.minReplicas, note)
    }

    private static func largest(_ proposals: [ScaleProposal]) -> ScaleProposal? {
        proposals.filter { $0.replicas != nil }.max { ($0.replicas ?? 0) < ($1.replicas ?? 0) }
    }

    /// Whether the SLO policy, if `winner` is its own, plans with what it saw before, as ready replicas show it nothing now. That may hold the
    /// count; it follows no load.
    func isPlannedUnseen(by winner: String?) -> Bool {
        guard policy.keptObjective != nil, let winner, Signal(rawValue: winner) == nil else { return false }
        return observation.readyReplicas > 0 && observation.trafficReporting + observation.trafficElsewhere == 0
    }

    /// Why nothing can be decided.
    private var blindness: String {
        if policy.targets.isEmpty, policy.latency == nil { return "NoTargets" }
        return observation.readyReplicas == 0 ? notReady : "MissingData"
    }

    /// Why no replica counts as ready.
    private var notReady: String { observation.newReplicas > 0 ? "Unread" : "NothingReady" }

    /// Missing is not zero: while any source lacks data the count may hold or rise, never fall. Replicas that are just new hold it as
    /// well, and are no trouble.
    private func holdOnMissingData(_ decision: inout ScaleDecision) {
        guard decision.desired < decision.current else { return }
        let held = "held at \(decision.current)"
        if isIncomplete(decision.proposals) {
            apply("MissingData", "MissingData", &decision, decision.current, "\(held): missing is not zero")
        } else if observation.newReplicas > 0 {
            let count = observation.newReplicas
            let note = "\(held): \(count) new replica\(count == 1 ? " wasn't" : "s weren't") read yet"
            apply("Unread", "Unread", &decision, decision.current, note)
        }
    }

    private func isIncomplete(_ proposals: [ScaleProposal]) -> Bool {
        proposals.contains(where: \.isIncomplete) || !observation.missing.isEmpty
            || observation.unreadReplicas > observation.newReplicas || sizing?.isIncomplete == true || isLevelMissing
    }

    /// Whether a serving replica doesn't show a signal that others do: the SLO policy sizes by the sums of all of them.
    private var isLevelMissing: Bool {
        policy.keptObjective != nil
            && observation.readings.values.contains { $0.reporting < observation.readyReplicas }
    }

    /// Whether a source could say nothing at all although replicas are ready.
    var isFailedReading: Bool {
        guard observation.readyReplicas > 0 else { return false }
        if policy.keptObjective != nil, observation.traffic == nil || observation.trafficReporting == 0 { return true }
        return targetProposals.contains { $0.replicas == nil }
    }

    /// Whether every replica was read and none has anything to do. Where targets say what counts as idle, these decide alone:
    /// two requests in work that do are seen in the rate of requests as well.
    var isQuiet: Bool {
        guard observation.missing.isEmpty, !observation.readings.isEmpty, observation.loadingReplicas == 0,
            observation.unreadReplicas == 0, observation.unknownSignals.isEmpty
        else { return false }
        // What says whether the model is used has to say so.
        guard policy.targets.allSatisfy({ observation.readings[$0.signal] != nil }) else { return false }
        return observation.readings.allSatisfy { signal, reading in
            let isIdle = activation(of: signal).map { reading.total <= $0 } ?? true
            return reading.reporting >= observation.readyReplicas && reading.total >= 0 && isIdle
        }
    }

    /// Whether a replica, of whatever track, is seen to have something to do.
    var isWorking: Bool {
        observation.readings.contains { signal, reading in
            reading.replicas > 0 && reading.total.isFinite && reading.total > activation(of: signal) ?? .infinity
        }
    }

    /// The total up to which a signal counts as idle; `nil` where the signal says nothing of that.
    private func activation(of signal: Signal) -> Double? {
        if let target = policy.targets.first(where: { $0.signal == signal }) { return target.activation }
        return policy.targets.contains { $0.activation > 0 } ? nil : 0
    }

    // MARK: Limits

    private func applyMemory(_ decision: inout ScaleDecision) {
        if let count = memory.stabilized {
            let seconds =
                decision.desired < decision.current
                ? policy.down.stabilizationWindowSeconds : policy.up.stabilizationWindowSeconds
            apply("Stabilization", "Stabilizing", &decision, count, "held at \(count) by the window of \(seconds) s")
        }
        if let count = memory.limited {
            apply("Policies", "PolicyLimit", &decision, count, "limited to \(count) by the scaling policies")
        }
    }

    /// Zero replicas are for a model that nobody uses; a model that somebody asks for has one at least.
    private func applyUse(_ decision: inout ScaleDecision) {
        guard let limit = idleSeconds else { return }
        let unused = memory.unusedSeconds
        let isUnused = unused.map { $0 >= Double(limit) } ?? (decision.current == 0)
        if isUnused, decision.current == 0 || isQuiet {
            apply("ScaleToZero", "Idle", &decision, 0, "down to 0: \(idleness)")
            decision.reason.code = "Idle"
        } else if decision.current == 0 {
            let count = max(1, policy.minReplicas)
            apply("ScaleToZero", "Woken", &decision, max(count, decision.desired), "up to \(count): a request waits")
        } else {
            let seconds = TargetTracking.text(max(0, Double(limit) - (unused ?? 0)).rounded())
            apply("ScaleToZero", "InUse", &decision, max(1, decision.desired), "kept at 1 for another \(seconds) s")
        }
    }

    /// After how many seconds without use the model goes to zero; `nil` for never.
    var idleSeconds: Int? { policy.idleSeconds.map { memory.idleSeconds ?? $0 } }

    /// For how long nobody has used the model, as a clause.
    var idleness: String {
        let since = memory.unusedSeconds.map { "for \(TargetTracking.text($0.rounded())) s" }
        return "\(nothing) \(since ?? "since the operator started")"
    }

    /// What is seen of a model that isn't used.
    private var nothing: String {
        policy.targets.contains { $0.activation > 0 } ? "no more than activationValue" : "no request"
    }

    /// Whether the model may go to zero, or stay there.
    private func allowsZero(_ decision: ScaleDecision) -> Bool {
        decision.desired == 0 && policy.idleSeconds != nil
    }

    private func applyFloors(_ decision: inout ScaleDecision) {
        if let fallback = policy.fallback, memory.failedReadings >= fallback.failureThreshold {
            apply(
                "Fallback",
                "Fallback",
                &decision,
                max(decision.desired, fallback.replicas),
                "raised to \(fallback.replicas) by fallback after \(memory.failedReadings) readings that failed"
            )
            // What it was raised to stays for the same reason.
            let isHolding = decision.reason.code == "MissingData" && decision.desired == fallback.replicas
            if isHolding { decision.reason.code = "Fallback" }
        }
        for schedule in observation.schedules {
            if let floor = schedule.minReplicas {
                let note = "raised to \(floor) by schedule \(schedule.name)"
                apply("Schedule", "Schedule", &decision, max(decision.desired, floor), note)
            }
            if let ceiling = schedule.maxReplicas {
                let note = "capped to \(ceiling) by schedule \(schedule.name)"
                apply("Schedule", "Schedule", &decision, min(decision.desired, ceiling), note)
            }
        }
    }

    private func applyBounds(_ decision: inout ScaleDecision) {
        if !allowsZero(decision), decision.desired < policy.minReplicas {
            let note = "raised to \(policy.minReplicas) by minReplicas"
            apply("Bounds", "MinReplicas", &decision, policy.minReplicas, note)
        }
        if decision.desired > policy.maxReplicas {
            let note = "capped to \(policy.maxReplicas) by maxReplicas"
            apply("Bounds", "MaxReplicas", &decision, policy.maxReplicas, note)
        }
    }

    /// Notes the step where it changes the number, and makes it the decision's reason.
    private func apply(_ rule: String, _ code: String, _ decision: inout ScaleDecision, _ after: Int, _ note: String) {
        guard after != decision.desired else { return }
        decision.steps.append(ScaleStep(rule: rule, before: decision.desired, after: after, note: note))
        decision.desired = after
        decision.reason.code = code
    }
}
