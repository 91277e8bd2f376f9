// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Gives pods to nodes, or says why none can take them.
struct SchedulingReconciler: Reconciler {
    /// How long a pod that fits nowhere waits when nothing changes.
    static let patience: Duration = .seconds(30)

    /// The API.
    let client: KubeClient
    /// The pods.
    let pods: ObjectStore
    /// The nodes.
    let nodes: ObjectStore
    /// The namespaces.
    let namespaces: ObjectStore
    /// Where pods went that `pods` doesn't show yet.
    let assumed: AssumedPods
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let pod = pods.object(key), Self.isWaiting(pod) else { return .awaitChange }
        let gates = pod["spec", "schedulingGates"]?.array ?? []
        if !gates.isEmpty {
            let message = "Scheduling is blocked due to non-empty scheduling gates"
            try await note(pod, reason: "SchedulingGated", message: message)
            return .awaitChange
        }
        let nodes = nodes.all()
        guard !nodes.isEmpty else { return .requeue(after: .milliseconds(100)) }
        let labels = Dictionary(namespaces.all().map { ($0.name, $0.labels) }) { first, _ in first }
        switch assumed.place(pod, seen: pods.all(), nodes: nodes, namespaces: labels) {
        case .bind(let node): return try await bind(pod, to: node)
        case .refuse(let message):
            if try await note(pod, reason: "Unschedulable", message: message) {
                await events.record(pod, .warning, reason: "FailedScheduling", message: message)
            }
            return .requeue(after: Self.patience)
        }
    }

    /// Whether a pod waits for this scheduler.
    static func isWaiting(_ pod: KubeObject) -> Bool {
        pod.nodeName == nil && !pod.isBeingDeleted && !pod.isPodFinished
            && pod["spec", "schedulerName"]?.string ?? "default-scheduler" == "default-scheduler"
    }

    private func bind(_ pod: KubeObject, to node: String) async throws -> ReconcileOutcome {
        do throws(KubeError) {
            // The embedded server has no `binding` subresource; a node name may be set once.
            var metadata = JSONValue.emptyObject
            metadata["uid"] = JSONValue(pod.uid)
            try await client.patch(
                .pods,
                pod.key,
                .merge(["metadata": metadata, "spec": ["nodeName": .string(node)]]),
                options: WriteOptions(fieldManager: "kube-scheduler")
            )
        } catch {
            assumed.forget(pod)
            if error.isNotFound { return .awaitChange }
            throw error
        }
        await events.record(
            pod,
            .normal,
            reason: "Scheduled",
            message: "Successfully assigned \(pod.key) to \(node)"
        )
        return .awaitChange
    }

    /// Writes why the pod waits into its condition; false when it says so already.
    @discardableResult
    private func note(_ pod: KubeObject, reason: String, message: String) async throws -> Bool {
        let old = pod.condition("PodScheduled")
        if old?["reason"]?.string == reason, old?["message"]?.string == message { return false }
        let wasFalse = old?["status"] == "False"
        let condition: JSONValue = [
            "type": "PodScheduled", "status": "False", "reason": .string(reason), "message": .string(message),
            "lastProbeTime": .null,
            "lastTransitionTime": (wasFalse ? old?["lastTransitionTime"] : nil) ?? .string(time.now().rfc3339),
        ]
        try await client.setPodCondition(condition, of: pod)
        return true
    }
}
