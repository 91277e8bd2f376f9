// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeTesting
import Testing

@testable import Controllers

@Suite("Routes that nobody shares any more", .timeLimit(.minutes(5)))
struct RoutesAtRestTests {
    /// A cluster that knows HTTPRoutes, with a model that names `routes`.
    private static func harness(routes: [JSONValue], named: String...) async throws -> ReconcilerHarness {
        let spec: JSONValue = [
            "scaling": ["minReplicas": 4, "maxReplicas": 10],
            "rollout": [
                "strategy": "Canary", "steps": [["setWeight": 25], ["pause": [:]]],
                "traffic": [
                    "provider": "GatewayAPI", "httpRoutes": .array(named.map { .string($0) }),
                    "sticky": ["header": "x-user"],
                ],
            ],
        ]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        let type = ResourceType.httpRoutes
        var definition = KubeObject(
            .customResourceDefinitions,
            namespace: nil,
            name: "\(type.plural).\(type.group)"
        )
        definition["spec"] = [
            "group": .string(type.group), "scope": "Namespaced",
            "names": ["kind": .string(type.kind), "plural": .string(type.plural), "singular": "httproute"],
            "versions": [
                [
                    "name": .string(type.version), "served": true, "storage": true,
                    "schema": [
                        "openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                    ],
                ]
            ],
        ]
        try await harness.client.create(.customResourceDefinitions, definition)
        for (name, backends) in zip(named, routes) { try await create(name, backends, harness) }
        return harness
    }

    private static func create(_ name: String, _ backends: JSONValue, _ harness: ReconcilerHarness) async throws {
        var route = KubeObject(.httpRoutes, namespace: "default", name: name)
        route["spec"] = ["rules": [["backendRefs": backends]]]
        try await harness.client.create(.httpRoutes, route)
    }

    private static func weights(_ name: String, _ harness: ReconcilerHarness) async throws -> [String] {
        let route = try await harness.get(.httpRoutes, name)
        return (route["spec", "rules"]?[0]?["backendRefs"]?.array ?? []).map { backend in
            "\(backend["name"]?.string ?? "?") \(backend["weight"]?.int ?? 1)"
        }
    }

    private static let whole: JSONValue = [["name": "m", "port": 80]]

    private static func settle(_ harness: ReconcilerHarness, _ count: Int = 4) async throws {
        for _ in 0..<count { try await harness.reconcile() }
    }

    private static func ask(_ harness: ReconcilerHarness, _ text: String) async throws {
        let annotations: JSONValue = [FleetAPI.rolloutRequestAnnotation: .string(text)]
        let patch: JSONValue = ["metadata": ["annotations": annotations]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(patch))
    }

    @Test("a model that is made again gets all requests of a route that the one before it had shared")
    func madeAgain() async throws {
        let shared: JSONValue = [
            ["name": "m", "port": 80, "weight": 50], ["name": "m-canary", "port": 80, "weight": 50],
        ]
        let harness = try await Self.harness(routes: [shared], named: "web")
        try await harness.reconcile()
        #expect(try await Self.weights("web", harness) == ["m 1"])
    }

    @Test("a route that isn't there is a condition with its reason, until it is there")
    func missing() async throws {
        let harness = try await Self.harness(routes: [], named: "one")
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        let healthy = try #require(try await harness.condition("RolloutHealthy"))
        #expect(healthy.status == .isFalse && healthy.reason == "RouteMissing")
        let status = try await harness.get(.modelDeployments, "m")["status"]
        #expect(status?.at("canary", "weight") == 0 && status?.at("rollout", "desiredWeight") == 25)
        try await Self.create("one", Self.whole, harness)
        try await Self.settle(harness)
        #expect(try await harness.condition("RolloutHealthy")?.status == .isTrue)
        #expect(try await Self.weights("one", harness) == ["m 75", "m-canary 25"])
    }

    /// A canary at 25 % on the route `one`, after which the spec named `two` instead.
    private static func moved() async throws -> ReconcilerHarness {
        let harness = try await harness(routes: [whole], named: "one")
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await settle(harness)
        #expect(try await weights("one", harness) == ["m 75", "m-canary 25"])
        try await create("two", whole, harness)
        try await harness.patchModel(["rollout": ["traffic": ["httpRoutes": ["two"]]]])
        try await settle(harness)
        #expect(try await weights("two", harness) == ["m 75", "m-canary 25"])
        return harness
    }

    @Test("a route that the spec names no longer is brought to rest with the others", arguments: [true, false])
    func left(isPromoted: Bool) async throws {
        let harness = try await Self.moved()
        var model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "routes"] == ["GatewayAPI/one", "GatewayAPI/two"])
        #expect(model["status", "rollout", "message"]?.string?.contains("sticky has no effect") == true)
        if isPromoted {
            try await Self.ask(harness, "promote-full 2/1 a")
            try await Self.settle(harness)
            try await harness.setStatus("m-r2", replicas: 4, ready: 4)
            try await Self.settle(harness, 8)
            #expect(try await harness.selected() == "2")
        } else {
            try await Self.ask(harness, "abort 2/1 a")
            try await Self.settle(harness, 2)
            harness.time.advance(by: .seconds(6))
            try await Self.settle(harness)
            #expect(try await harness.selected() == "1")
        }
        #expect(try await Self.weights("one", harness) == ["m 1"])
        #expect(try await Self.weights("two", harness) == ["m 1"])
        #expect(try await harness.find(.services, "m-canary") == nil)
        model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "routes"] == nil)
    }
}
