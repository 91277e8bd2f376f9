// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

extension RolloutTurn {
    /// Begins to give the canary up.
    mutating func beginRollback(_ outcome: RolloutOutcome.Kind, _ reason: String) {
        guard var state else { return }
        let place = isPromoting ? "the promotion" : "step \(state.stepIndex + 1)"
        state.phase = .rollingBack
        state.outcome = outcome
        state.reason = reason
        state.stepStartedAt = now
        state.drainedAt = nil
        state.lackingSince = nil
        state.heldAt = nil
        state.deadline = now + plan.progressDeadline
        self.state = state
        let name = Self.name(state.canaryRevision ?? 0, state.canaryVersion)
        decision.tell("RollingBack", "\(name): \(reason); rolled back at \(place)", isWarning: true)
    }

    /// The traffic goes back as far as the stable track carries it, then the canary's pods go.
    mutating func rollBack() {
        guard var state, let number = state.canaryRevision else { return }
        state.mirrorPercent = 0
        // The room that the stable track needs is the canary's.
        if stable.isUnschedulable, seen.traffic.isAttached { state.isReplacing = true }
        self.state = state
        let weight = returningWeight(&state)
        state.desiredWeight = weight
        self.state = state
        detach(keeping: nil)
        decision.weight = weight
        decision.canaryRevision = number
        decision.bringsUp = false
        if seen.sharesByPods, weight > 0 { decision.rootRevision = nil }
        let isTurned = seen.traffic.rootRevision == number
        if isTurned { turnBack(number) }
        restoreStable()
        let replicas = seen.revision(number).replicas
        if seen.traffic.isAttached || isTurned {
            self.state?.drainedAt = nil
            decision.canaryReplicas = state.isReplacing ? min(replicas, replacedCanary(replicas)) : nil
            // What the routes give goes to another canary: this one isn't needed. Without routes every pod serves.
            if isDraining, !seen.sharesByPods { decision.canaryReplicas = 0 }
            makeRoom()
            say(backMessage)
            return
        }
        if seen.traffic.weight == nil {
            say(backMessage)
            return
        }
        let since = state.drainedAt ?? now
        self.state?.drainedAt = since
        let rest = RolloutPlan.drain - (now - since)
        if rest > .zero, replicas > 0 {
            say(backMessage)
            return decision.look(in: rest)
        }
        endRollback(number)
    }

    /// The share on the way back; at the deadline it goes back wherever the stable track serves at all, and otherwise at the next one.
    private mutating func returningWeight(_ state: inout RolloutState) -> Int {
        // What was decided may not have been written: the live share is what has to be brought back.
        let live = seen.traffic.isAttached ? seen.traffic.weight ?? state.desiredWeight : 0
        let weight = capacity.weight(from: max(state.desiredWeight, live), to: 0)
        guard let deadline = state.deadline, now >= deadline else { return weight }
        state.deadline = now + plan.progressDeadline
        guard weight == 0 || stable.readyReplicas > 0 else { return weight }
        if weight > 0 {
            let message =
                "the stable track has only \(stable.readyReplicas) of \(seen.demand) ready replicas after "
                + "\(Int(plan.progressDeadline.inSeconds)) s, and gets all requests back"
            decision.tell(RolloutEvent.returnForced, message, isWarning: true)
        }
        return 0
    }

    /// The root Service selects the canary already: it turns back once the stable track carries everything.
    private mutating func turnBack(_ number: Int) {
        let carries = capacity.stableLeaves == 0 && stable.readyReplicas > 0
        if !carries, seen.revision(number).readyReplicas > 0 { decision.rootRevision = number }
    }

    /// The replicas that the canary may give back to the stable track, for which there is no other room.
    func replacedCanary(_ replicas: Int) -> Int {
        guard let state else { return replicas }
        let live = max(state.desiredWeight, seen.traffic.weight ?? 100)
        let base = max(1, seen.demand - 1)
        let needed = seen.sharesByPods ? max(0, base - stable.readyReplicas) : (base * live + 50) / 100
        return max(live > 0 ? 1 : 0, needed)
    }

    private mutating func say(_ message: String) { state?.message = message }

    /// A canary from before this one gives its room back while it drains.
    mutating func makeRoom() {
        guard state?.isReplacing == true else { return }
        if seen.sharesByPods { return makeSharedRoom() }
        guard let old = draining else { return }
        let replicas = min(old.replicas, replacedCanary(old.replicas))
        if replicas < old.replicas { decision.shrinks[old.number] = replicas }
    }

    /// Where every pod serves, the revisions that are no track any more give up what all the others carry without them.
    private mutating func makeSharedRoom() {
        let (canary, stays) = (state?.canaryRevision, [stable.number: decision.stableReplicas])
        func keeps(_ revision: RevisionState) -> Int {
            let asked = revision.number == canary ? decision.canaryReplicas : stays[revision.number] ?? nil
            return min(revision.readyReplicas, asked ?? .max)
        }
        var spare = seen.others.reduce(0) { $0 + keeps($1) } - max(1, seen.demand - 1)
        let left = seen.others.filter { $0.number != canary && $0.number != stable.number && $0.replicas > 0 }
        // The one that the canary Service selects is the last that may be empty.
        let selected = seen.traffic.canaryRevision
        for old in left.filter({ $0.number != selected }) + left.filter({ $0.number == selected }) {
            let gone = max(0, min(spare, old.readyReplicas))
            spare -= gone
            if old.readyReplicas - gone < old.replicas { decision.shrinks[old.number] = old.readyReplicas - gone }
        }
    }

    private var backMessage: String {
        guard let state else { return "" }
        let name = Self.name(state.canaryRevision ?? 0, state.canaryVersion)
        let isLong = state.stepStartedAt.map { now - $0 >= plan.progressDeadline } ?? false
        if state.desiredWeight > 0, stable.readyReplicas == 0, isLong {
            return
                "\(name) is rolled back (\(state.reason ?? "")), but the stable track serves nobody: it keeps \(state.desiredWeight) % of "
                + "the requests until that track gets ready; `modelfleet rollout promote --full` keeps it for good"
        }
        if state.desiredWeight > 0 {
            return
                "\(name) is rolled back (\(state.reason ?? "")): it keeps \(state.desiredWeight) % of the requests until the "
                + "stable track, with \(stable.readyReplicas) ready replicas, carries the rest"
        }
        if let problem = seen.traffic.problem { return "\(name) is rolled back (\(state.reason ?? "")): \(problem)" }
        return "\(name) is rolled back: \(state.reason ?? "")"
    }

    private mutating func endRollback(_ number: Int) {
        guard var state else { return }
        let outcome = state.outcome ?? .rolledBack
        let reason = state.reason ?? ""
        decision.ended.append(state.ended(outcome, reason, now))
        let name = Self.name(number, state.canaryVersion)
        let message = "\(name) was \(outcome == .aborted ? "aborted" : "rolled back"): \(reason)"
        decision.tell(outcome.rawValue, message, isWarning: outcome == .rolledBack)
        let isGone = seen.wanted.number == stable.number
        state.end(in: isGone ? .settled : .rolledBack, message: message)
        state.stableRevision = stable.number
        self.state = state
        decision.canaryReplicas = 0
        decision.failure = isGone ? nil : message
        if retries() { decision.look(in: .zero) }
    }
}
