// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// The rollout's state machine: what is planned, what was decided and what is seen in, what holds from now on out.
///
/// ```
///            new spec                reached        last step      root selects it
/// Settled ------------> Progressing ----> Paused, ... ----> Promoting ----> Settled
///    ^                       |          Analyzing             |
///    |                       +--------------+-----------------+ worse, a deadline, a person, the stable spec
///    |                                      v
///    +----- the stable spec ---- RolledBack <---- RollingBack
/// ```
///
/// The order is fixed: a track gets ready, then its weight rises, then the other shrinks. A rollback moves the weight first, by as much as the stable
/// track carries, then takes the pods away. Every decision follows from the state as it was written and from what is seen, so it may
/// be made again at any time, by any process.
public enum RolloutMachine {
    /// The next decision.
    public static func next(_ observation: RolloutObservation) -> RolloutDecision {
        guard let stable = observation.stable else { return first(observation) }
        var turn = RolloutTurn(observation, stable: stable)
        turn.take()
        return turn.decision
    }

    /// There is nothing that serves, so there is nothing to keep up meanwhile.
    private static func first(_ observation: RolloutObservation) -> RolloutDecision {
        var state = observation.state
        var ended: [RolloutOutcome] = []
        if var old = state {
            if old.phase.isActive, let canary = old.canaryRevision, canary != observation.wanted.number {
                ended.append(
                    old.ended(.superseded, "the revision that served is gone, and another is wanted", observation.time)
                )
            }
            let handled = old.handledRequest
            old = RolloutState(settledOn: observation.wanted.number, strategy: observation.plan.strategy)
            old.handledRequest = handled
            state = old
        }
        var decision = RolloutDecision(stable: observation.wanted.number, state: state)
        decision.ended = ended
        return decision
    }
}

extension RolloutState {
    /// The history's line for the canary.
    func ended(_ outcome: RolloutOutcome.Kind, _ reason: String, _ time: WallTime) -> RolloutOutcome {
        RolloutOutcome(
            revision: canaryRevision ?? 0,
            version: canaryVersion ?? "",
            hash: canaryHash ?? "",
            outcome: outcome,
            reason: reason,
            startedAt: startedAt,
            endedAt: time
        )
    }

    /// Ends what was under way; what it was stays to be read.
    mutating func end(in phase: Phase, message: String) {
        self.phase = phase
        self.message = message
        reachedAt = nil
        heldAt = nil
        lackingSince = nil
        readySeen = 0
        neededSeen = 0
        unschedulableSince = nil
        isReplacing = false
        drainedAt = nil
        deadline = nil
        desiredWeight = 0
        achievedWeight = nil
        toldWeight = nil
        restedWeight = nil
        mirrorPercent = 0
        judge = nil
        lookedAt = nil
        watchedFrom = nil
        wasRouted = false
    }
}

/// One decision in the making.
struct RolloutTurn {
    /// What is seen.
    let seen: RolloutObservation
    /// The revision with the stable role.
    let stable: RevisionState
    /// The state as it will be; `nil` where nothing was ever rolled out.
    var state: RolloutState?
    /// What comes out.
    var decision: RolloutDecision

    /// The time now.
    var now: WallTime { seen.time }
    /// What is planned.
    var plan: RolloutPlan { seen.plan }

    /// A turn.
    init(_ observation: RolloutObservation, stable: RevisionState) {
        seen = observation
        self.stable = stable
        state = observation.state
        decision = RolloutDecision(stable: stable.number, state: observation.state)
    }

    /// Decides.
    mutating func take() {
        if completes() {
            complete()
            // The new roles are another view: the next turn sees it, and says whether the other revision is begun or held.
            decision.bringsUp = false
            if decision.stableRevision != seen.wanted.number {
                decision.look(in: .zero)
                return finish()
            }
        }
        if decision.stableRevision == seen.wanted.number {
            if let state, state.phase.isActive {
                if state.phase != .rollingBack {
                    beginRollback(.aborted, "the spec was set back to revision \(stable.number)")
                }
                rollBack()
            } else {
                settle()
            }
            return finish()
        }
        let isOther = state?.canaryRevision != seen.wanted.number
        switch state?.phase {
        case nil, .settled: start()
        case .rolledBack?:
            // While the spec says paused, a wish to retry waits.
            if isOther || retries() && !plan.isPaused { start(isRetry: !isOther) } else { stayRolledBack() }
        case .rollingBack? where !isOther:
            takeRequest()
            if state?.phase == .rollingBack { rollBack() } else { goOn() }
        case .some:
            if isOther { supersede() }
            goOn()
        }
        finish()
    }

