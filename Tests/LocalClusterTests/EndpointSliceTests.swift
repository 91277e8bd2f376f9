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

    @Test("An unready pod that is published all the same isn't said to serve")
    func published() {
        var service = Self.service
        service["spec", "publishNotReadyAddresses"] = true
        let pods = [WorkloadPlanTests.pod("a", ready: false), WorkloadPlanTests.pod("b", ready: true)]
        let endpoints = EndpointSlicePlan(service: service, pods: pods).slices.first?.json["endpoints"]
        #expect(endpoints?[0]?["conditions"] == ["ready": true, "serving": false, "terminating": false])
        #expect(endpoints?[1]?["conditions"] == ["ready": true, "serving": true, "terminating": false])
    }

    @Test("A port's name may be a sidecar's, and isn't looked for in other init containers")
    func sidecarPort() {
        var pod = WorkloadPlanTests.pod("a", ready: true)
        func container(_ name: String, _ port: Int) -> JSONValue {
            ["name": .string(name), "ports": [["name": "proxy", "containerPort": JSONValue(port)]]]
        }
        var sidecar = container("side", 9000)
        sidecar["restartPolicy"] = "Always"
        pod["spec", "initContainers"] = [container("first", 8000), sidecar]
        #expect(EndpointSlicePlan.targetPort(["port": 80, "targetPort": "proxy"], pod: pod) == 9000)
    }
}
