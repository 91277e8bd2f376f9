// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Keeps as many pods as each replica set wants.
struct ReplicaSetReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The replica sets.
    let sets: ObjectStore
    /// The pods.
    let pods: ObjectStore
    /// Writes that `pods` doesn't show yet.
    let pending: PendingWrites
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let set = sets.object(key), let uid = set.uid else { return .awaitChange }
        let candidates = pods.all(namespace: key.namespace).filter(\.isPodActive)
        if try await Adoption(owner: set, among: candidates).perform(client, .pods, ownerType: .replicaSets) {
            return .requeue(after: .milliseconds(50))
        }
        let now = time.now()
        let own = pods.owned(byUID: uid).filter { $0.controller?.uid == uid }
        let (unseen, doomed) = pending.pending(owner: uid, seen: Set(own.compactMap(\.uid)), now: now)
        let plan = ReplicaSetPlan(
            set: set,
            pods: own,
            related: related(to: set),
            unseen: unseen,
            doomed: doomed,
            now: now
        )
        let failure = await apply(plan, to: set, uid: uid)
        var status = plan.status
        status["conditions"] = Self.conditions(failure, removing: !plan.deletions.isEmpty, set: set, now: now)
        if status != set["status"] {
            try await client.mergeIfPresent(
                .replicaSets,
                set,
                ["status": status.mergePatch(removingRestOf: set["status"])],
                subresource: "status"
            )
        }
        if let failure { throw failure }
        // What the watch never shows (a pod that came and went while it was broken) is waited for only so long.
        let patience = unseen > 0 || !doomed.isEmpty ? PendingWrites.patience + .seconds(1) : nil
        return [plan.requeue, patience].compactMap(\.self).min().map { .requeue(after: $0) } ?? .awaitChange
    }

    /// The pods that the sets of the same owner select, whoever owns them (`getIndirectlyRelatedPods`); none without an owner.
    private func related(to set: KubeObject) -> [KubeObject] {
        guard let owner = set.controller else { return [] }
        let selectors = sets.owned(byUID: owner.uid).filter { $0.controller?.uid == owner.uid }
            .compactMap { try? LabelSelector($0["spec", "selector"] ?? .null) }
        return pods.all(namespace: set.namespace).filter { pod in selectors.contains { $0.matches(pod.labels) } }
    }

    /// Whether the server itself still has the set. With an old view pods would be made for a set that is gone, collected,
    /// and made again, as fast as the requests go.
    private func isPresent(_ set: KubeObject) async throws(KubeError) -> Bool {
        guard let current = try await client.find(.replicaSets, set.key) else { return false }
        return current.uid == set.uid && !current.isBeingDeleted
    }

    private func apply(_ plan: ReplicaSetPlan, to set: KubeObject, uid: String) async -> KubeError? {
        if plan.creations > 0 {
            do { guard try await isPresent(set) else { return nil } } catch { return error }
        }
        for _ in 0..<plan.creations {
            do throws(KubeError) {
                let pod = try await client.create(.pods, ReplicaSetPlan.pod(of: set))
                if let created = pod.uid, pods.object(pod.key) == nil {
                    pending.created(created, owner: uid, now: time.now())
                    // The watch may have been quicker than this note.
                    if pods.object(pod.key) != nil { pending.observed(ObjectChangeFacts(old: nil, new: pod)) }
                }
                await events.record(set, .normal, reason: "SuccessfulCreate", message: "Created pod: \(pod.name)")
            } catch {
                await events.record(
                    set,
                    .warning,
                    reason: "FailedCreate",
                    message: "Error creating: \(error.message)"
                )
                return error
            }
        }
        for pod in plan.deletions {
            do throws(KubeError) {
                pending.deleted(pod.uid ?? "", owner: uid, now: time.now())
                try await client.delete(.pods, pod.key, options: DeleteOptions(uid: pod.uid))
                await events.record(set, .normal, reason: "SuccessfulDelete", message: "Deleted pod: \(pod.name)")
            } catch {
                if error.isNotFound { continue }
                // Not deleted, as far as is known: the next look decides again, and a deletion may be sent twice.
                pending.keeps(pod.uid ?? "", owner: uid)
                await events.record(
                    set,
                    .warning,
                    reason: "FailedDelete",
                    message: "Error deleting: \(error.message)"
                )
                return error
            }
        }
        return nil
    }

    private static func conditions(
        _ failure: KubeError?,
        removing isRemoving: Bool,
        set: KubeObject,
        now: WallTime
    ) -> JSONValue? {
        guard let failure else { return nil }
        if let present = set.condition("ReplicaFailure") { return [present] }
        return [
            [
                "type": "ReplicaFailure", "status": "True", "reason": isRemoving ? "FailedDelete" : "FailedCreate",
                "message": .string(failure.message), "lastTransitionTime": .string(now.rfc3339),
            ]
        ]
    }
}
