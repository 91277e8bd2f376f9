// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Testing

@testable import Controllers

@Suite("What a model that is made again finds of the one before it", .timeLimit(.minutes(5)))
struct LeftOverTests {
    private static let kinds: [ResourceType] = [.deployments, .services, .controllerRevisions]

    /// What the operator has made.
    private static func made(_ harness: ReconcilerHarness, _ type: ResourceType) async throws -> [KubeObject] {
        try await harness.client.list(type, namespace: "default").items
            .filter { $0.label(FleetAPI.managedByLabel) == FleetAPI.manager }
    }

    private static func model(_ version: String, _ rollout: JSONValue = [:]) -> KubeObject {
        let model: JSONValue = [
            "format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": .string(version),
        ]
        let scaling: JSONValue = ["minReplicas": 2, "maxReplicas": 9]
        return OperatorHarness.model(spec: ["model": model, "scaling": scaling, "rollout": rollout])
    }

    /// A model of version 1 that had four ready replicas and was deleted with `--cascade=orphan`.
    private static func leftBehind(_ rollout: JSONValue = [:]) async throws -> ReconcilerHarness {
        let harness = try await ReconcilerHarness(model("1", rollout))
        try await harness.reconcile()
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        for _ in 0..<2 { try await harness.reconcile() }
        return harness
    }

    /// Plays `kubectl delete --cascade=orphan` and the garbage collector.
    private static func orphan(_ harness: ReconcilerHarness) async throws {
        try await harness.client.delete(.modelDeployments, harness.key)
        for type in kinds {
            for object in try await made(harness, type) {
                try await harness.client.patch(type, object.key, .merge(["metadata": ["ownerReferences": .null]]))
            }
        }
        try await harness.reconcile()
    }

    private static func uids(_ harness: ReconcilerHarness) async throws -> [String: String] {
        var uids: [String: String] = [:]
        for type in kinds {
            for object in try await made(harness, type) {
                uids["\(type.kind) \(object.name)"] = object.uid
            }
        }
        return uids
    }

    private static func areOwned(_ harness: ReconcilerHarness) async throws -> Bool {
        let uid = try await harness.get(.modelDeployments, "m").uid
        for type in kinds {
            for object in try await made(harness, type)
            where object.controller?.uid != uid { return false }
        }
        return true
    }

    @Test("the same spec takes over what serves, as it is")
    func same() async throws {
        let harness = try await Self.leftBehind()
        try await Self.orphan(harness)
        let before = try await Self.uids(harness)
        #expect(before.count == 3)
        try await harness.client.create(.modelDeployments, Self.model("1"))
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        for _ in 0..<3 { try await harness.reconcile() }
        #expect(try await Self.uids(harness) == before)
        #expect(try await Self.areOwned(harness))
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
        #expect(try await harness.condition("Ready")?.isTrue == true)
        let told = try await harness.events("Adopted")
        #expect(told.count == 1 && told.first?["count"] == 1)
        #expect(told.first?["message"]?.string?.hasPrefix("Deployment m-r1, Service m: left behind by") == true)
        #expect(try await harness.events("NameTaken").isEmpty)
    }

