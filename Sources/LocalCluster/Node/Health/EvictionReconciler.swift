// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Evicts pods from tainted nodes once their tolerations have run out, and removes the pods of nodes that are gone.
struct EvictionReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The pods.
    let pods: ObjectStore
    /// The nodes.
    let nodes: ObjectStore
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let pod = pods.object(key), let name = pod.nodeName else { return .awaitChange }
        let nodeKey = ObjectKey(namespace: nil, name: name)
        var node = nodes.object(nodeKey)
        // The server itself is asked: a cache may be late, and a removal can't be taken back.
        if node == nil { node = try await client.find(.nodes, nodeKey) }
        let now = time.now()
        switch EvictionPlan(pod: pod, node: node, now: now) {
        case .keep: return .awaitChange
        case .wait(let until): return .requeue(after: until - now)
        case .evict:
            let message = "Taint manager: deleting due to NoExecute taint"
            try await mark(pod, reason: "DeletionByTaintManager", message: message)
            await events.record(
                pod,
                .normal,
                reason: "TaintManagerEviction",
                message: "Marking for deletion Pod \(pod.key)"
            )
            try await client.deleteIfPresent(.pods, pod)
        case .remove(let reason):
            try await mark(pod, reason: "DeletionByPodGC", message: reason)
            try await client.deleteIfPresent(.pods, pod, grace: 0)
        }
        return .awaitChange
    }

    private func mark(_ pod: KubeObject, reason: String, message: String) async throws {
        let condition: JSONValue = [
            "type": "DisruptionTarget", "status": "True", "reason": .string(reason), "message": .string(message),
            "lastProbeTime": .null, "lastTransitionTime": .string(time.now().rfc3339),
        ]
        try await client.setPodCondition(condition, of: pod)
    }
}
