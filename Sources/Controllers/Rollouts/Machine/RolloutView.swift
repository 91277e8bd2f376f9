// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Scaling

/// A model's revisions as the rollout machine sees them.
struct RolloutView {
    /// What is seen.
    let observation: ModelObservation
    /// The revision of the spec.
    let wanted: Int
    /// Its fingerprint.
    let hash: String

    /// What the machine decides from.
    func machine(_ plan: RolloutPlan) -> RolloutObservation {
        let model = observation.model
        let stable = observation.stableRevision
        var traffic = observation.traffic ?? TrafficObservation()
        if observation.traffic == nil {
            traffic.rootRevision = observation.selectedRevision
            traffic.canaryRevision = RolloutRouting.selected(observation.canaryService)
        }
        let request = model.object.annotation(FleetAPI.rolloutRequestAnnotation).flatMap { RolloutRequest($0) }
        var seen = RolloutObservation(
            time: observation.time,
            plan: plan,
            state: observation.rollout,
            stable: stable.map { revision($0) },
            wanted: revision(wanted),
            demand: demand(stable),
            traffic: traffic,
            sharesByPods: observation.sharesByPods,
            request: request,
            evidence: observation.evidence,
            failedBefore: failedBefore,
            others: observation.deployments.map { revision(ModelObservation.revision(of: $0)) }
        )
        seen.isAtRest = isAtRest(stable)
        return seen
    }

    /// Whether the stable track has no replica because nobody uses the model; one whose Deployment is gone has none either.
    private func isAtRest(_ stable: Int?) -> Bool {
        let scaling = observation.model.scaling
        guard scaling.engine == .direct, scaling.idleSeconds != nil,
            let deployment = stable.flatMap(observation.deployment)
        else { return false }
        return deployment["spec", "replicas"]?.int == 0 && deployment["status", "replicas"]?.int ?? 0 == 0
    }

    /// The replicas that the whole load needs: what the stable track has, or while both tracks share them what the scaling acted on.
    func demand(_ stable: Int?) -> Int? {
        let model = observation.model
        let asked = stable.flatMap { observation.deployment($0)?["spec", "replicas"]?.int }
        guard observation.rollout?.isSharing == true else { return asked }
        return model.outsideReplicas ?? observation.actedReplicas ?? asked
    }

    /// Why a revision with this fingerprint was given up by the machine, where that is the last that is known of it.
    private var failedBefore: String? {
        let last = (observation.model.object["status", "history"]?.array ?? []).first { $0["hash"]?.string == hash }
        guard last?["outcome"]?.string == RolloutOutcome.Kind.rolledBack.rawValue else { return nil }
        return last?["reason"]?.string ?? "no reason is known"
    }

    /// Why what is wanted couldn't be made at the last try, as the status says.
    private var refusal: String? {
        let progressing = ConditionSet(observation.stored)[ModelDeploymentCondition.progressing]
        return progressing.flatMap { ApplyRefused.reasons.contains($0.reason) ? $0.message : nil }
    }

    private func revision(_ number: Int) -> RevisionState {
        let deployment = observation.deployment(number)
        let isWanted = number == wanted
        let version = deployment?.annotation(FleetAPI.versionAnnotation)
        var state = RevisionState(
            number: number,
            hash: isWanted ? hash : deployment?.annotation(FleetAPI.revisionHashAnnotation) ?? "",
            version: version ?? (isWanted ? observation.model.versionName : ""),
            replicas: deployment.map { $0["spec", "replicas"]?.int ?? 1 } ?? 0,
            readyReplicas: observation.readyReplicas(number)
        )
        if state.readyReplicas == 0 { state.unavailableSince = observation.unavailableSince(number) }
        let rollout = observation.rollout
        let isRole =
            number == rollout?.canaryRevision || rollout?.phase.isActive == true && number == rollout?.stableRevision
        if deployment == nil, isWanted { state.hindrance = refusal }
        guard deployment != nil, isWanted || isRole else { return state }
        if let failure = observation.failure(of: number) {
            if failure.isSlow { state.hindrance = failure.message } else { state.failure = failure.message }
        }
        state.isUnschedulable = PodDiagnosis.unready(observation.pods(of: number)).contains {
            PodDiagnosis.failure($0)?.reason == "Unschedulable"
        }
        if deployment.map(PodDiagnosis.lacksQuota) == true { state.isUnschedulable = true }
        return state
    }
}
