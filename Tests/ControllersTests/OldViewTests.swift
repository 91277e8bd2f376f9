// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Testing

@testable import Controllers

/// What the simulation found, one step at a time.
@Suite("The operator with an old view", .timeLimit(.minutes(1)))
struct OldViewTests {
    private static let all: Set<String> = [
        "modeldeployments", "servingruntimes", "deployments", "services", "horizontalpodautoscalers", "pods",
    ]

    @Test("the revision that serves is not emptied by an operator that doesn't see it serve")
    func serving() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        // The operator turns the traffic to r2; from here on its watch of Services is silent, and shows r1.
        try await harness.reconcile()
        #expect(try await harness.selected() == "2")
        let blind = Self.all.subtracting(["services"])
        try await harness.patchModel(["model": ["version": "3"]])
        try await harness.sync(blind)
        for _ in 0..<4 {
            harness.time.advance(by: .seconds(10))
            _ = try? await harness.reconcileStale()
            try await harness.sync(blind)
        }
        let deployment = try await harness.get(.deployments, "m-r2")
        #expect(deployment["spec", "replicas"]?.int == 1)
        #expect(try await harness.selected() == "2")
    }

    @Test("a status that was decided from an old version is not written")
    func status() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.sync()
        try await harness.patchModel(["scaling": ["minReplicas": 1, "maxReplicas": 9]])
        await #expect(throws: KubeError.self) { try await harness.reconcileStale() }
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "observedGeneration"]?.integer == model.generation)
    }

    @Test("a change of engine leaves nothing of the old one in the status, and then nothing is written")
    func engine() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let old: JSONValue = ["scaling": ["desiredReplicas": 1, "lastDecision": ["reason": "QueueLength"]]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(["status": old]), subresource: "status")
        try await harness.patchModel(["scaling": ["engine": "External"], "replicas": 2])
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "scaling"] == ["desiredReplicas": 2, "engine": "External"])
        try await harness.reconcile()
        try await harness.reconcile()
        let same = try await harness.get(.modelDeployments, "m")
        try await harness.reconcile()
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion == same.resourceVersion)
    }

    @Test("an outside count reaches the revision that serves while another fails to come up")
    func outside() async throws {
        let external: JSONValue = ["scaling": ["engine": "External"], "replicas": 1]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: external))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.patchModel(["replicas": 3])
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int == 3)
        #expect(try await harness.selected() == "1")
    }
}

@Suite("Merge differences")
struct MergeDifferenceTests {
    @Test("a patch takes away at any depth, and equal values need none")
    func depth() {
        let old: JSONValue = ["a": ["b": 1, "c": ["d": 2]], "e": [1, 2], "f": "x"]
        let new: JSONValue = ["a": ["b": 1, "c": ["g": 3]], "e": [1], "h": true]
        let patch: JSONValue = ["a": ["c": ["d": .null, "g": 3]], "e": [1], "f": .null, "h": true]
        #expect(MergeDifference.patch(from: old, to: new) == patch)
        #expect(MergeDifference.patch(from: new, to: new) == nil)
    }
}
