// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime

/// Keeps the endpoint slices of every Service that has a selector.
struct EndpointSliceReconciler: Reconciler {
    /// The API.
    let client: KubeClient
    /// The Services.
    let services: ObjectStore
    /// The pods.
    let pods: ObjectStore
    /// The endpoint slices.
    let slices: ObjectStore

    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        guard let service = services.object(key), !service.isBeingDeleted, let uid = service.uid,
            service["spec", "type"]?.string != "ExternalName"
        else { return .awaitChange }
        guard let selector = service["spec", "selector"]?.object, !selector.isEmpty else { return .awaitChange }
        let matching = pods.all(namespace: key.namespace).filter { pod in
            let labels = pod.labels
            return selector.allSatisfy { labels[$0.key] == $0.value.string }
        }
        let wanted = EndpointSlicePlan(service: service, pods: matching).slices
        var present = Dictionary(
            slices.owned(byUID: uid).map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        for slice in wanted {
            guard var existing = present.removeValue(forKey: slice.name) else {
                // With an old view a slice would be made for a Service that is gone, collected, and made again.
                guard let live = try await client.find(.services, key), live.uid == uid, !live.isBeingDeleted else {
                    return .awaitChange
                }
                try await client.create(.endpointSlices, slice)
                continue
            }
            let old = existing
            for member in ["endpoints", "ports"] { existing.json[member] = slice.json[member] }
            existing.labels = slice.labels
            if existing != old { try await client.replace(.endpointSlices, existing) }
        }
        for stale in present.values where stale.labels[EndpointSlicePlan.managerLabel] == EndpointSlicePlan.manager {
            try await client.deleteIfPresent(.endpointSlices, stale)
        }
        return .awaitChange
    }
}
