// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

extension RolloutTurn {
    /// What holds for a canary that is under way.
    mutating func act() {
        if isPromoting { promote() }
        noteRest()
        guard var state else { return }
        let number = canary.number
        decision.canaryRevision = number
        decision.weight = state.desiredWeight
        decision.mirrorPercent = state.mirrorPercent
        let isLive = canary.readyReplicas > 0 && seen.traffic.canaryRevision == number
        decision.sendsMatches = plan.strategy == .canary && isLive && !isDraining && !sleeps
        decision.canaryReplicas = canaryTarget
        if seen.sharesByPods, decision.rootRevision == stable.number, state.desiredWeight > 0 {
            decision.rootRevision = nil
        }
        serveCanary()
        shareStable()
        makeRoom()
        state = self.state ?? state
        if let why = canary.failure, isLacking, decision.failure == nil {
            decision.failure = "revision \(number) does not get ready: \(why)"
        }
        state.message = message
        self.state = state
        // A preview is judged too, by what testers send it and by the checks.
        if plan.judges, seen.traffic.isAttached || plan.strategy == .blueGreen { decision.look(in: plan.interval) }
        if let since = state.unschedulableSince, !state.isReplacing {
            let rest = RolloutPlan.patience - (now - since)
            if rest > .zero { decision.look(in: rest) }
        }
    }

    /// The replicas of the canary: what the step needs, and never less than what its live share needs.
    private var canaryTarget: Int {
        guard let state else { return 0 }
        if sleeps { return sleepingReplicas }
        var target = goal.needs
        if !seen.sharesByPods, seen.traffic.isAttached, !isDraining {
            let live = max(state.desiredWeight, seen.traffic.weight ?? 100)
            target = max(target, capacity.needed(live))
        }
        if state.isReplacing { target = min(target, canary.readyReplicas + 1) }
        // What the stable track gave up for another canary, it has back before a preview or a shadow begins.
        if !mayReplace, state.isReplacing || state.isSharing { target = min(target, canary.readyReplicas) }
        // Pods of a new canary would share the requests of the old one at once.
        if seen.sharesByPods, isDraining, stable.readyReplicas > 0 { return 0 }
        return target
    }

    /// The canary Service selects the canary, once the one before it gets nothing; or at once, where the stable track can't take
    /// the requests back and this canary can.
    private mutating func serveCanary() {
        let number = canary.number
        let hasService = plan.strategy != .rollingUpdate || (state?.isReplacing == true && !seen.sharesByPods)
        guard isDraining, let old = seen.traffic.canaryRevision else {
            decision.canaryServiceRevision = hasService || seen.traffic.isAttached ? number : nil
            return
        }
        let live = max(state?.desiredWeight ?? 0, seen.traffic.weight ?? 100)
        if capacity.stableLeaves > 0, canary.readyReplicas >= max(1, capacity.needed(live)),
            canary.number != stable.number
        {
            decision.canaryServiceRevision = number
        } else {
            decision.canaryServiceRevision = old
        }
        decision.keeps.insert(old)
    }

    // MARK: The promotion

    private mutating func promote() {
        guard var state else { return }
        let full = max(1, seen.demand)
        let number = canary.number
        let isWhole = canary.readyReplicas >= full && !isDraining && !plan.isPaused
        let hasTraffic = hasAllTraffic
        state.phase = .promoting
        if isWhole, hasTraffic, state.reachedAt.map({ now - $0 >= plan.progressDeadline }) ?? true {
            state.reachedAt = now
        }
        state.deadline = (state.lackingSince ?? state.reachedAt ?? now) + plan.progressDeadline
        if plan.isPaused {
            state.phase = .paused
            state.deadline = state.heldAt.map { $0 + plan.timeout }
        }
        if isWhole, hasTraffic {
            decision.rootRevision = number
            decision.tell(RolloutEvent.trafficSwitched, "revision \(number) is ready and gets the traffic")
        } else if plan.strategy == .rollingUpdate, !isWhole {
            failRolling(&state)
        }
        self.state = state
        if state.phase == .paused, let end = state.deadline, now >= end {
            beginRollback(.rolledBack, "it was paused for \(Int(plan.timeout.inSeconds)) s (timeoutSeconds)")
        }
    }

    /// A plain rolling update isn't given up: what fails is said, and tried on.
    private mutating func failRolling(_ state: inout RolloutState) {
        guard !plan.isPaused else { return }
        if let why = canary.failure {
            decision.failure = "revision \(canary.number) does not get ready: \(why)" + deadlock
        } else if let since = state.lackingSince, now - since >= plan.progressDeadline {
            decision.failure = lateness
        } else {
            return
        }
        state.phase = .failed
        state.deadline = nil
    }

    // MARK: Room

