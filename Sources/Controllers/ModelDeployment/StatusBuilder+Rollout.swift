// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

extension StatusBuilder {
    /// The reason of the condition Progressing while the spec's revision is on its way to serve.
    static let newRevision = "NewRevision"
    /// The reason of conditions while a person holds a rollout, or the scaling.
    static let paused = "Paused"

    /// Whether another revision than the one that serves is wanted, or was given up.
    func isRolling(_ decision: RolloutDecision, wanted: Int, serving: Int) -> Bool {
        if decision.state?.phase.isActive == true { return true }
        return serving != wanted
    }

    /// `status.rollout`, `status.canary`, `status.history`, and the stable track's share.
    mutating func fillRollout(_ decision: RolloutDecision, serving: Int) {
        let stored = observation.stored["status"]
        let limit = observation.model.revisionHistoryLimit
        let ended = decision.ended.reversed().map(\.json)
        let history = Array((ended + (stored?["history"]?.array ?? [])).prefix(limit))
        status["history"] = history.isEmpty ? nil : .array(history)
        guard let state = decision.state else { return }
        status["rollout"] = state.json
        // Between two looks the answers of the last one hold.
        let checks = observation.evidence?.checks.map(\.json) ?? stored?.at("rollout", "checks")?.array ?? []
        if state.phase.isActive, !checks.isEmpty { status.set(.array(checks), at: "rollout", "checks") }
        guard state.phase.isActive, let number = decision.canaryRevision, number != serving else { return }
        var canary = track(number)
        let weight = share(decision)
        canary["weight"] = JSONValue(weight)
        canary["step"] = JSONValue(min(state.stepIndex + 1, max(1, state.stepCount)))
        if let judgement = state.judgement { canary["judgement"] = .string(judgement.reason) }
        status["canary"] = canary
        status.set(JSONValue(100 - weight), at: "stable", "weight")
    }

    /// The canary's share; while the routes can't be read, the last that was known.
    private func share(_ decision: RolloutDecision) -> Int {
        guard let state = decision.state else { return 0 }
        if let achieved = state.achievedWeight { return achieved }
        guard decision.trafficProblem != nil else { return state.desiredWeight }
        let canary = observation.stored["status", "canary"]
        return canary?["revision"]?.int == decision.canaryRevision ? canary?["weight"]?.int ?? 0 : 0
    }

    /// The conditions while a canary is under way, or after one was given up.
    mutating func setRollout(_ decision: RolloutDecision, wanted: Int, serving: Int) {
        let (progressing, healthy) = (ModelDeploymentCondition.progressing, ModelDeploymentCondition.rolloutHealthy)
        let state = decision.state
        let message = state?.message ?? ""
        let isTurning = decision.rootRevision == wanted && serving == wanted
        if isTurning, state?.phase != .rollingBack {
            set(progressing, true, Self.newRevision, "the new revision is ready and gets the traffic")
            return set(healthy, true, "RevisionReady", "the new revision is ready")
        }
        switch state?.phase {
        case .rollingBack?, .rolledBack?:
            let isFailedBefore =
                state?.startedAt != nil && state?.stepStartedAt == state?.startedAt
                && message.contains("was given up before")
            let reason = isFailedBefore ? "FailedBefore" : state?.outcome == .aborted ? "Aborted" : "RolledBack"
            let isGoingBack = state?.phase == .rollingBack
            set(progressing, isGoingBack, isGoingBack ? "RollingBack" : reason, message)
            // A spec that was set back already needs nothing more.
            let advice = wanted == decision.stableRevision ? "" : "; correct the spec or set it back"
            // Until it has the requests back, the message says who has them.
            let isBack = !isGoingBack || state?.desiredWeight == 0 && serving != decision.canaryRevision
            let serves = isBack ? "; the old revision serves on" : ""
            set(healthy, false, reason, "\(message)\(serves)\(advice)", warns: false)
        case .settled?, nil:
            guard isHeld else {
                // The one before has just been promoted; the next look starts this one.
                let next = "\(message); revision \(wanted), of a newer spec, comes next"
                set(progressing, true, Self.newRevision, next)
                return set(healthy, true, "Progressing", next)
            }
            set(progressing, false, Self.paused, message)
            set(healthy, true, Self.paused, message)
        default:
            if let failure = decision.failure {
                let isOver = state?.phase == .failed
                set(progressing, !isOver, isOver ? "RolloutFailed" : Self.newRevision, failure)
                let weight = share(decision)
                let kept = weight > 0 ? "\(100 - weight) % of the requests" : "the traffic"
                let advice = "the old revision keeps \(kept); correct the spec or set it back"
                set(healthy, false, "RevisionFailed", "\(failure); \(advice)")
            } else if isHeld {
                set(progressing, false, Self.paused, message)
                set(healthy, true, Self.paused, message)
            } else if state?.strategy == .rollingUpdate, let count = decision.canaryReplicas {
                set(
                    progressing,
                    true,
                    Self.newRevision,
                    "a new revision is brought up to \(count) replicas before it gets traffic"
                )
                set(healthy, true, "Progressing", "the new revision is getting ready")
            } else {
                set(progressing, true, state?.phase.rawValue ?? Self.newRevision, message)
                let problem = decision.trafficProblem
                set(healthy, problem == nil, problem?.reason ?? "Progressing", problem?.message ?? message)
            }
        }
    }

    /// Whether a person holds the rollout where it is.
    private var isHeld: Bool { observation.model.rolloutSpec["paused"]?.bool ?? false }

    /// What is true in a few words.
    func rolloutSummary(_ decision: RolloutDecision) -> String {
        guard let state = decision.state else { return "RollingOut" }
        switch state.phase {
        case .failed: return "RolloutFailed"
        case .rollingBack: return "RollingBack"
        case .rolledBack: return state.outcome == .aborted ? "Aborted" : "RolledBack"
        case .settled: return isHeld ? "Paused" : "RollingOut"
        case .progressing, .paused, .analyzing, .promoting:
            let weight = share(decision)
            if isHeld { return "Paused \(weight)%" }
            return state.strategy == .rollingUpdate ? "RollingOut" : "\(state.phase.rawValue) \(weight)%"
        }
    }
}
