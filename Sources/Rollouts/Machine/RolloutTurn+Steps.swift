// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// What a step, or the promotion, needs.
struct RolloutGoal: Sendable, Hashable {
    /// The canary's share of the requests.
    var weight: Int
    /// The replicas of the canary that must be ready.
    var needs: Int
    /// The share of the requests that is mirrored.
    var mirror: Int
}

extension RolloutTurn {
    /// The canary as it is seen.
    var canary: RevisionState { seen.revision(state?.canaryRevision ?? seen.wanted.number) }

    /// Whether the steps are done.
    var isPromoting: Bool { (state?.stepIndex ?? 0) >= plan.steps.count }

    /// What the tracks carry; while replicas are replaced one after the other, one of them is always missing.
    var capacity: TrackCapacity {
        let base = state?.isReplacing == true ? max(1, seen.demand - 1) : seen.demand
        return TrackCapacity(
            demand: seen.demand == 0 ? 0 : base,
            canaryReady: (draining ?? canary).readyReplicas,
            stableReady: stable.readyReplicas
        )
    }

    /// Another canary that still has what the canary Service is given.
    var draining: RevisionState? {
        guard seen.traffic.isAttached, let selected = seen.traffic.canaryRevision, selected != state?.canaryRevision
        else { return nil }
        return seen.revision(selected)
    }

    /// Whether there is such a canary.
    var isDraining: Bool { draining != nil }

    /// What the step asks for.
    var goal: RolloutGoal {
        if sleeps { return RolloutGoal(weight: 0, needs: 0, mirror: 0) }
        let full = max(1, seen.demand)
        guard let state, !isPromoting else {
            let isWeighted = plan.movesWeights && !seen.sharesByPods
            return RolloutGoal(weight: isWeighted ? 100 : state?.desiredWeight ?? 0, needs: full, mirror: 0)
        }
        let level = plan.level(at: state.stepIndex)
        let whole = TrackCapacity(demand: seen.demand, canaryReady: 0, stableReady: 0)
        let share =
            if !seen.sharesByPods {
                whole.needed(level.weight)
            } else if state.isReplacing {
                whole.replacedByPods(level.weight)
            } else {
                whole.sharedByPods(level.weight)
            }
        let needs = max(1, share, level.isFull ? full : level.replicas ?? 0)
        return RolloutGoal(weight: level.weight, needs: needs, mirror: level.mirror)
    }

    /// Goes on with the steps of a canary that is under way.
    mutating func goOn() {
        if state?.phase != .rollingBack { takeRequest() }
        if state?.phase != .rollingBack { look() }
        if state?.phase == .rollingBack { return rollBack() }
        follow(plan)
        hold()
        noteRoom()
        tellWeight()
        for _ in 0...plan.steps.count + 1 {
            moveWeight()
            noteReached()
            noteLack()
            guard state?.phase != .rollingBack, isStepDone() else { break }
            advance()
        }
        if state?.phase == .rollingBack { return rollBack() }
        act()
    }

    /// The plan may have changed since.
    private mutating func follow(_ plan: RolloutPlan) {
        guard var state else { return }
        state.strategy = plan.strategy
        state.stepCount = plan.steps.count
        state.stepIndex = min(state.stepIndex, plan.steps.count)
        self.state = state
    }

    /// Goes to the next step.
    mutating func advance() {
        guard var state else { return }
        state.stepIndex = min(state.stepIndex + 1, plan.steps.count)
        state.stepStartedAt = now
        state.reachedAt = nil
        state.lackingSince = nil
        state.phase = .progressing
        self.state = state
        if state.stepIndex == plan.steps.count, plan.strategy != .rollingUpdate {
            decision.tell(
                "Promoting",
                "\(Self.name(canary.number, state.canaryVersion)) passed all steps and takes over"
            )
        }
    }

    /// Notes since when a person holds the rollout.
    private mutating func hold() {
        guard plan.isPaused else {
            state?.heldAt = nil
            return
        }
        let now = now
        if state?.heldAt == nil { state?.heldAt = now }
    }

