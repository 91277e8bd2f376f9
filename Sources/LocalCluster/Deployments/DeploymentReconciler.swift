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
        let template = deployment.plainTemplate
        let occupied = own.filter { $0.plainTemplate != template }
            .contains { set in pods.owned(byUID: set.uid ?? "").contains { !$0.isPodFinished } }
        let plan = DeploymentPlan(deployment: deployment, replicaSets: own, occupied: occupied)
        var current = plan.current
        var isNew = false
        var collisions: Int?
        for action in plan.actions {
            switch action {
            case .create(let set):
                current = try await create(set, for: deployment)
                isNew = current != nil
                if current == nil { collisions = (deployment["status", "collisionCount"]?.int ?? 0) + 1 }
            case .update(let set, let from): try await update(set, from: from, deployment: deployment)
            case .delete(let set): try await client.deleteIfPresent(.replicaSets, set)
            }
        }
        if let revision = plan.revision, collisions == nil {
            let annotation: JSONValue = [DeploymentWords.revision: .string(String(revision))]
            if deployment.revisionNumber != revision {
                try await client.mergeIfPresent(.deployments, deployment, ["metadata": ["annotations": annotation]])
            }
        }
        let status = DeploymentStatus(
            deployment: deployment,
            current: current,
            replicaSets: own,
            created: isNew,
            collisions: collisions,
            now: time.now()
        )
        if status.json != deployment["status"] {
            try await client.mergeIfPresent(
                .deployments,
                deployment,
                ["status": status.json],
                subresource: "status"
            )
        }
        return status.requeue.map { .requeue(after: $0) } ?? .awaitChange
    }

    /// Creates the replica set of a new revision; `nil` when its name belongs to another template.
    private func create(_ set: KubeObject, for deployment: KubeObject) async throws -> KubeObject? {
        do throws(KubeError) {
            let created = try await client.create(.replicaSets, set)
            await events.record(
                deployment,
                .normal,
                reason: "ScalingReplicaSet",
                message: "Scaled up replica set \(set.name) from 0 to \(set.wantedReplicas)"
            )
            return created
        } catch {
            guard error.isAlreadyExists, let existing = try await client.find(.replicaSets, set.key) else {
                throw error
            }
            let isOurs = existing.controller?.uid == deployment.uid && existing.plainTemplate == set.plainTemplate
            return isOurs ? existing : nil
        }
    }

    private func update(_ set: KubeObject, from old: Int?, deployment: KubeObject) async throws {
        do throws(KubeError) {
            try await client.replace(.replicaSets, set)
        } catch {
            // The cache was late; the watch will bring the newer state and a new reconcile.
            if error.isConflict || error.isNotFound { return }
            throw error
        }
        guard let old else { return }
        let word = set.wantedReplicas > old ? "up" : "down"
        await events.record(
            deployment,
            .normal,
            reason: "ScalingReplicaSet",
            message: "Scaled \(word) replica set \(set.name) from \(old) to \(set.wantedReplicas)"
        )
    }
}
