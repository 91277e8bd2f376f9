// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime

/// Gives pods to the only node, or says why it can't take them.
struct SchedulingReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The pods.
    let pods: ObjectStore
    /// The nodes.
    let nodes: ObjectStore
    /// The node's name.
    let nodeName: String
    /// Where events go.
    let events: EventRecorder
    /// Where time comes from.
    let time: any TimeSource

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let pod = pods.object(key), pod["spec", "nodeName"]?.string ?? "" == "", !pod.isBeingDeleted else {
            return .awaitChange
        }
        guard pod["spec", "schedulerName"]?.string ?? "default-scheduler" == "default-scheduler",
            pod["spec", "schedulingGates"]?.array?.isEmpty ?? true
        else { return .awaitChange }
        guard let node = nodes.object(ObjectKey(namespace: nil, name: nodeName)) else {
            return .requeue(after: .milliseconds(100))
        }
        let others = pods.all().filter { $0["spec", "nodeName"]?.string == nodeName }
        switch SchedulingPlan(pod: pod, node: node, others: others) {
        case .bind: return try await bind(pod)
        case .refuse(let message): return try await refuse(pod, message)
        }
    }

    private func bind(_ pod: KubeObject) async throws -> ReconcileOutcome {
        do throws(KubeError) {
            // The embedded server has no `binding` subresource; a node name may be set once.
            var metadata = JSONValue.emptyObject
            metadata["uid"] = JSONValue(pod.uid)
            try await client.patch(
                .pods,
                pod.key,
                .merge(["metadata": metadata, "spec": ["nodeName": .string(nodeName)]]),
                options: WriteOptions(fieldManager: "kube-scheduler")
            )
        } catch {
            if error.isNotFound || error.isConflict { return .awaitChange }
            throw error
        }
        await events.record(
            pod,
            .normal,
            reason: "Scheduled",
            message: "Successfully assigned \(pod.key) to \(nodeName)"
        )
        return .awaitChange
    }

    private func refuse(_ pod: KubeObject, _ message: String) async throws -> ReconcileOutcome {
        let conditions = conditions(of: pod, status: "False", reason: "Unschedulable", message: message)
        if pod["status", "conditions"]?.array != conditions {
            do throws(KubeError) {
                try await client.patch(
                    .pods,
                    pod.key,
                    .merge(["status": ["conditions": .array(conditions)]]),
                    subresource: "status"
                )
            } catch {
                if !error.isNotFound { throw error }
            }
            await events.record(pod, .warning, reason: "FailedScheduling", message: message)
        }
        return .requeue(after: .seconds(5))
    }

    private func conditions(of pod: KubeObject, status: String, reason: String?, message: String?) -> [JSONValue] {
        var conditions = pod["status", "conditions"]?.array ?? []
        let index = conditions.firstIndex { $0["type"]?.string == "PodScheduled" }
        let old = index.map { conditions[$0] }
        var condition: JSONValue = ["type": "PodScheduled", "status": .string(status), "lastProbeTime": .null]
        condition["reason"] = JSONValue(reason)
        condition["message"] = JSONValue(message)
        condition["lastTransitionTime"] =
            old?["status"] == condition["status"] ? old?["lastTransitionTime"] : .string(time.now().rfc3339)
        if let index { conditions[index] = condition } else { conditions.append(condition) }
        return conditions
    }
}
