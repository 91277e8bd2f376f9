// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

/// What is true of the demo's model now.
struct DemoState: Sendable {
    /// Whether the model says that it is ready.
    var isReady: Bool
    /// The replicas that are wanted.
    var replicas: Int
    /// The pods that are ready.
    var readyReplicas: Int
    /// The pods that exist, those on their way out included.
    var pods: Int
    /// One line a pod.
    var replicaLines: [String]
    /// `127.96.x.y`, once the Service has an address.
    var serviceAddress: String?
    /// The Ready condition in words.
    var explanation: String
    /// Why the replicas are what they are.
    var reason: String

    /// Reads the model, its Service and its pods.
    static func read(_ key: ObjectKey, _ client: KubeClient) async throws -> DemoState {
        let model = try await client.get(.modelDeployments, key)
        let service = try await client.find(.services, key)
        let selector = LabelSelector(matching: [FleetAPI.modelLabel: key.name])
        let pods = try await client.list(
            .pods,
            namespace: key.namespace,
            options: ListOptions(labelSelector: selector)
        ).items
        let ready = model["status", "conditions"]?.array?.first { $0["type"] == "Ready" }
        let decision = model["status", "scaling", "lastDecision"]
        return DemoState(
            isReady: ready?["status"] == "True",
            replicas: model["status", "scaling", "desiredReplicas"]?.int ?? model["status", "replicas"]?.int ?? 0,
            readyReplicas: pods.filter(isReady).count,
            pods: pods.count,
            replicaLines: pods.sorted { $0.name < $1.name }.map(line),
            serviceAddress: service?["spec", "clusterIP"]?.string,
            explanation: ready?["message"]?.string ?? "waiting for the operator",
            reason: decision?["message"]?.string ?? decision?["reason"]?.string ?? ""
        )
    }

    private static func isReady(_ pod: KubeObject) -> Bool {
        !pod.isBeingDeleted
            && (pod["status", "conditions"]?.array ?? []).contains { $0["type"] == "Ready" && $0["status"] == "True" }
    }

    private static func line(_ pod: KubeObject) -> String {
        let state = pod.isBeingDeleted ? "stopping" : isReady(pod) ? "ready" : "starting"
        return "\(pod.name)  \(pod["status", "podIP"]?.string ?? "–")  \(state)"
    }
}