    @Test("another spec is rolled out, and what served before serves until it is ready")
    func other() async throws {
        let harness = try await Self.leftBehind()
        try await Self.orphan(harness)
        let template = try await harness.get(.deployments, "m-r1")["spec", "template"]
        try await harness.client.create(.modelDeployments, Self.model("2"))
        for _ in 0..<5 { try await harness.reconcile() }
        #expect(try await harness.get(.deployments, "m-r1")["spec", "template"] == template)
        #expect(try await harness.selected() == "1")
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 4)
        try await harness.setStatus("m-r2", replicas: 4, ready: 4)
        for _ in 0..<4 { try await harness.reconcile() }
        #expect(try await harness.selected() == "2")
        // The way back is there, too.
        let model = try await harness.get(.modelDeployments, "m")
        let kept = try await harness.client.list(.controllerRevisions, namespace: "default").items
        #expect(try RolloutUndo.order(model, revisions: kept, to: nil).message.contains("revision 1"))
    }

    @Test("what the Service doesn't tell of is found when its name is needed")
    func withoutService() async throws {
        let harness = try await Self.leftBehind()
        try await Self.orphan(harness)
        try await harness.client.delete(.services, harness.key)
        let before = try await harness.get(.deployments, "m-r1")
        try await harness.client.create(.modelDeployments, Self.model("1"))
        for _ in 0..<4 { try await harness.reconcile() }
        let after = try await harness.get(.deployments, "m-r1")
        #expect(after.uid == before.uid && after["spec", "replicas"] == 4)
        #expect(try await Self.areOwned(harness))
    }

    @Test("what was left in the middle of a rollout serves with what is ready")
    func midway() async throws {
        let rollout: JSONValue = [
            "strategy": "Canary", "steps": [["setWeight": 25], ["pause": [:]]], "traffic": ["provider": "Replicas"],
        ]
        let harness = try await Self.leftBehind(rollout)
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        for _ in 0..<4 { try await harness.reconcile() }
        #expect(try await harness.selected() == nil)
        try await Self.orphan(harness)
        try await harness.client.create(.modelDeployments, Self.model("2", rollout))
        for _ in 0..<6 {
            try await harness.reconcile()
            #expect(try await harness.selected() != "2")
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
        }
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "canaryRevision"] == 2)
    }

    @Test("what carries no mark of the operator's own writing, other marks, or another controller is left alone")
    func foreign() async throws {
        let marks = [FleetAPI.managedByLabel: FleetAPI.manager, FleetAPI.modelLabel: "m"]
        for number in 0..<3 {
            let harness = try await ReconcilerHarness(Self.model("1"))
            var client = harness.client
            client.fieldManager = number == 0 ? "kubectl" : FleetAPI.manager
            var service = KubeObject(.services, namespace: "default", name: "m")
            service.labels = marks
            if number == 1 { service.labels[FleetAPI.modelLabel] = "other" }
            if number == 2 {
                let owner: JSONValue = [
                    "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "s", "uid": "s", "controller": true,
                ]
                service.json.set([owner], at: "metadata", "ownerReferences")
            }
            service["spec"] = ["selector": ["app": "other"], "ports": [["port": 80]]]
            let before = try await client.apply(.services, service)
            harness.time.advance(by: .seconds(5))
            for _ in 0..<3 { try await harness.reconcile() }
            #expect(try await harness.get(.services, "m").resourceVersion == before.resourceVersion)
            #expect(try await harness.condition("Ready")?.reason == "NameTaken")
            #expect(try await harness.events("Adopted").isEmpty)
        }
    }

    @Test("an old view of a model that is gone again takes nothing over")
    func gone() async throws {
        let harness = try await Self.leftBehind()
        try await Self.orphan(harness)
        try await harness.client.create(.modelDeployments, Self.model("1"))
        try await harness.sync()
        try await harness.client.delete(.modelDeployments, harness.key)
        _ = try? await harness.reconcileStale()
        for type in Self.kinds {
            let objects = try await Self.made(harness, type)
            #expect(objects.allSatisfy { $0.controller == nil })
        }
    }

    @Test("kept specs of revisions that aren't there any more make room")
    func specs() async throws {
        let harness = try await Self.leftBehind()
        try await Self.orphan(harness)
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        try await harness.client.delete(.services, harness.key)
        try await harness.client.create(.modelDeployments, Self.model("2"))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 2, ready: 2)
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await Self.areOwned(harness))
        let kept = try await harness.get(.controllerRevisions, "m-r1")
        #expect(kept["data", "spec", "model", "version"] == "2")
        #expect(try await harness.events("SpecNotKept").isEmpty)
    }
}