    private mutating func finish() {
        keepRoot()
        if var state {
            state.sendsMatches = decision.sendsMatches
            if state.desiredWeight > 0 || state.mirrorPercent > 0 || state.sendsMatches { state.wasRouted = true }
            state.achievedWeight = state.phase.isActive ? seen.traffic.achieved : nil
            if state.phase.isActive, let problem = seen.traffic.problem {
                let reason = seen.traffic.problemReason ?? "TrafficProblem"
                decision.trafficProblem = RolloutEvent(isWarning: true, reason: reason, message: problem)
            }
            self.state = state
            // What only is said to be late may be said a second later: then it is, by any clock.
            let slack: Duration = state.strategy == .rollingUpdate ? .seconds(1) : .zero
            if let deadline = state.deadline { decision.look(in: deadline - now + slack) }
        }
        decision.state = state
    }

    /// The root Service never turns to a revision that carries less than the one that it selects, and not all that is asked.
    private mutating func keepRoot() {
        guard let root = decision.rootRevision else { return }
        guard let live = seen.traffic.rootRevision else { return keepSharing(root) }
        guard root != live else { return }
        let (new, old) = (seen.revision(root).readyReplicas, seen.revision(live).readyReplicas)
        guard new < max(1, seen.demand), new < old else { return }
        decision.rootRevision = live
        decision.keeps.insert(live)
    }

    /// While every pod serves, the root Service doesn't turn to a revision that carries less than all do together, and not all that is asked.
    private mutating func keepSharing(_ root: Int) {
        guard seen.sharesByPods, seen.traffic.isAttached,
            !decision.events.contains(where: { $0.reason == RolloutEvent.returnForced })
        else { return }
        let ready = seen.revision(root).readyReplicas
        let base = state?.isReplacing == true ? seen.demand - 1 : seen.demand
        let least = seen.demand == 0 ? 0 : max(1, base)
        guard ready < least, ready < seen.others.reduce(0, { $0 + $1.readyReplicas }) else { return }
        decision.rootRevision = nil
        decision.canaryReplicas = nil
        decision.keeps.formUnion(seen.others.filter { $0.readyReplicas > 0 }.map(\.number))
    }

    // MARK: The ends

    /// Whether the canary has the root Service.
    private func completes() -> Bool {
        guard let state, state.phase.isActive, let canary = state.canaryRevision else { return false }
        if canary == stable.number { return true }
        guard seen.traffic.rootRevision == canary else { return false }
        // One that was to be given up and serves while yet another is wanted has the role, whatever is held of it.
        return state.phase == .promoting || state.phase == .failed
            || state.canaryRevision != seen.wanted.number
                && stable.number != seen.wanted.number
    }

    private mutating func complete() {
        guard var state, let canary = state.canaryRevision else { return }
        let name = Self.name(canary, state.canaryVersion)
        let message = "\(name) was promoted and serves all requests"
        decision.ended.append(state.ended(.promoted, message, now))
        if state.strategy != .rollingUpdate { decision.tell("Promoted", message) }
        state.end(in: .settled, message: message)
        state.stableRevision = canary
        state.endSharing()
        state.outcome = .promoted
        state.reason = nil
        self.state = state
        decision.stableRevision = canary
        decision.rootRevision = canary
        detach(keeping: nil)
    }

    /// Everything is with the stable revision.
    private mutating func settle() {
        if var state {
            // What waited for a person, or was given up, isn't wanted any more.
            if state.phase == .rolledBack || state.message.hasSuffix(Self.held) {
                state.end(in: .settled, message: "revision \(decision.stableRevision) serves all requests")
            }
            state.phase = .settled
            state.stableRevision = decision.stableRevision
            self.state = state
            restoreStable()
        }
        takeRequest()
        detach(keeping: nil)
    }

    private mutating func stayRolledBack() {
        guard var state, let canary = state.canaryRevision else { return }
        if state.stableRevision != stable.number { state.stableRevision = stable.number }
        self.state = state
        if !(plan.isPaused && retries()) { takeRequest() }
        state = self.state ?? state
        decision.canaryRevision = canary
        decision.canaryReplicas = 0
        decision.bringsUp = false
        decision.failure = state.message
        restoreStable()
        detach(keeping: nil)
    }

    /// Gives the stable track back what it gave up; until it is seen to have it, the scaling keeps away.
    mutating func restoreStable() {
        guard var state, state.isSharing else { return }
        if stable.replicas >= seen.demand {
            state.endSharing()
        } else {
            decision.stableReplicas = seen.demand
        }
        self.state = state
    }

    /// Asks for no traffic to a canary; its Service stays as long as anything may reach it.
    mutating func detach(keeping canary: Int?) {
        decision.weight = 0
        decision.mirrorPercent = 0
        decision.sendsMatches = false
        guard seen.traffic.isAttached else {
            decision.canaryServiceRevision = canary
            return
        }
        let selected = seen.traffic.canaryRevision ?? canary
        decision.canaryServiceRevision = selected
        if let selected { decision.keeps.insert(selected) }
    }

    // MARK: The beginnings

    /// How the message of a spec ends that waits for a person.
    private static let held = ": spec.rollout.paused is true"

