// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

extension RolloutTurn {
    /// Lets the judge look where something happened; in every step, whatever it waits for.
    mutating func look() {
        guard plan.judges, var state, let evidence = seen.evidence else { return }
        var memory = state.judge ?? JudgeState()
        // What the checks say is kept with the judgement: it holds until the next look.
        state.judgement = Judge(plan.judge).look(&memory, canary: evidence.canary, stable: evidence.stable)
            .with(evidence.checks)
        state.judge = memory
        state.noteLook(now, interval: plan.interval)
        self.state = state
        if state.judgement?.verdict == .worse {
            beginRollback(.rolledBack, state.judgement?.reason ?? "the canary is worse")
        }
    }

    /// Whether an analysis has its answer.
    mutating func analysisIsDone(since reached: WallTime, duration: Duration) -> Bool {
        guard plan.judges else { return true }
        if stableIsBroken() { return true }
        let verdict = state?.judgement?.verdict ?? .noData
        let end = (state?.watchedFrom ?? reached) + duration
        let isOver = now >= end
        let action = AnalysisRule.action(
            verdict,
            isOver: isOver,
            onNoData: plan.onNoData,
            onInconclusive: plan.onInconclusive
        )
        switch action {
        case .advance: return true
        case .rollBack:
            beginRollback(.rolledBack, state?.judgement?.reason ?? "no data: nothing was measured")
            return false
        case .wait: break
        }
        let last = max(reached + plan.timeout, end)
        state?.deadline = isOver ? last : end
        if now >= last {
            let why = state?.judgement?.reason ?? "no data: nothing was measured"
            beginRollback(.rolledBack, "no answer within \(Int(plan.timeout.inSeconds)) s (timeoutSeconds): \(why)")
        }
        return false
    }

    /// Whether the stable track has served nobody for the progress deadline: nothing can be compared with it, and it must not hold up what
    /// may replace it. One that has no ready replica for less may just be starting.
    private mutating func stableIsBroken() -> Bool {
        guard stable.readyReplicas == 0, seen.demand > 0 else { return false }
        let rest = plan.progressDeadline - (now - (stable.unavailableSince ?? now))
        if rest > .zero { decision.look(in: rest) }
        return rest <= .zero
    }

    // MARK: Requests

    /// Does what a person asks, once.
    mutating func takeRequest() {
        guard let request = seen.request, request.text != state?.handledRequest else { return }
        // A wish to try it again is done once nothing of it serves any more.
        if retries(), state?.phase == .rollingBack { return }
        var state = self.state ?? RolloutState(settledOn: stable.number, strategy: plan.strategy)
        state.handledRequest = request.text
        self.state = state
        let asked = "\(request.action.rawValue) of revision \(request.revision)"
        func ignore(_ why: String) { decision.tell("RequestIgnored", "\(asked): \(why)", isWarning: true) }
        guard state.phase.isActive, let canary = state.canaryRevision else {
            return ignore(
                state.phase == .rolledBack
                    ? "revision \(state.canaryRevision ?? 0) was given up; retry it first"
                    : "no rollout is under way"
            )
        }
        guard request.revision == canary else { return ignore("revision \(canary) is rolled out now") }
        switch request.action {
        case .promote:
            guard state.phase != .rollingBack, !isPromoting else {
                return ignore(state.phase == .rollingBack ? "it is being rolled back" : "it is being promoted already")
            }
            guard request.step == state.stepIndex else {
                return ignore("it was at step \(request.step + 1) then, and is at step \(state.stepIndex + 1) now")
            }
            decision.tell("StepPromoted", "step \(state.stepIndex + 1) of \(plan.steps.count) was ended by a person")
            advance()
        case .promoteFull:
            state.stepIndex = plan.steps.count
            state.phase = .promoting
            state.stepStartedAt = now
            state.reachedAt = nil
            state.lackingSince = nil
            state.drainedAt = nil
            state.outcome = nil
            state.reason = nil
            self.state = state
            decision.tell("Promoting", "\(Self.name(canary, state.canaryVersion)) takes over: a person asked for it")
        case .abort:
            guard state.phase != .rollingBack else { return ignore("it is being rolled back already") }
            beginRollback(.aborted, "a person asked for it")
        case .retry: ignore("it is under way")
        }
    }

    // MARK: The sentence

    /// What is going on, for a person, with what of the wish has no effect.
    var message: String {
        let sentence = sentence
        guard !sentence.isEmpty, let remark = seen.traffic.remark else { return sentence }
        return "\(sentence); \(remark)"
    }

    private var sentence: String {
        guard let state else { return "" }
        let name = Self.name(canary.number, state.canaryVersion)
        let ready = "\(canary.readyReplicas) of \(goal.needs) ready replicas"
        let place = isPromoting ? "promotion" : "step \(state.stepIndex + 1) of \(plan.steps.count)"
        if sleeps {
            let held = plan.isPaused ? "; spec.rollout.paused is true" : ""
            return "\(place): \(name) sleeps with the model, which nobody uses; the first request wakes both\(held)"
        }
        if plan.isPaused { return "\(place): \(name) stays where it is: spec.rollout.paused is true" }
        if let failure = decision.failure { return "\(place): \(failure)\(deadlock)" }
        if canary.readyReplicas < goal.needs {
            let why = state.isReplacing ? "; replicas are replaced one after the other, for lack of room" : ""
            return "\(place): \(name) has \(ready)\(why)\(deadlock)"
        }
        if state.phase == .analyzing {
            return "\(place): \(state.judgement?.reason ?? "no data: nothing was measured yet")"
        }
        if state.phase == .paused {
            guard case .pause(.some)? = step else { return "\(place): \(name) waits until a person promotes it" }
            return "\(place): \(name) waits"
        }
        if let problem = seen.traffic.problem { return "\(place): \(problem)" }
        return isPromoting
            ? "\(place): \(name) has \(ready) and takes over"
            : "\(place): \(name) has \(ready) and gets \(state.desiredWeight) % of the requests"
    }
}

extension RolloutState {
    /// The judge looks. An analysis whose operator was away has as much time as before: otherwise its end would be decided by what nobody
    /// had looked at.
    mutating func noteLook(_ now: WallTime, interval: Duration) {
        if let reachedAt {
            let from = watchedFrom ?? reachedAt
            let missed = now - max(lookedAt ?? reachedAt, reachedAt) - interval
            if missed > interval { watchedFrom = from + missed }
        }
        lookedAt = now
    }
}
