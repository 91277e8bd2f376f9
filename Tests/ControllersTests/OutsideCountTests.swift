// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Testing

@testable import Controllers

@Suite("A count that a person sets although the operator scales", .timeLimit(.minutes(5)))
struct OutsideCountTests {
    private static func harness() async throws -> ReconcilerHarness {
        let spec: JSONValue = ["scaling": ["minReplicas": 2, "maxReplicas": 6]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 2, ready: 2)
        try await turn(harness)
        return harness
    }

    /// What the controllers do once a change has come.
    private static func turn(_ harness: ReconcilerHarness) async throws {
        for _ in 0..<2 {
            try await harness.reconcile()
            try await harness.sync()
            await harness.scalingLoop().decide(harness.key)
            harness.time.advance(by: .seconds(2))
        }
        try await harness.reconcile()
    }

    /// Plays `kubectl scale modeldeployment/m`.
    private static func scale(_ harness: ReconcilerHarness, _ count: Int) async throws {
        try await harness.client.setReplicas(count, of: .modelDeployments, harness.key)
        try await turn(harness)
    }

    private static func count(_ harness: ReconcilerHarness) async throws -> Int? {
        try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int
    }

    private static func unused(_ harness: ReconcilerHarness) async throws -> Int? {
        try await harness.get(.modelDeployments, "m")["status", "scaling", "unusedReplicas"]?.int
    }

    @Test("it has no effect, and a person is told once, with what has")
    func told() async throws {
        let harness = try await Self.harness()
        #expect(try await harness.events("ReplicasUnused").isEmpty)
        try await Self.scale(harness, 5)
        try await Self.turn(harness)
        #expect(try await Self.count(harness) == 2)
        #expect(try await Self.unused(harness) == 5)
        let told = try await harness.events("ReplicasUnused")
        #expect(told.count == 1 && told.first?["count"] == 1 && told.first?["type"] == "Warning")
        let message = told.first?["message"]?.string ?? ""
        #expect(message.hasPrefix("spec.replicas is 5 and has no effect: the operator decides the count"))
        #expect(message.contains("spec.scaling.engine to External") && message.contains("spec.scaling.paused to true"))
        let explanation = ScalingExplanation(try await harness.get(.modelDeployments, "m"))
        #expect(explanation.text.contains(message + ".\n"))
    }

    @Test(
        "while the operator keeps its hands off, it counts from its next change on, within the bounds",
        arguments: [["paused": true], ["mode": "Observe"]] as [JSONValue]
    )
    func handsOff(scaling: JSONValue) async throws {
        let harness = try await Self.harness()
        func message() async throws -> String { try await harness.condition("ScalingActive")?.message ?? "" }
        try await Self.scale(harness, 5)
        try await harness.patchModel(["scaling": scaling])
        try await Self.turn(harness)
        #expect(try await Self.count(harness) == 2)
        #expect(try await message().contains("spec.replicas is 5 from before, and counts once it is changed"))
        for (asked, count) in [(4, 4), (50, 6), (5, 5), (1, 2)] {
            try await Self.scale(harness, asked)
            #expect(try await Self.count(harness) == count)
            #expect(try await Self.unused(harness) == nil)
            #expect(try await message().contains("spec.replicas decides it: \(asked)"))
        }
        #expect(try await message().contains("decides it: 1, within minReplicas and maxReplicas 2"))
        try await Self.scale(harness, 4)
        let text = ScalingExplanation(try await harness.get(.modelDeployments, "m")).text
        #expect(text.contains("spec.replicas decides it: 4") && !text.contains("has no effect"))

        try await harness.patchModel(["scaling": ["paused": false, "mode": "Auto"]])
        try await Self.turn(harness)
        #expect(try await Self.unused(harness) == 4)
        try await harness.client.setReplicas(3, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.patchModel(["scaling": scaling])
        try await Self.turn(harness)
        #expect(try await Self.count(harness) == 3, "what was asked for in the last pause isn't asked for in this one")
        #expect(try await harness.events("ReplicasUnused").count == 1)
    }

    @Test("a model that is made with its scaling paused begins with it")
    func first() async throws {
        let spec: JSONValue = ["replicas": 4, "scaling": ["maxReplicas": 6, "paused": true]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        #expect(try await Self.count(harness) == 4)
        #expect(try await harness.events("ReplicasUnused").isEmpty)
    }

    @Test("while two tracks share the load it is the count of both, and stays so when the operator goes on")
    func shared() async throws {
        let spec: JSONValue = [
            "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"], "replicas": 4,
            "scaling": ["maxReplicas": 12, "paused": true],
            "rollout": [
                "strategy": "Canary", "dynamicStableScale": true, "steps": [["setWeight": 50], ["pause": [:]]],
            ],
        ]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await Self.turn(harness)
        try await harness.patchModel(["model": ["version": "2"]])
        try await Self.turn(harness)
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<3 { try await Self.turn(harness) }
        func counts() async throws -> [Int?] {
            [try await Self.count(harness), try await harness.get(.deployments, "m-r2")["spec", "replicas"]?.int]
        }
        #expect(try await counts() == [2, 2])
        try await Self.scale(harness, 8)
        try await Self.turn(harness)
        #expect(try await counts() == [4, 4])
        for name in ["m-r1", "m-r2"] { try await harness.setStatus(name, replicas: 4, ready: 4) }
        try await harness.patchModel(["scaling": ["paused": false]])
        try await Self.turn(harness)
        #expect(try await counts() == [4, 4])
    }
}
