// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime

/// What the controllers of a cluster would do while a fleet changes: it says of every Deployment that its replicas are
/// ready, and collects the children of models that are gone.
struct ClusterStandIn: Sendable {
    private let client: KubeClient
    private let deployments = ObjectStore(.packed, indexing: [FleetAPI.modelLabel])
    private let services = ObjectStore(.packed)
    private let controller: Controller
    private let gone: Shared<Set<String>>

    /// A stand-in that sends with the server's client.
    init(server: BenchServer) {
        let (client, deployments, services) = (server.client, deployments, services)
        let gone = Shared<Set<String>>([])
        self.client = client
        self.gone = gone
        let reconciler = ClosureReconciler { key in
            func isGone(_ child: StoredObject) -> Bool { child.controller.map { gone.value.contains($0.uid) } ?? false }
            if let service = services.stored(key), isGone(service) { try await Self.delete(.services, key, client) }
            let model = LabelSelector(matching: [FleetAPI.modelLabel: key.name])
            for stored in deployments.storedMatching(model, namespace: key.namespace) {
                if isGone(stored) {
                    try await Self.delete(.deployments, stored.key, client)
                } else if let status = Fleet.readyStatus(of: stored.object) {
                    try await Self.write(status, stored.key, client)
                }
            }
            return .awaitChange
        }
        controller = Controller(name: "stand-in", reconciler: reconciler, workers: 4)
    }

    /// Works until cancelled.
    func run() async throws {
        let named = controller.enqueuesNamed(inLabel: FleetAPI.modelLabel)
        let owned = controller.enqueuesOwner(.modelDeployments)
        let (client, controller) = (client, controller)
        let namespace = BenchServer.namespace
        let watchers = [
            Watcher(client: client, type: .deployments, namespace: namespace, store: deployments, onChange: named),
            Watcher(client: client, type: .services, namespace: namespace, store: services, onChange: owned),
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for watcher in watchers { group.addTask { try await watcher.run() } }
            group.addTask { try await controller.run() }
            try await group.waitForAll()
        }
    }

    /// The model `key`, which had this uid, is gone: its children go, too, also those that are made yet.
    func collect(_ key: ObjectKey, uid: String) {
        gone.change { $0.insert(uid) }
        controller.enqueue(key)
    }

    private static func delete(_ type: ResourceType, _ key: ObjectKey, _ client: KubeClient) async throws(KubeError) {
        do { try await client.delete(type, key) } catch { if !error.isNotFound { throw error } }
    }

    private static func write(_ status: JSONValue, _ key: ObjectKey, _ client: KubeClient) async throws(KubeError) {
        do {
            try await client.patch(.deployments, key, .merge(["status": status]), subresource: "status")
        } catch { if !error.isNotFound { throw error } }
    }
}
