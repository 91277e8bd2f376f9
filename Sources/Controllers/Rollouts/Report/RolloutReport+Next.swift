// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts

/// What happens by itself, and what a person can do.
extension RolloutReport {
    /// What the deadline of the phase does.
    private enum Deadline {
        /// The next step begins.
        case goesOn
        /// The canary is given up.
        case rollsBack
        /// Nothing, but from then on an answer or a person is waited for.
        case waits
        /// The revision counts as failed, and is tried on.
        case fails
        /// All requests return, whatever the stable track carries.
        case returns
    }

    private var plan: RolloutPlan { ModelDeployment(model).rolloutPlan }

    private var planned: RolloutStep? { plan.steps.indices.contains(step) ? plan.steps[step] : nil }

    private func time(_ field: String) -> WallTime? { rollout?[field]?.string.flatMap(WallTime.init(rfc3339:)) }

    /// `is rolled back by itself in 23 h, at 2026-01-02T00:00:00Z`; `nil` where time alone changes nothing.
    var deadlineNote: String? {
        guard isActive, isObserved, let deadline = time("deadline"), let what = outcome(of: deadline) else {
            return nil
        }
        let left = (deadline - now).inSeconds
        let when = (left >= 0 ? "in \(StyledLine.span(seconds: left))" : "now") + ", at \(deadline.rfc3339)"
        switch what {
        case .goesOn: return "goes on by itself \(when)"
        case .rollsBack: return "is rolled back by itself \(when), unless something changes"
        case .waits: return "the analysis' time is over \(when); from then on it waits for an answer, or for a person"
        case .fails: return "counts as failed \(when), and is tried on"
        case .returns: return "all requests return \(when), wherever the stable track serves at all"
        }
    }

    private func outcome(of deadline: WallTime) -> Deadline? {
        switch phase {
        case "RollingBack": return (rollout?["desiredWeight"]?.int ?? 0) > 0 ? .returns : nil
        // One that replaces replicas has none to spare for trying on.
        case "Promoting" where plan.strategy == .rollingUpdate && rollout?["isReplacing"]?.bool != true: return .fails
        case "Paused" where !plan.isPaused && time("lackingSince") == nil:
            if case .pause(.some)? = planned { return .goesOn }
            return .rollsBack
        case "Analyzing" where time("lackingSince") == nil: return isAnalysisOver(by: deadline) ? .rollsBack : fallback
        default: return .rollsBack
        }
    }

    /// Whether the deadline is that of the whole step, since the time of its analysis is over.
    private func isAnalysisOver(by deadline: WallTime) -> Bool {
        guard let reached = time("watchedFrom") ?? time("reachedAt") else { return false }
        return deadline - reached > analysisTime + .seconds(1)
    }

    private var analysisTime: Duration {
        guard case .analysis(let duration?)? = planned else { return plan.analysisDuration }
        return duration
    }

    /// What the end of the analysis brings, if nothing is certain until then.
    private var fallback: Deadline {
        let isEmpty = rollout?.at("judgement", "verdict")?.string ?? "NoData" == "NoData"
        switch isEmpty ? plan.onNoData : plan.onInconclusive {
        case .wait: return plan.timeout > analysisTime ? .waits : .rollsBack
        case .promote: return .goesOn
        case .rollback: return .rollsBack
        }
    }

    /// The commands that make sense now, where a person is waited for; `nil` where nobody is.
    var nextNote: String? {
        guard isObserved else { return nil }
        func command(_ verb: String) -> String { "`modelfleet rollout \(verb) \(model.name)`" }
        if isHeld { return "a person goes on with \(command("resume"))" }
        switch phase {
        case "Paused", "Analyzing":
            guard let deadline = time("deadline"), outcome(of: deadline) == .rollsBack, time("lackingSince") == nil,
                phase == "Paused" || isAnalysisOver(by: deadline)
            else { return nil }
            return "a person decides: \(command("promote")) or \(command("abort"))"
        case "Failed": return "correct the spec, or go back with \(command("undo"))"
        case "RolledBack":
            return "correct the spec, go back with \(command("undo")), or try it again with \(command("retry"))"
        default: return nil
        }
    }

    /// What a person asked for and the operator hasn't taken up: it is away, or what was asked for has to wait.
    var requestNote: String? {
        guard let text = model.annotation(FleetAPI.rolloutRequestAnnotation), let request = RolloutRequest(text),
            text != rollout?["handledRequest"]?.string
        else { return nil }
        return "asked for and not done yet: \(request.action.rawValue) of revision \(request.revision)"
    }

    /// Whether a person holds a rollout where it is, or one that has not begun.
    var isHeld: Bool { Self.isHeld(model) }

    /// The same of a model.
    static func isHeld(_ model: KubeObject) -> Bool {
        guard model["spec", "rollout", "paused"]?.bool ?? false else { return false }
        let rollout = model["status", "rollout"]
        return switch rollout?["phase"]?.string ?? "Settled" {
        case "RolledBack": false
        case "Settled": rollout?["message"]?.string?.contains("spec.rollout.paused") ?? false
        default: true
        }
    }
}
