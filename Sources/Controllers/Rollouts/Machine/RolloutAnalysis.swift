// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts

/// What a rollout's judge sees, and who is told of what becomes of it.
struct RolloutAnalysis: Sendable {
    /// Looks at the scraped pages.
    let feed: AnalysisFeed
    /// Asks further checks.
    let checks: CheckPoller
    /// Tells webhooks.
    let notifier: Notifier

    /// What happened on both tracks since the judge's last look; `nil` where nothing reaches the canary, which isn't the preview of BlueGreen
    /// either, or it isn't time.
    func evidence(_ observation: ModelObservation) -> RolloutEvidence? {
        let plan = observation.model.rolloutPlan
        guard let state = observation.rollout, state.phase.isActive, state.phase != .rollingBack, plan.judges,
            let canary = state.canaryRevision,
            observation.traffic?.isAttached == true || plan.strategy == .blueGreen && isPreview(canary, observation),
            state.lookedAt.map({ observation.time - $0 >= plan.interval }) ?? true,
            case .found = ServingRuntime.choose(for: observation.model, among: observation.runtimes)
        else { return nil }
        let look = feed.look(
            observation,
            canary: canary,
            stable: state.stableRevision,
            warmup: observation.model.analysisWarmup
        )
        let questions = AnalysisCheck.list(observation.model.rolloutSpec.at("analysis", "checks"))
        let context = CheckContext(
            model: observation.stored.key,
            revision: canary,
            stableRevision: state.stableRevision,
            version: state.canaryVersion,
            step: state.stepIndex,
            weight: state.desiredWeight
        )
        return RolloutEvidence(
            canary: look.canary,
            stable: look.stable,
            checks: checks.outcomes(questions, about: context, interval: plan.interval)
        )
    }

    /// Whether a tester, or a check, reaches a revision through the canary Service.
    private func isPreview(_ revision: Int, _ observation: ModelObservation) -> Bool {
        RolloutRouting.selected(observation.canaryService) == revision && observation.readyReplicas(revision) > 0
    }

    /// Notes in the wanted status what happens with it, and lets the notifier see what is stored.
    func note(_ plan: inout ModelPlan, _ observation: ModelObservation) {
        let stored = observation.stored
        guard plan.status["rollout"] != nil else { return }
        let targets = NotificationTarget.list(stored["spec", "rollout", "notifications"])
        notifier.note(stored)
        TransitionLog.record(
            previous: stored["status"],
            in: &plan.status,
            ended: plan.rollout?.ended.map(\.json) ?? [],
            hasTargets: !targets.isEmpty,
            delivered: notifier.told(stored.key),
            now: observation.time
        )
        guard let decision = plan.rollout, let phase = decision.state?.phase else { return }
        if !phase.isActive { feed.forget(stored.key) }
        // Nobody reads the answers about a canary any more that goes back or has ended.
        if !phase.isActive || phase == .rollingBack || !decision.ended.isEmpty { checks.forget(stored.key) }
    }

    /// Forgets a model that is gone.
    func forget(_ key: ObjectKey) {
        feed.forget(key)
        checks.forget(key)
        notifier.forget(key)
    }
}
