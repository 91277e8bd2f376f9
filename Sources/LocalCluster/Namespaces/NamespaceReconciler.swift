// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime

/// Empties namespaces that are being deleted, then lets them go.
struct NamespaceReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The namespaces.
    let namespaces: ObjectStore

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let namespace = namespaces.object(key), namespace.isBeingDeleted else { return .awaitChange }
        var remaining = 0
        for type in try await APIDiscovery(client: client).types() where type.isNamespaced {
            for object in try await client.list(type, namespace: key.name).items {
                remaining += 1
                if !object.isBeingDeleted { try await client.deleteIfPresent(type, object) }
            }
        }
        if remaining > 0 { return .requeue(after: .milliseconds(200)) }
        guard var current = try await client.find(.namespaces, key), current.uid == namespace.uid else {
            return .awaitChange
        }
        current["spec", "finalizers"] = []
        do throws(KubeError) {
            try await client.replace(.namespaces, current, subresource: "finalize")
        } catch {
            if !error.isNotFound { throw error }
        }
        return .awaitChange
    }
}
