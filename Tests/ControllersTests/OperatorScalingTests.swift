// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Synchronization
import Testing

@testable import Controllers

@Suite("Scaling in the operator", .timeLimit(.minutes(5)))
struct OperatorScalingTests {
    private static let page = "modelfleet_queue_length 11\nmodelfleet_requests_in_flight 3\n"

    /// A model with one ready pod whose page shows a long queue.
    private func loaded(_ scaling: JSONValue) async throws -> OperatorHarness {
        let harness = try await OperatorHarness()
        var spec = scaling
        spec["intervalSeconds"] = 1
        try await harness.client.create(.modelDeployments, OperatorHarness.model(spec: ["scaling": spec]))
        harness.pages.withLock { $0["10.0.0.1:8080"] = Self.page }
        return harness
    }

    private func bringUp(_ harness: OperatorHarness) async throws {
        try await harness.expect(.deployments, "m-r1") { _ in true }
        try await harness.setReady("m-r1", 1)
        try await harness.addPod("m-1", status: OperatorHarness.ready("10.0.0.1"))
    }

    @Test("Observe decides and reports, and leaves the count alone; explain says it in sentences and replays it")
    func observe() async throws {
        let harness = try await loaded(["mode": "Observe"])
        try await harness.withOperator { harness in
            try await bringUp(harness)
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "desiredReplicas"]?.int == 3
                    && ConditionSet($0)["ScalingActive"]?.reason == "Observing"
            }
            #expect(try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))["spec", "replicas"] == 1)
            let explanation = ScalingExplanation(model)
            #expect(explanation.text.contains("queue 11 over target 4 on 1 replica; in flight 3 under target 16"))
            #expect(explanation.text.contains("QueueLength, 0 s old asks for 3 and has the largest answer"))
            #expect(explanation.text.contains("Replayed from what it was made from, it gives 3 again."))
            #expect(explanation.json["replayedReplicas"] == 3)
        }
    }

    @Test("a change of the count is kept, with what it followed from, and outlives a restart")
    func changes() async throws {
        let harness = try await loaded([:])
        try await harness.withOperator { harness in
            try await bringUp(harness)
            try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "recentChanges"]?[0]?["toReplicas"] == 3
            }
        }
        harness.pages.withLock { $0["10.0.0.1:8080"] = "modelfleet_queue_length 18\nmodelfleet_requests_in_flight 3\n" }
        try await harness.withOperator { harness in
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "recentChanges"]?.array?.count == 2
            }
            let counts = model["status", "scaling", "recentChanges"]?.array?.map { $0["toReplicas"]?.int }
            #expect(counts == [5, 3])
        }
    }

    @Test("an HPA of somebody else on the same Deployment is reported, and nobody fights")
    func foreign() async throws {
        let harness = try await loaded([:])
        var autoscaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "theirs")
        autoscaler["spec"] = [
            "scaleTargetRef": ["apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "name": "m"],
            "maxReplicas": 3,
        ]
        try await harness.client.create(.horizontalPodAutoscalers, autoscaler)
        try await harness.withOperator { harness in
            try await bringUp(harness)
            let model = try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["ScalingActive"]?.reason == "ForeignAutoscaler"
            }
            let message = ConditionSet(model)["ScalingActive"]?.message ?? ""
            #expect(message.hasPrefix("HorizontalPodAutoscaler theirs scales ModelDeployment m"))
            #expect(try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))["spec", "replicas"] == 1)
        }
    }

    @Test("an HPA that KEDA keeps is reported at once as its ScaledObject, whether that may be listed or not")
    func foreignScaledObject() async throws {
        let harness = try await loaded([:])
        try await harness.withOperator { harness in try await harness.expect(.deployments, "m-r1") { _ in true } }
        var autoscaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "keda-hpa-so")
        let owner = OwnerReference(apiVersion: "keda.sh/v1alpha1", kind: "ScaledObject", name: "so", uid: "u-1")
        autoscaler.json.set([owner.json], at: "metadata", "ownerReferences")
        autoscaler["spec"] = [
            "scaleTargetRef": ["apiVersion": "apps/v1", "kind": "Deployment", "name": "m-r1"], "maxReplicas": 3,
        ]
        try await harness.client.create(.horizontalPodAutoscalers, autoscaler)
        try await harness.withOperator { harness in
            try await bringUp(harness)
            let model = try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["ScalingActive"]?.reason == "ForeignAutoscaler"
                    || $0["status", "scaling", "recentChanges"] != nil
            }
            let message = ConditionSet(model)["ScalingActive"]?.message ?? ""
            #expect(message.hasPrefix("ScaledObject so scales Deployment m-r1,"))
            #expect(try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))["spec", "replicas"] == 1)
        }
    }

    @Test("a model at rest has no replica and is ready; the annotation on its Service wakes it")
    func wakes() async throws {
        let harness = try await loaded(["scaleToZero": ["idleSeconds": 10]])
        try await harness.withOperator { harness in
            try await harness.expect(.services, "m") { _ in true }
            try await harness.client.setReplicas(0, of: .deployments, OperatorHarness.key("m-r1"))
            let model = try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["Ready"]?.reason == "ScaledToZero"
            }
            #expect(ConditionSet(model).isTrue("Ready"))
            let time = SystemTime().now().rfc3339
            let annotation: JSONValue = ["metadata": ["annotations": [FleetAPI.wakeAnnotation: .string(time)]]]
            try await harness.client.patch(.services, OperatorHarness.key("m"), .merge(annotation))
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 1 }
            try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "lastDecision", "message"]?.string?.contains("a request waits") == true
                    || $0["status", "scaling", "lastDecision", "reason"] == "NothingReady"
            }
        }
    }

    /// A model with three replicas, that goes down without a wait, and pages of as many pods.
    private func falling(_ inFlight: [Int]) async throws -> OperatorHarness {
        let harness = try await loaded([
            "minReplicas": 1, "maxReplicas": 3, "behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]],
            "targets": [["signal": "InFlight", "value": 8]],
        ])
        harness.pages.withLock { pages in
            for (index, count) in inFlight.enumerated() {
                pages["10.0.0.\(index + 1):8080"] =
                    "modelfleet_queue_length 0\nmodelfleet_requests_in_flight \(count)\n"
            }
        }
        return harness
    }

    @Test("before the count is lowered, the pods with the least in flight are marked")
    func marks() async throws {
        let harness = try await falling([3, 1, 2])
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.client.setReplicas(3, of: .deployments, OperatorHarness.key("m-r1"))
            for pod in 1...3 { try await harness.addPod("m-\(pod)", status: OperatorHarness.ready("10.0.0.\(pod)")) }
            try await harness.setReady("m-r1", 3, generation: 2)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 1 }
            // The count was lowered just now: the marks were there before.
            let costs = try await harness.client.list(.pods, namespace: "default").items.map {
                "\($0.name) \($0.annotation(DeletionCosts.annotation) ?? "-")"
            }
            #expect(costs.sorted() == ["m-1 -", "m-2 \(DeletionCosts.idle + 1)", "m-3 \(DeletionCosts.idle + 2)"])
        }
    }

    @Test("pods that the Deployment counts and the operator hasn't seen keep the count where it is")
    func unseen() async throws {
        let harness = try await falling([1, 2, 1])
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.client.setReplicas(3, of: .deployments, OperatorHarness.key("m-r1"))
            // One pod of three: what it shows would be enough for one replica. The Deployment hasn't counted any yet.
            try await harness.addPod("m-1", status: OperatorHarness.ready("10.0.0.1"))
            try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "lastDecision", "message"]?.string?.contains("held at 3:") == true
            }
            // Then it has counted all, and two of them the operator still hasn't seen.
            try await harness.setReady("m-r1", 2, replicas: 3, generation: 2)
            try await harness.addPod("m-2", status: OperatorHarness.ready("10.0.0.2"))
            try await harness.expect(.modelDeployments, "m") {
                let inputs = $0["status", "scaling", "lastDecision", "inputs"]?.jsonText ?? ""
                return inputs.contains("\"reporting\":2")
            }
            #expect(try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))["spec", "replicas"] == 3)
            try await harness.addPod("m-3", status: OperatorHarness.ready("10.0.0.3"))
            try await harness.setReady("m-r1", 3, generation: 2)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 1 }
        }
    }

    @Test("a Prometheus server that doesn't answer is asked again, and followed once it does")
    func prometheus() async throws {
        let harness = try await loaded([
            "metricsSource": "Prometheus", "targets": [["signal": "QueueLength", "value": 4]],
            "prometheus": ["address": "http://prometheus.test:9090", "queries": ["queueLength": "queue"]],
        ])
        try await harness.withOperator { harness in
            try await bringUp(harness)
            try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["ScalingActive"]?.reason == "MissingData"
            }
            let time = Int(SystemTime().now().seconds)
            let answer =
                #"{"status":"success","data":{"resultType":"vector","result":"#
                + #"[{"metric":{"pod":"m-1"},"value":[\#(time),"11"]}]}}"#
            harness.pages.withLock { $0["prometheus.test:9090"] = answer }
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 3 }
        }
    }

    @Test("a page without what is looked for: the condition names both")
    func nothingOffered() async throws {
        let harness = try await loaded([:])
        harness.pages.withLock { $0["10.0.0.1:8080"] = "their_queue_length 11\n" }
        try await harness.withOperator { harness in
            try await bringUp(harness)
            let model = try await harness.expect(.modelDeployments, "m") {
                let condition = ConditionSet($0)["ScalingActive"]
                return condition?.reason == "MissingData" && condition?.message.contains("looked for") == true
            }
            let message = ConditionSet(model)["ScalingActive"]?.message ?? ""
            #expect(message.contains("looked for modelfleet_queue_length; the page offers their_queue_length"))
        }
    }
}
