// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Scaling
import Synchronization

/// The HorizontalPodAutoscaler controller (autoscaling/v2, `horizontal.go` of Kubernetes 1.36), on the rules in `Scaling`.
struct AutoscalerReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// What each autoscaler has recommended and done.
    let memory: AutoscalerMemory
    /// Where events go.
    let events: EventRecorder
    /// The time between looks; the controller manager's 15 s.
    let period: Duration
    /// The clock.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let autoscaler = try await client.find(.horizontalPodAutoscalers, key), let uid = autoscaler.uid,
            !autoscaler.isBeingDeleted
        else {
            memory.forget(key)
            return .awaitChange
        }
        var turn = AutoscalerTurn(autoscaler, now: time.now())
        do {
            let target = try await ScaleTarget(
                client,
                reference: autoscaler["spec", "scaleTargetRef"] ?? .emptyObject,
                namespace: autoscaler.namespace ?? ""
            )
            let spec = AutoscalerSpec(autoscaler)
            await scale(&turn, target, spec, memory.behavior(key, uid: uid, spec: spec))
        } catch let error where !(error is CancellationError) {
            let message = (error as? KubeError)?.message ?? "\(error)"
            turn.condition("AbleToScale", .isFalse, "FailedGetScale", Self.noScale + message)
            await events.record(autoscaler, .warning, reason: "FailedGetScale", message: message)
        }
        if let status = turn.changedStatus {
            try await client.patch(
                .horizontalPodAutoscalers,
                key,
                .merge(["status": status]),
                subresource: "status"
            )
        }
        return .requeue(after: period)
    }

    private static let noScale = "the HPA controller was unable to get the target's current scale: "

    private func scale(
        _ turn: inout AutoscalerTurn,
        _ target: ScaleTarget,
        _ spec: AutoscalerSpec,
        _ remembered: HPABehavior
    ) async {
        turn.condition(
            "AbleToScale",
            .isTrue,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale"
        )
        turn.currentReplicas = target.wanted
        turn.currentMetrics = []
        if target.wanted == 0, spec.minReplicas != 0 {
            turn.condition(
                "ScalingActive",
                .isFalse,
                "ScalingDisabled",
                "scaling is disabled since the replica count of the target is zero"
            )
            turn.desiredReplicas = 0
            return
        }
        var behavior = remembered
        let wanted: (count: Int, why: String)
        if target.wanted > spec.maxReplicas {
            wanted = (spec.maxReplicas, "Current number of replicas above Spec.MaxReplicas")
        } else if target.wanted < spec.minReplicas {
            wanted = (spec.minReplicas, "Current number of replicas below Spec.MinReplicas")
        } else if let answer = await byMetrics(&turn, target, spec, &behavior) {
            wanted = answer
        } else {
            return
        }
        // What wasn't written uses up no rate; the recommendation counts all the same.
        if wanted.count == target.wanted {
            turn.desiredReplicas = wanted.count
        } else if await rescale(&turn, target, to: wanted.count, why: wanted.why) {
            behavior.scaled(from: target.wanted, to: wanted.count, seconds: turn.now.seconds)
        }
        memory.keep(turn.autoscaler, behavior)
    }

    /// Writes the count; answers whether it was written.
    private func rescale(
        _ turn: inout AutoscalerTurn,
        _ target: ScaleTarget,
        to count: Int,
        why: String
    ) async -> Bool {
        do {
            try await client.setReplicas(count, of: target.type, target.key)
        } catch {
            let message = "the HPA controller was unable to update the target scale: \(error.message)"
            turn.condition("AbleToScale", .isFalse, "FailedUpdateScale", message)
            await events.record(
                turn.autoscaler,
                .warning,
                reason: "FailedRescale",
                message: "New size: \(count); reason: \(why); error: \(error.message)"
            )
            return false
        }
        turn.desiredReplicas = count
        turn.rescaled()
        turn.condition(
            "AbleToScale",
            .isTrue,
            "SucceededRescale",
            "the HPA controller was able to update the target scale to \(count)"
        )
        await events.record(
            turn.autoscaler,
            .normal,
            reason: "SuccessfulRescale",
            message: "New size: \(count); reason: \(why)"
        )
        return true
    }

    /// The count that the metrics ask for, stabilized and within the limits; `nil` where nothing may change.
    private func byMetrics(
        _ turn: inout AutoscalerTurn,
        _ target: ScaleTarget,
        _ spec: AutoscalerSpec,
        _ behavior: inout HPABehavior
    ) async -> (count: Int, why: String)? {
        guard let pods = await pods(&turn, of: target) else { return nil }
        let reader = AutoscalerMetrics(
            client: client,
            target: target,
            namespace: target.key.namespace ?? "",
            pods: pods,
            calculator: spec.calculator,
            time: time
        )
        var best: MetricProposal?
        var failure: MetricFailure?
        for metric in spec.metrics {
            do throws(MetricFailure) {
                let proposal = try await reader.proposal(metric)
                turn.currentMetrics.append(proposal.current)
                if proposal.replicas > best?.replicas ?? -1 { best = proposal }
            } catch {
                turn.currentMetrics.append(["type": ""])
                failure = failure ?? error
                await events.record(turn.autoscaler, .warning, reason: error.reason, message: error.message)
            }
        }
        // With a metric missing, the others may raise the count, never lower it.
        guard let best, failure == nil || best.replicas >= target.wanted else {
            let found = failure ?? MetricFailure(reason: "InvalidMetricSourceType", message: "there is no metric")
            let message = "the HPA was unable to compute the replica count: \(found.message)"
            turn.condition("ScalingActive", .isFalse, found.reason, message)
            await events.record(
                turn.autoscaler,
                .warning,
                reason: "FailedComputeMetricsReplicas",
                message: "invalid metrics, first error is: \(found.message)"
            )
            return nil
        }
        turn.condition(
            "ScalingActive",
            .isTrue,
            "ValidMetricFound",
            "the HPA was able to successfully calculate a replica count from \(best.name)"
        )
        let adjustment = behavior.normalized(
            best.replicas,
            current: target.wanted,
            bounds: spec.minReplicas...spec.maxReplicas,
            seconds: turn.now.seconds
        )
        turn.adjusted(adjustment)
        let why = best.replicas > target.wanted ? "\(best.name) above target" : "All metrics below target"
        return (adjustment.count, why)
    }
}
