// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Turns Deployments into replica sets, a revision each.
struct DeploymentReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The Deployments.
    let deployments: ObjectStore
    /// The replica sets.
    let sets: ObjectStore
    /// The pods.
    let pods: ObjectStore
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let deployment = deployments.object(key), let uid = deployment.uid else { return .awaitChange }
        let adoption = Adoption(owner: deployment, among: sets.all(namespace: key.namespace))
        if try await adoption.perform(client, .replicaSets, ownerType: .deployments) {
            return .requeue(after: .milliseconds(50))
        }
        let own = sets.owned(byUID: uid).filter { $0.controller?.uid == uid }
        let plan = DeploymentPlan(deployment: deployment, replicaSets: own, occupied: isOccupied(deployment, own))
        var seen = DeploymentObservation(
            deployment: deployment,
            mode: plan.mode,
            current: plan.current,
            replicaSets: own
        )
        var refusal: KubeError?
        for action in plan.actions {
            switch action {
            case .create(let set): refusal = try await create(set, &seen)
            case .update(let set, let from): try await update(set, from: from, deployment: deployment)
            case .delete(let set): try await client.deleteIfPresent(.replicaSets, set)
            }
        }
        let isStuck = refusal != nil || seen.collisions != nil
        let status = DeploymentStatus(seen, now: time.now())
        try await write(status, revision: isStuck ? nil : plan.revision, to: deployment)
        if let refusal { throw refusal }
        return status.requeue.map { .requeue(after: $0) } ?? .awaitChange
    }

    /// Whether pods of earlier templates are still there.
    private func isOccupied(_ deployment: KubeObject, _ own: [KubeObject]) -> Bool {
        guard deployment["spec", "strategy", "type"]?.string == "Recreate" else { return false }
        let template = deployment.plainTemplate
        return own.filter { $0.plainTemplate != template }
            .contains { set in pods.owned(byUID: set.uid ?? "").contains { !$0.isPodFinished } }
    }

    /// Writes status and revision in one request, where they changed.
    private func write(_ status: DeploymentStatus, revision: Int64?, to deployment: KubeObject) async throws {
        var metadata = JSONValue.emptyObject
        metadata["uid"] = JSONValue(deployment.uid)
        metadata["resourceVersion"] = JSONValue(deployment.resourceVersion)
        if let revision, deployment.revisionNumber != revision {
            metadata["annotations"] = [DeploymentWords.revision: .string(String(revision))]
        } else if status.json == deployment["status"] {
            return
        }
        let patch = status.json.mergePatch(removingRestOf: deployment["status"])
        do throws(KubeError) {
            try await client.patch(
                .deployments,
                deployment.key,
                .merge(["metadata": metadata, "status": patch]),
                subresource: "status"
            )
        } catch {
            // A conflict is thrown: the controller looks again at what is there by then.
            if !error.isNotFound { throw error }
        }
    }

    /// Creates the replica set of a new revision; what hindered it is answered once the status tells of it.
    private func create(_ set: KubeObject, _ seen: inout DeploymentObservation) async throws -> KubeError? {
        do throws(KubeError) {
            // With an old view a replica set would be made for a Deployment that is gone, collected, and made again.
            let live = try await client.find(.deployments, seen.deployment.key)
            guard let live, live.uid == seen.deployment.uid, !live.isBeingDeleted else { return nil }
            seen.current = try await client.create(.replicaSets, set)
            seen.isNew = true
        } catch {
            if error.isAlreadyExists, let existing = try await client.find(.replicaSets, set.key) {
                if existing.controller?.uid == seen.deployment.uid && existing.plainTemplate == set.plainTemplate {
                    // The cache was late.
                    seen.current = existing
                } else {
                    seen.collisions = (seen.deployment["status", "collisionCount"]?.int ?? 0) + 1
                }
                return nil
            }
            let message = "Failed to create new replica set \"\(set.name)\": \(error.message)"
            seen.failure = message
            await events.record(seen.deployment, .warning, reason: "ReplicaSetCreateError", message: message)
            return error
        }
        if set.wantedReplicas > 0 { await recordScaling(seen.deployment, set, from: 0) }
        return nil
    }

    private func update(_ set: KubeObject, from old: Int?, deployment: KubeObject) async throws {
        do throws(KubeError) {
            try await client.replace(.replicaSets, set)
        } catch {
            if error.isNotFound { return }
            throw error
        }
        if let old { await recordScaling(deployment, set, from: old) }
    }

    private func recordScaling(_ deployment: KubeObject, _ set: KubeObject, from old: Int) async {
        let word = set.wantedReplicas > old ? "up" : "down"
        await events.record(
            deployment,
            .normal,
            reason: "ScalingReplicaSet",
            message: "Scaled \(word) replica set \(set.name) from \(old) to \(set.wantedReplicas)"
        )
    }
}
