// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Synchronization
import Testing

@testable import Controllers

@Suite("Signals of a model with several revisions", .timeLimit(.minutes(5)))
struct RevisionSignalsTests {
    /// A runtime whose pages have names of their own.
    private static func runtime(_ name: String) -> KubeObject {
        var runtime = ServingRuntime.builtIn
        runtime.json.set(.string(name), at: "metadata", "name")
        runtime.json.set([["name": "onnx", "autoSelect": false]], at: "spec", "supportedModelFormats")
        runtime.json.set(.string("image-\(name)"), at: "spec", "container", "image")
        runtime.json.set(
            ["path": "/metrics", "queueLength": ["name": .string("\(name)_queue")]],
            at: "spec",
            "metrics"
        )
        return runtime
    }

    @Test("what the canary's server doesn't tell is no zero: the count isn't lowered")
    func signalless() async throws {
        let harness = try await Self.harness()
        var other = Self.runtime("c")
        other.json.set(
            ["path": "/metrics", "inFlight": ["name": "c_requests"]],
            at: "spec",
            "metrics"
        )
        try await harness.client.create(.servingRuntimes, other)
        let quick: JSONValue = ["scaling": ["behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]]]]
        try await harness.client.patch(.modelDeployments, OperatorHarness.key("m"), .merge(["spec": quick]))
        Self.queue(harness, "a_queue 11\n")
        try await harness.withOperator(configuration: OperatorConfiguration(hasLocalProxy: true)) { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await Self.addPod(harness, 1, coldStart: 100)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"] == 3 }
            try await harness.client.patch(
                .modelDeployments,
                OperatorHarness.key("m"),
                .merge(["spec": ["runtime": ["name": "c"]]])
            )
            try await harness.expect(.deployments, "m-r2") { _ in true }
            harness.pages.withLock { $0["10.0.0.2:8080"] = "c_requests 40\n" }
            try await Self.addPod(harness, 2, coldStart: 100)
            try await harness.expect(.services, "m") { $0.annotation(FleetAPI.trafficAnnotation) != nil }
            Self.queue(harness, "a_queue 1\n")
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "lastDecision", "reason"] == "MissingData"
                    || $0["status", "scaling", "desiredReplicas"] == 1
            }
            #expect(model["status", "scaling", "desiredReplicas"] == 3)
        }
    }

    /// A model on runtime `a`, with one pod and hardly any load, whose rollouts wait at their first step.
    private static func harness() async throws -> OperatorHarness {
        let harness = try await OperatorHarness()
        for name in ["a", "b"] { try await harness.client.create(.servingRuntimes, runtime(name)) }
        let spec: JSONValue = [
            "runtime": ["name": "a"],
            "scaling": ["intervalSeconds": 1, "targets": [["signal": "QueueLength", "value": 4]]],
            "rollout": ["strategy": "Canary", "steps": [["setWeight": 10], ["pause": [:]]]],
        ]
        try await harness.client.create(.modelDeployments, OperatorHarness.model(spec: spec))
        queue(harness, "a_queue 1\n")
        return harness
    }

    private static func queue(_ harness: OperatorHarness, _ page: String) {
        harness.pages.withLock { $0["10.0.0.1:8080"] = page }
    }

    private static func addPod(_ harness: OperatorHarness, _ revision: Int, coldStart: Int) async throws {
        var status = OperatorHarness.ready("10.0.0.\(revision)")
        let time = SystemTime().now() + .seconds(coldStart)
        status["conditions"] = [["type": "Ready", "status": "True", "lastTransitionTime": .string(time.rfc3339)]]
        try await harness.addPod("m-\(revision)", revision: revision, status: status)
        try await harness.setReady("m-r\(revision)", 1)
    }

    @Test("each is read by the runtime that it was rendered with, and a pod's start counts when it starts")
    func runtimes() async throws {
        let harness = try await Self.harness()
        try await harness.withOperator(configuration: OperatorConfiguration(hasLocalProxy: true)) { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await Self.addPod(harness, 1, coldStart: 100)
            try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["ScalingActive"]?.reason == "FollowingLoad"
            }
            try await harness.client.patch(
                .modelDeployments,
                OperatorHarness.key("m"),
                .merge(["spec": ["runtime": ["name": "b"]]])
            )
            let canary = try await harness.expect(.deployments, "m-r2") { _ in true }
            #expect(canary.annotation(FleetAPI.runtimeAnnotation) == "b")
            harness.pages.withLock { $0["10.0.0.2:8080"] = "b_queue 4\n" }
            try await Self.addPod(harness, 2, coldStart: 200)
            try await harness.expect(.services, "m") { $0.annotation(FleetAPI.trafficAnnotation) != nil }
            Self.queue(harness, "a_queue 11\n")
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "desiredReplicas"]?.int ?? 0 >= 4
                    || ConditionSet($0)["ScalingActive"]?.reason == "MissingData"
            }
            #expect(ConditionSet(model)["ScalingActive"]?.reason == "FollowingLoad")
            #expect(model["status", "scaling", "desiredReplicas"] == 4, "11 + 4 waiting, 4 a replica")
            let seconds = model["status", "scaling", "coldStartSeconds"]?.double ?? 0
            #expect(seconds > 115 && seconds < 125, "100, and a fifth of the way to 200")
            let stable = try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))
            #expect(stable.annotation(FleetAPI.runtimeAnnotation) == "a")
        }
    }
}