    /// The share that is asked for from now on.
    mutating func moveWeight() {
        guard var state else { return }
        var wanted = goal.weight
        if state.isReplacing, !seen.sharesByPods {
            // The stable track gives a replica up only for a share that has moved, so the share follows each replica that gets ready.
            wanted = min(max(wanted, replacedShare), max(state.desiredWeight, capacity.canaryCarries))
        }
        if plan.isPaused { wanted = sleeps ? 0 : state.restedWeight ?? state.desiredWeight }
        if isDraining { wanted = 0 }
        // A share that is to go may still be there, if what was decided wasn't written.
        let isGiven = seen.traffic.gives(state.desiredWeight)
        let live = isGiven ? state.desiredWeight : seen.traffic.isAttached ? seen.traffic.weight ?? 0 : 0
        var weight = capacity.weight(from: max(state.desiredWeight, min(live, 100)), to: wanted)
        // The pods that a replaced one made room for serve as soon as they are ready.
        if state.isReplacing, seen.sharesByPods, canary.readyReplicas > 0, !plan.isPaused, !isDraining {
            weight = max(weight, 1)
        }
        // A share may only be given to a Service that selects this canary.
        let isThere = seen.sharesByPods || seen.traffic.canaryRevision == state.canaryRevision
        if !isThere { weight = min(weight, max(state.desiredWeight, live)) }
        if sleeps {
            state.restedWeight = state.restedWeight ?? state.desiredWeight
        } else if !plan.isPaused || weight == state.restedWeight {
            state.restedWeight = nil
        }
        state.desiredWeight = weight
        state.mirrorPercent = canary.readyReplicas > 0 && isThere ? goal.mirror : 0
        self.state = state
    }

    /// Tells the share that the canary is seen to have, once the routes are as was decided.
    private mutating func tellWeight() {
        guard let state, !isDraining, let share = seen.traffic.achieved, share != state.toldWeight ?? 0 else { return }
        // Where the pods share the requests, each that comes or goes changes it: once a step is reached that is the scaling's doing.
        guard seen.sharesByPods ? state.reachedAt == nil && !isPromoting : seen.traffic.gives(state.desiredWeight)
        else { return }
        let wish = share == state.desiredWeight ? "" : " (\(state.desiredWeight) % wanted)"
        decision.tell(
            "WeightChanged",
            "\(Self.name(canary.number, state.canaryVersion)) has \(share) % of the requests\(wish), after "
                + "\(state.toldWeight ?? 0) %"
        )
        self.state?.toldWeight = share
    }

    /// Whether the canary is as the step asks.
    private var isReached: Bool {
        guard let state, !isDraining, canary.readyReplicas >= goal.needs else { return false }
        if goal.mirror > 0, !seen.traffic.isAttached { return false }
        if seen.sharesByPods { return goal.weight == 0 || seen.traffic.isAttached }
        if state.isReplacing { return seen.traffic.weight ?? 0 >= goal.weight || seen.traffic.gives(goal.weight) }
        return seen.traffic.gives(goal.weight) && state.desiredWeight == goal.weight
    }

    private mutating func noteReached() {
        guard var state, state.reachedAt == nil, !isPromoting, isReached else { return }
        state.reachedAt = now
        state.watchedFrom = nil
        if var judge = state.judge {
            // What was found at other weights is no evidence for this step.
            judge.beginStep()
            state.judge = judge
            if plan.judges { state.judgement = Judge(plan.judge).judgement(judge) }
        }
        self.state = state
        let place = "step \(state.stepIndex + 1) of \(plan.steps.count)"
        let name = Self.name(canary.number, state.canaryVersion)
        switch step {
        case .setWeight? where goal.weight > 0:
            // Whole pods rarely come to the very share that was asked for.
            let share = seen.traffic.achieved ?? goal.weight
            let wish = share == goal.weight ? "" : " (\(goal.weight) % wanted)"
            decision.tell("StepReached", "\(place): \(name) has \(share) % of the requests\(wish)")
        case .pause(nil)?: decision.tell("WaitsForPromotion", "\(place): \(name) waits until a person promotes it")
        default: break
        }
    }

    /// The step; `nil` for the promotion.
    var step: RolloutStep? {
        guard let state, plan.steps.indices.contains(state.stepIndex) else { return nil }
        return plan.steps[state.stepIndex]
    }

    /// Whether the canary doesn't have what it needs now.
    var isLacking: Bool {
        guard let state else { return false }
        if isPromoting { return canary.readyReplicas < goal.needs || !hasAllTraffic || isDraining }
        return state.reachedAt == nil ? !isReached : canary.readyReplicas < goal.needs
    }

