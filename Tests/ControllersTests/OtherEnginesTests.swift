// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Testing

@testable import Controllers

@Suite("A model that others scale", .timeLimit(.minutes(2)))
struct OtherEnginesTests {
    private static let spec: JSONValue = [
        "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"], "replicas": 4,
        "scaling": ["engine": "External", "maxReplicas": 12],
        "rollout": ["strategy": "Canary", "dynamicStableScale": true, "steps": [["setWeight": 50], ["pause": [:]]]],
    ]

    /// Such a model of four replicas with a canary that gets half of the requests, of which so many pods are ready.
    private static func harness(canary ready: Int) async throws -> ReconcilerHarness {
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: ready, ready: ready)
        for _ in 0..<6 { try await harness.reconcile() }
        return harness
    }

    private static func counts(_ harness: ReconcilerHarness) async throws -> [Int?] {
        var counts: [Int?] = []
        for name in ["m-r1", "m-r2"] {
            counts.append(try await harness.get(.deployments, name)["spec", "replicas"]?.int)
        }
        return counts
    }

    @Test("the count that the scale subresource shows is that of the track that serves, or of both that share the load")
    func shown() async throws {
        func shown(_ harness: ReconcilerHarness) async throws -> [Int?] {
            try await harness.reconcile()
            let status = try await harness.get(.modelDeployments, "m")["status"]
            return [status?["replicas"]?.int, status?["readyReplicas"]?.int]
        }
        let coming = try await Self.harness(canary: 1)
        #expect(try await shown(coming) == [4, 4])
        let sharing = try await Self.harness(canary: 2)
        #expect(try await Self.counts(sharing) == [2, 2])
        try await sharing.setStatus("m-r1", replicas: 2, ready: 1)
        #expect(try await shown(sharing) == [4, 3])
        try await sharing.setStatus("m-r1", replicas: 3, ready: 3)
        #expect(try await shown(sharing) == [4, 4], "what is there because shares are rounded up wasn't asked for")
    }

    @Test("while the name of the HPA is taken nothing decides the count, and the condition says so")
    func nameTaken() async throws {
        var spec = Self.spec
        spec["scaling"] = ["engine": "HorizontalPodAutoscaler", "maxReplicas": 12]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        var other = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "m")
        other["spec"] = [
            "maxReplicas": 3, "scaleTargetRef": ["apiVersion": "apps/v1", "kind": "Deployment", "name": "web"],
        ]
        other = try await harness.client.create(.horizontalPodAutoscalers, other)
        for _ in 0..<3 { try await harness.reconcile() }
        let taken = try await harness.condition(ModelDeploymentCondition.scalingActive)
        #expect(taken?.isTrue == false && taken?.reason == "NameTaken")
        #expect(taken?.message.hasPrefix("there is a HorizontalPodAutoscaler \"m\" that is not this model's") == true)
        try await harness.client.delete(.horizontalPodAutoscalers, other.key)
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await harness.condition(ModelDeploymentCondition.scalingActive)?.isTrue == true)
    }

    @Test(
        "the cold start is measured, kept in status, and told again when it has moved",
        arguments: ["External", "HorizontalPodAutoscaler"]
    )
    func coldStart(engine: String) async throws {
        let scaling: JSONValue = ["engine": .string(engine), "maxReplicas": 12]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: ["scaling": scaling]))
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        let state = harness.reconciler.scaling
        let steps: [(seconds: Int, shown: Double)] = [(20, 20), (22, 20), (60, 28.3)]
        for (pod, step) in steps.enumerated() {
            _ = state.due(now: harness.time.now() + .seconds(600))
            let address = "10.0.0.\(pod)"
            try await harness.addReadyPod("m-\(pod)", revision: 1, address: address, coldStart: step.seconds)
            try await harness.setStatus("m-r1", replicas: 1, ready: 1)
            try await harness.reconcile()
            #expect(state.due(now: harness.time.now()) == [harness.key])
            await harness.scalingLoop().decide(harness.key)
            try await harness.reconcile()
            let status = try await harness.get(.modelDeployments, "m")["status", "scaling"]
            #expect(status?["coldStartSeconds"]?.double == step.shown)
        }
        #expect(state.offered(namespace: "default").isEmpty == (engine == "External"))
        #expect(state.record(harness.key) == nil)
    }

    @Test("while it can't be acted on, more are made where more are asked for, and none is taken away")
    func blocked() async throws {
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: Self.spec))
        for _ in 0..<3 { try await harness.reconcile() }
        for (asked, count) in [(6, 6), (3, 6), (50, 12)] {
            try await harness.patchModel(["runtime": ["name": "nowhere"], "replicas": JSONValue(asked)])
            for _ in 0..<2 { try await harness.reconcile() }
            #expect(try await harness.condition("Progressing")?.reason == "NoRuntime")
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int == count)
        }
        try await harness.client.setReplicas(8, of: .deployments, OperatorHarness.key("m-r1"))
        let other = ForeignScaler(culprit: "HorizontalPodAutoscaler other", target: .deployment, name: "m-r1")
        _ = harness.reconciler.scaling.setForeign([harness.key: other])
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 8, "somebody else's")
    }

    @Test("tracks that share the load grow by their shares meanwhile")
    func blockedSharing() async throws {
        let harness = try await Self.harness(canary: 2)
        #expect(try await Self.counts(harness) == [2, 2])
        try await harness.patchModel(["runtime": ["name": "nowhere"]])
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await Self.counts(harness) == [2, 2])
        try await harness.patchModel(["replicas": 7])
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await Self.counts(harness) == [4, 4])
        try await harness.patchModel(["replicas": 4])
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await Self.counts(harness) == [4, 4])
    }
}