    /// Notes since when there is no room for the canary, and whether replicas are replaced for it.
    mutating func noteRoom() {
        guard var state else { return }
        defer { self.state = state }
        // The plan may have changed since it began; the stable track has back what it gave up.
        if plan.surge == .always || !mayReplace && !isDraining { state.isReplacing = false }
        if state.isReplacing { return }
        if plan.surge == .never, mayReplace, seen.demand > 0, canary.readyReplicas < goal.needs {
            state.isReplacing = true
            return
        }
        // The room that the stable track needs to take the requests back is the other canary's.
        if isDraining, stable.isUnschedulable, seen.demand > 1, plan.surge != .always {
            state.isReplacing = true
            return
        }
        guard canary.isUnschedulable, canary.readyReplicas < goal.needs else {
            state.unschedulableSince = nil
            return
        }
        let since = state.unschedulableSince ?? now
        state.unschedulableSince = since
        guard now - since >= RolloutPlan.patience, !isDraining else { return }
        guard plan.surge == .auto, seen.demand > 1, mayReplace else {
            if seen.state?.message.hasSuffix(noRoom) != true {
                decision.tell("NoRoom", "revision \(canary.number)\(deadlock)", isWarning: true)
            }
            return
        }
        state.isReplacing = true
        let message =
            "there is no room for revision \(canary.number) beside the old one: replicas are replaced one after the other"
        decision.tell("ReplacingReplicas", message)
    }

    /// Whether the canary may take the place of replicas that serve: it gets their requests, which a preview or a shadow mustn't before its
    /// promotion.
    private var mayReplace: Bool {
        switch plan.strategy {
        case .canary, .rollingUpdate: true
        case .blueGreen, .shadow: isPromoting
        }
    }

    private var noRoom: String {
        "there is no room for it beside the replicas that serve: add nodes or quota, lower spec.resources, or set spec.rollout."
            + (mayReplace
                ? "surge to Never, which interrupts a model of one replica"
                : "strategy to Canary, which can replace them one after the other")
    }

    /// What is said where neither a pod more nor a pod less is possible.
    var deadlock: String {
        guard let state, !state.isReplacing, let since = state.unschedulableSince, now - since >= RolloutPlan.patience
        else { return "" }
        return "; " + noRoom
    }

    /// The canary's share while replicas are replaced: what its ready ones carry of all but the one that is missing.
    var replacedShare: Int {
        let base = max(1, seen.demand - 1)
        let ready = canary.readyReplicas
        guard ready > 0 else { return 0 }
        // The last of the stable replicas may go once nothing depends on it.
        if ready >= goal.needs, !isPromoting { return min(100, (ready * 100 + seen.demand / 2) / max(1, seen.demand)) }
        return min(100, ready * 100 / base)
    }

    /// The stable track's replicas, where it gives some up.
    private mutating func shareStable() {
        guard var state else { return }
        if state.isReplacing {
            beginSharing(&state)
            self.state = state
            decision.stableReplicas = replacedStable
            return
        }
        // Where every pod gets the same share of the requests, fewer stable ones would be a larger share for the canary.
        // Without a demand there is nothing to share.
        guard plan.dynamicStableScale, seen.demand > 0, !isDraining, !seen.sharesByPods else { return restoreStable() }
        // What a step gives back must be there before its weight falls.
        let live = min(state.desiredWeight, seen.traffic.weight ?? 0, goal.weight)
        let whole = TrackCapacity(demand: seen.demand, canaryReady: 0, stableReady: 0)
        let target = max(1, whole.needed(100 - live))
        guard target < seen.demand || state.isSharing else { return }
        beginSharing(&state)
        self.state = state
        decision.stableReplicas = min(target, max(1, seen.demand))
    }

    private func beginSharing(_ state: inout RolloutState) {
        if !state.isSharing { state.sharedDemand = seen.demand }
        state.isSharing = true
    }

    /// One replica less, where all that remains is whole and carries what it gets.
    private var replacedStable: Int {
        let now = stable.replicas
        let least = plan.surge == .never || canary.readyReplicas > 0 ? 0 : 1
        let aim = max(least, seen.demand - max(canaryTarget, canary.readyReplicas))
        guard now > aim else { return min(aim, max(now, aim)) }
        let isWhole = stable.readyReplicas >= now && canary.readyReplicas + now >= seen.demand
        let base = max(1, seen.demand - 1)
        let live = seen.sharesByPods ? 0 : min(state?.desiredWeight ?? 0, seen.traffic.weight ?? 0)
        // A share is a whole percent: what is lost by that is no reason to stay.
        let carries =
            seen.sharesByPods
            ? now - 1 > 0 || (canary.readyReplicas > 0 && seen.traffic.isAttached) || plan.surge == .never
            : (now - 1) * 100 + base >= base * (100 - live) || (plan.surge == .never && seen.demand == 1)
        return isWhole && carries ? now - 1 : now
    }
}