    /// Whether the routes give the canary everything, where that is needed before the roles change.
    var hasAllTraffic: Bool {
        guard plan.movesWeights, !seen.sharesByPods else { return true }
        return seen.traffic.weight == 100 && seen.traffic.canaryRevision == canary.number
    }

    /// Keeps the clock of the progress deadline: what gets nearer starts it anew, and a larger demand does so where the revision has
    /// shown that it can get ready.
    private mutating func noteLack() {
        guard var state else { return }
        let needs = goal.needs
        let ready = canary.readyReplicas
        if plan.isPaused || !isLacking {
            state.lackingSince = nil
        } else if state.lackingSince == nil {
            state.lackingSince = now
            state.readySeen = ready
        } else if ready > state.readySeen {
            state.lackingSince = now
            state.readySeen = ready
        } else if needs > state.neededSeen, state.readySeen > 0 {
            state.lackingSince = now
        }
        state.neededSeen = needs
        self.state = state
        guard plan.strategy != .rollingUpdate || state.isReplacing, let since = state.lackingSince,
            now - since >= plan.progressDeadline
        else {
            return
        }
        beginRollback(.rolledBack, lateness)
    }

    /// Why the deadline is over.
    var lateness: String {
        let seconds = Int(plan.progressDeadline.inSeconds)
        let why = canary.failure ?? canary.hindrance ?? seen.traffic.problem
        if canary.readyReplicas >= goal.needs, let what = undone {
            return "\(what) within \(seconds) s (progressDeadlineSeconds)" + (why.map { ": \($0)" } ?? "")
        }
        return "revision \(canary.number) has \(canary.readyReplicas) of \(goal.needs) ready replicas after "
            + "\(seconds) s (progressDeadlineSeconds)" + (why.map { ": \($0)" } ?? "")
    }

    /// What isn't done of the traffic, as a clause; `nil` where that isn't what a revision lacks.
    private var undone: String? {
        if let draining { return "the requests of revision \(draining.number), which came before it, do not go back" }
        if goal.mirror > 0 { return "no requests are mirrored to revision \(canary.number)" }
        if isPromoting, hasAllTraffic { return nil }
        return "the routes do not give revision \(canary.number) its \(goal.weight) %"
    }

    /// Whether the step is over; sets the phase, and when it ends.
    private mutating func isStepDone() -> Bool {
        guard var state, let step else { return false }
        guard let reached = state.reachedAt, !isLacking else {
            // A step that was reached and only lacks replicas goes on: a larger demand ends no pause.
            state.phase = state.reachedAt == nil ? .progressing : waiting(step)
            state.deadline = state.lackingSince.map { $0 + plan.progressDeadline }
            self.state = state
            return heldTooLong()
        }
        if plan.isPaused {
            state.phase = .paused
            self.state = state
            return heldTooLong()
        }
        let isDone: Bool
        switch step {
        case .setWeight, .setReplicas, .mirror: isDone = true
        case .pause(let duration):
            state.phase = .paused
            let end = reached + (duration ?? plan.timeout)
            state.deadline = end
            self.state = state
            isDone = now >= end
            if isDone, duration == nil {
                beginRollback(
                    .rolledBack,
                    "nobody promoted it within \(Int(plan.timeout.inSeconds)) s (timeoutSeconds)"
                )
                return false
            }
        case .analysis(let duration):
            state.phase = .analyzing
            self.state = state
            isDone = analysisIsDone(since: reached, duration: duration ?? plan.analysisDuration)
        }
        return isDone
    }

    /// The phase of a step that has what it asks for.
    private func waiting(_ step: RolloutStep) -> RolloutState.Phase {
        if plan.isPaused { return .paused }
        return switch step {
        case .pause: .paused
        case .analysis: .analyzing
        case .setWeight, .setReplicas, .mirror: .progressing
        }
    }

    /// Rolls back what a person has held for too long; never done by itself.
    private mutating func heldTooLong() -> Bool {
        guard let since = state?.heldAt else { return false }
        let end = since + plan.timeout
        state?.deadline = end
        if now >= end {
            beginRollback(.rolledBack, "it was paused for \(Int(plan.timeout.inSeconds)) s (timeoutSeconds)")
        }
        return false
    }
}
