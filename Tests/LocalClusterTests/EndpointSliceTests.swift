// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Testing

@testable import LocalCluster

@Suite("Endpoint slices", .timeLimit(.minutes(1)))
struct EndpointSliceTests {
    private static let service: KubeObject = {
        var service = KubeObject(.services, namespace: "default", name: "web")
        service["spec"] = ["selector": ["app": "web"], "ports": [["port": 80, "targetPort": 8080]]]
        return service
    }()

    private static func reconciler(_ client: KubeClient, seeing service: KubeObject) -> EndpointSliceReconciler {
        let services = ObjectStore()
        services.replaceAll([service])
        return EndpointSliceReconciler(client: client, services: services, pods: ObjectStore(), slices: ObjectStore())
    }

    @Test("a Service gets its slice; one that is gone gets none, whatever an old view says")
    func gone() async throws {
        let client = KubeClient(exchange: APIServer())
        let seen = try await client.create(.services, Self.service)
        let reconciler = Self.reconciler(client, seeing: seen)
        _ = try await reconciler.reconcile(seen.key)
        let made = try await client.list(.endpointSlices, namespace: "default").items
        #expect(made.map { $0.labels[EndpointSlicePlan.serviceLabel] } == ["web"])
        try await client.delete(.endpointSlices, made[0].key)
        try await client.delete(.services, seen.key)
        #expect(try await reconciler.reconcile(seen.key) == .awaitChange)
        #expect(try await client.list(.endpointSlices, namespace: "default").items.isEmpty)
        // Another one of that name has a uid of its own.
        try await client.create(.services, Self.service)
        #expect(try await reconciler.reconcile(seen.key) == .awaitChange)
        #expect(try await client.list(.endpointSlices, namespace: "default").items.isEmpty)
    }
}
