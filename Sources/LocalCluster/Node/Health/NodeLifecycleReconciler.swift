// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Notices nodes that fell silent, taints them, and takes their pods out of service.
struct NodeLifecycleReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The nodes.
    let nodes: ObjectStore
    /// The nodes' leases.
    let leases: ObjectStore
    /// The pods.
    let pods: ObjectStore
    /// When the leases were seen to change.
    let beats = NodeBeats()
    /// After which silence a node is lost.
    let grace: Duration
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let node = nodes.object(key), !node.isBeingDeleted else {
            beats.forget(key.name)
            return .awaitChange
        }
        let lease = leases.object(ObjectKey(namespace: NodeRegistration.leaseNamespace, name: key.name))
        let now = time.now()
        let seen = beats.seen(key.name, lease: lease, node: node, now: now) ?? node.creationTimestamp ?? now
        let plan = NodePlan(node: node, seen: seen, grace: grace, now: now)
        if let conditions = plan.conditions {
            try await write(node, ["status": ["conditions": .array(conditions)]], subresource: "status")
            await events.record(
                node,
                .normal,
                reason: "NodeNotReady",
                message: "Node \(node.name) status is now: NodeNotReady"
            )
            // What follows rests on the node as it is then.
            return .requeue(after: .zero)
        }
        if let taints = plan.taints {
            try await write(node, ["spec": ["taints": taints.isEmpty ? .null : .array(taints.map(\.json))]])
        }
        if !plan.isReady {
            for pod in pods.all() where pod.nodeName == node.name { try await takeOutOfService(pod, now: now) }
        }
        return plan.requeue.map { .requeue(after: $0) } ?? .awaitChange
    }

    private func write(_ node: KubeObject, _ patch: JSONValue, subresource: String? = nil) async throws {
        var metadata = JSONValue.emptyObject
        metadata["uid"] = JSONValue(node.uid)
        metadata["resourceVersion"] = JSONValue(node.resourceVersion)
        var patch = patch
        patch["metadata"] = metadata
        do throws(KubeError) {
            try await client.patch(.nodes, node.key, .merge(patch), subresource: subresource)
        } catch {
            if !error.isNotFound { throw error }
        }
    }

    private func takeOutOfService(_ pod: KubeObject, now: WallTime) async throws {
        guard pod.isPodReady, var condition = pod.condition("Ready") else { return }
        condition["status"] = "False"
        condition["lastTransitionTime"] = .string(now.rfc3339)
        try await client.setPodCondition(condition, of: pod)
        await events.record(pod, .warning, reason: "NodeNotReady", message: "Node is not ready")
    }
}