    /// Whether a person asks to try again what is given up, and it wasn't done yet.
    func retries() -> Bool {
        guard let state, let request = seen.request, request.text != state.handledRequest else { return false }
        return request.action == .retry && request.revision == state.canaryRevision
    }

    /// Begins to roll the wanted revision out.
    private mutating func start(isRetry: Bool = false) {
        let wanted = seen.wanted
        let name = Self.name(wanted.number, wanted.version)
        let handled = isRetry ? seen.request?.text : state?.handledRequest
        if plan.isPaused {
            var held = state ?? RolloutState(settledOn: stable.number, strategy: plan.strategy)
            if held.phase == .rolledBack { held.end(in: .settled, message: "") }
            held.phase = .settled
            held.stableRevision = stable.number
            held.message = "\(name) waits\(Self.held)"
            state = held
            decision.bringsUp = false
            takeRequest()
            restoreStable()
            return detach(keeping: nil)
        }
        var fresh = RolloutState(settledOn: stable.number, strategy: plan.strategy)
        fresh.handledRequest = handled
        fresh.canaryRevision = wanted.number
        fresh.canaryHash = wanted.hash
        fresh.canaryVersion = wanted.version
        fresh.isSharing = state?.isSharing ?? false
        fresh.sharedDemand = state?.sharedDemand
        fresh.startedAt = now
        fresh.stepStartedAt = now
        fresh.stepCount = plan.steps.count
        if let reason = formerFailure, !isRetry {
            let message =
                "\(name) was given up before: \(reason); correct the spec, or ask for it again with "
                + "`modelfleet rollout retry`"
            fresh.end(in: .rolledBack, message: message)
            fresh.outcome = .rolledBack
            fresh.reason = reason
            state = fresh
            decision.tell("FailedBefore", message, isWarning: true)
            return stayRolledBack()
        }
        // Nobody uses the model: there is nothing to compare, and nobody to spare.
        fresh.stepIndex = seen.demand == 0 && stable.readyReplicas == 0 ? plan.steps.count : 0
        // What another canary still gets is taken from here.
        if seen.traffic.isAttached { fresh.desiredWeight = state?.desiredWeight ?? seen.traffic.weight ?? 0 }
        fresh.phase = .progressing
        if plan.judges { fresh.judge = JudgeState() }
        state = fresh
        if plan.strategy != .rollingUpdate {
            decision.tell(
                "RolloutStarted",
                "\(name) is rolled out beside revision \(stable.number) (\(plan.strategy.rawValue))"
            )
        }
        goOn()
    }

    /// Another revision is wanted before the canary was through: it starts against the same stable one.
    private mutating func supersede() {
        guard let old = state else { return }
        let (outcome, reason) = outcomeOfOld(old)
        decision.ended.append(old.ended(outcome, reason, now))
        decision.tell(
            outcome.rawValue,
            "\(Self.name(old.canaryRevision ?? 0, old.canaryVersion)): \(reason)",
            isWarning: outcome == .rolledBack
        )
        let wanted = seen.wanted
        var fresh = RolloutState(settledOn: stable.number, strategy: plan.strategy)
        fresh.handledRequest = old.handledRequest
        fresh.canaryRevision = wanted.number
        fresh.canaryHash = wanted.hash
        fresh.canaryVersion = wanted.version
        fresh.isSharing = old.isSharing
        fresh.sharedDemand = old.sharedDemand
        fresh.isReplacing = old.isReplacing
        fresh.wasRouted = old.wasRouted
        fresh.startedAt = now
        fresh.stepStartedAt = now
        fresh.stepCount = plan.steps.count
        fresh.desiredWeight = seen.traffic.isAttached ? old.desiredWeight : 0
        fresh.phase = .progressing
        if plan.judges { fresh.judge = JudgeState() }
        state = fresh
        if let reason = formerFailure { beginRollback(.rolledBack, Self.before + reason) }
    }

    /// How the reason begins of one that was given up again since it was given up before.
    private static let before = "it was given up before: "

    /// Why the wanted revision was given up, also where it was given up again for that.
    private var formerFailure: String? {
        seen.failedBefore.map { $0.hasPrefix(Self.before) ? String($0.dropFirst(Self.before.count)) : $0 }
    }

    /// How a canary ends when a newer spec comes: one that was being given up already keeps the reason, so that the history tells it, and
    /// its spec isn't tried again by itself.
    private func outcomeOfOld(_ old: RolloutState) -> (RolloutOutcome.Kind, String) {
        if old.phase == .rollingBack, let outcome = old.outcome, let reason = old.reason { return (outcome, reason) }
        let isInStep = old.stepIndex < old.stepCount
        let place = isInStep ? "at step \(old.stepIndex + 1) of \(old.stepCount)" : "before it was promoted"
        return (.superseded, "a newer spec came \(place)")
    }

    /// `revision 8 (version 2.1.3)`.
    static func name(_ revision: Int, _ version: String?) -> String {
        guard let version, !version.isEmpty else { return "revision \(revision)" }
        return "revision \(revision) (version \(version))"
    }
}
