// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Logging
import Synchronization
import Testing

@testable import LocalCluster

@Suite("The HorizontalPodAutoscaler controller")
struct AutoscalerTests {
    @Test("a queue over its target raises the Deployment by the HPA's rule and says so in status and events")
    func rises() async throws {
        let world = try await World()
        #expect(try await world.look(queue: 10) == 2)
        #expect(try await world.look(queue: 18) == 4)
        #expect(try await world.condition("AbleToScale") == "True SucceededRescale")
        #expect(try await world.condition("ScalingActive") == "True ValidMetricFound")
        #expect(try await world.condition("ScalingLimited") == "False DesiredWithinRange")
        let found = try await world.client.get(.horizontalPodAutoscalers, World.key)
        #expect(found["status", "desiredReplicas"] == 4)
        let metrics = found["status", "currentMetrics"]?.array ?? []
        #expect(metrics.first?.at("external", "current", "averageValue") == "9")
        let events = try await world.client.list(.events, namespace: "default").items
        let messages = events.filter { $0["reason"] == "SuccessfulRescale" }.compactMap { $0["message"]?.string }
        #expect(messages == ["New size: 4; reason: external metric queue{a=b} above target"])
    }

    @Test("a missing value holds the count, and says why")
    func holds() async throws {
        let world = try await World()
        #expect(try await world.look(queue: nil) == 2)
        #expect(try await world.condition("ScalingActive") == "False FailedGetExternalMetric")
        let events = try await world.client.list(.events, namespace: "default").items
        #expect(events.contains { $0["reason"] == "FailedGetExternalMetric" })
    }

    @Test("more than the most replicas is limited, and a fall waits for the stabilization window")
    func limits() async throws {
        let world = try await World()
        #expect(try await world.look(queue: 1000) == 4)
        #expect(try await world.condition("ScalingLimited") == "True ScaleUpLimit")
        #expect(try await world.look(queue: 1000) == 8)
        #expect(try await world.look(queue: 1000) == 10)
        #expect(try await world.condition("ScalingLimited") == "True TooManyReplicas")
        world.time.advance(by: .seconds(290))
        #expect(try await world.look(queue: 5) == 10)
        #expect(try await world.condition("AbleToScale") == "True ScaleDownStabilized")
        world.time.advance(by: .seconds(20))
        #expect(try await world.look(queue: 5) == 1)
    }

    @Test("a count that couldn't be written uses up no rate, and its recommendation still keeps the count from falling")
    func refused() async throws {
        let slow: JSONValue = ["scaleUp": ["policies": [["type": "Pods", "value": 1, "periodSeconds": 600]]]]
        let world = try await World(behavior: slow)
        #expect(try await world.look(queue: 10) == 2)
        world.time.advance(by: .seconds(290))
        world.api.isOn.withLock { $0 = true }
        #expect(try await world.look(queue: 1000) == 2)
        #expect(try await world.condition("AbleToScale") == "False FailedUpdateScale")
        world.api.isOn.withLock { $0 = false }
        world.time.advance(by: .seconds(20))
        #expect(try await world.look(queue: 5) == 2, "10 were recommended 20 s ago")
        #expect(try await world.condition("AbleToScale") == "True ScaleDownStabilized")
        #expect(try await world.look(queue: 1000) == 3)
        #expect(try await world.look(queue: 1000) == 3, "one in ten minutes")
    }

    @Test("what went because of the bounds counts for the rate policies")
    func boundsCount() async throws {
        let slow: JSONValue = [
            "scaleDown": [
                "stabilizationWindowSeconds": 0,
                "policies": [["type": "Pods", "value": 1, "periodSeconds": 600]],
            ]
        ]
        let world = try await World(behavior: slow)
        _ = try await world.client.setReplicas(12, of: .deployments, World.key)
        #expect(try await world.look(queue: 1) == 10, "its maxReplicas")
        #expect(try await world.look(queue: 1) == 10, "two went, and one may in ten minutes")
        world.time.advance(by: .seconds(601))
        #expect(try await world.look(queue: 1) == 9)
    }

    @Test("a Value is shared by the ready pods; without any pod the count is held")
    func valueWithoutPods() async throws {
        let world = try await World(
            behavior: ["scaleDown": ["stabilizationWindowSeconds": 0]],
            target: ["type": "Value", "value": "5"]
        )
        #expect(try await world.look(queue: 20) == 2)
        #expect(try await world.condition("ScalingActive") == "False FailedGetExternalMetric")
        #expect(try await world.look(queue: 5) == 2)
        #expect(try await world.condition("ScalingActive") == "True ValidMetricFound", "nothing to share")
        for name in ["model-1", "model-2"] { try await world.addPod(name) }
        #expect(try await world.look(queue: 10) == 4)
    }

    @Test("amounts are whole thousandths: 2.1 over 300m is 7, and a mean that is shown is rounded up")
    func thousandths() async throws {
        let world = try await World(
            behavior: ["scaleUp": ["policies": [["type": "Pods", "value": 10, "periodSeconds": 15]]]],
            target: ["type": "AverageValue", "averageValue": "300m"]
        )
        #expect(try await world.look(amount: "2.1") == 7)
        let other = try await World(target: ["type": "AverageValue", "averageValue": "5"])
        try await other.set(replicas: 3)
        _ = try await other.look(queue: 10)
        let found = try await other.client.get(.horizontalPodAutoscalers, World.key)
        let metrics = found["status", "currentMetrics"]?.array ?? []
        #expect(metrics.first?.at("external", "current", "averageValue") == "3334m")
    }

    @Test("an edit of behavior or of the bounds forgets neither changes nor recommendations")
    func edits() async throws {
        let slow: JSONValue = ["scaleUp": ["policies": [["type": "Pods", "value": 1, "periodSeconds": 600]]]]
        let world = try await World(behavior: slow)
        #expect(try await world.look(queue: 1000) == 3)
        world.time.advance(by: .seconds(60))
        try await world.edit(["behavior": ["scaleDown": ["stabilizationWindowSeconds": 60]]])
        #expect(try await world.look(queue: 1000) == 3, "one in ten minutes")

        let other = try await World()
        try await other.edit(["maxReplicas": 5])
        for count in [4, 5] { #expect(try await other.look(queue: 100) == count) }
        other.time.advance(by: .seconds(100))
        try await other.edit(["maxReplicas": 10])
        #expect(try await other.look(queue: 30) == 10, "20 were recommended 100 s ago")
    }

    @Test("what holds the count is told apart: a window of either direction, a rate of either direction")
    func reasons() async throws {
        let window = try await World(behavior: ["scaleUp": ["stabilizationWindowSeconds": 60]])
        #expect(try await window.look(queue: 30) == 2)
        #expect(try await window.condition("AbleToScale") == "True ScaleUpStabilized")
        #expect(try await window.condition("ScalingLimited") == "False DesiredWithinRange")
        let one: JSONValue = ["type": "Pods", "value": 1, "periodSeconds": 60]
        let rate = try await World(
            behavior: ["scaleDown": ["stabilizationWindowSeconds": 0, "policies": [one]]]
        )
        try await rate.set(replicas: 10)
        #expect(try await rate.look(queue: 10) == 9)
        #expect(try await rate.look(queue: 10) == 9)
        #expect(try await rate.condition("AbleToScale") == "True ReadyForNewScale")
        #expect(try await rate.condition("ScalingLimited") == "True ScaleDownLimit")
        let never = try await World(
            behavior: ["scaleDown": ["stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"]]
        )
        try await never.set(replicas: 10)
        #expect(try await never.look(queue: 10) == 10)
        #expect(try await never.condition("AbleToScale") == "True ReadyForNewScale")
        #expect(try await never.condition("ScalingLimited") == "True ScaleDownLimit")
    }

    @Test("status has the count of the scale's spec, and keeps what was asked for while no count is found or written")
    func statusCounts() async throws {
        let world = try await World()
        #expect(try await world.look(queue: 18) == 4)
        #expect(try await world.status() == "2 -> 4, 1 metrics")
        // The pods are behind: the spec's count is shown.
        try await world.show(replicas: 3)
        _ = try await world.reconciler.reconcile(World.key)
        #expect(try await world.status() == "4 -> 4, 1 metrics")
        try await world.set(replicas: 3)
        #expect(try await world.look(queue: nil) == 3)
        #expect(try await world.status() == "3 -> 4, 1 metrics")
        world.api.isOn.withLock { $0 = true }
        #expect(try await world.look(queue: 30) == 3)
        #expect(try await world.status() == "3 -> 4, 1 metrics")
        world.api.isOn.withLock { $0 = false }
        try await world.set(replicas: 12)
        #expect(try await world.look(queue: 30) == 10)
        #expect(try await world.status() == "12 -> 10, 0 metrics")
        try await world.set(replicas: 0)
        #expect(try await world.look(queue: 30) == 0)
        #expect(try await world.status() == "0 -> 0, 0 metrics")
    }

    @Test("two autoscalers of the same pods are both refused, until one is gone")
    func ambiguous() async throws {
        let world = try await World()
        try await world.addPod("model-1")
        let other = ObjectKey(namespace: "default", name: "other")
        var second = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "other")
        second["spec"] = try await world.client.get(.horizontalPodAutoscalers, World.key)["spec"]
        try await world.client.create(.horizontalPodAutoscalers, second)
        #expect(try await world.look(queue: 10) == 2)
        #expect(try await world.condition("ScalingActive") == "True ValidMetricFound", "the other hasn't looked yet")
        _ = try await world.reconciler.reconcile(other)
        #expect(try await world.condition("ScalingActive", of: other) == "False AmbiguousSelector")
        #expect(try await world.look(queue: 20) == 2)
        #expect(try await world.condition("ScalingActive") == "False AmbiguousSelector")
        let events = try await world.client.list(.events, namespace: "default").items
        let found = events.first { $0["reason"] == "AmbiguousSelector" }
        let names = "[default/model default/other]"
        #expect(found?["message"] == .string("pods by selector app=model are controlled by multiple HPAs: \(names)"))
        try await world.client.delete(.horizontalPodAutoscalers, other)
        _ = try await world.reconciler.reconcile(other)
        #expect(try await world.look(queue: 20) == 4)
    }

    @Test("a target whose scale has no selector isn't scaled by metrics")
    func noSelector() async throws {
        let world = try await World()
        let scale: JSONValue = ["specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"]
        let schema: JSONValue = ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]]
        let version: JSONValue = [
            "name": "v1", "served": true, "storage": true, "schema": schema,
            "subresources": ["status": .emptyObject, "scale": scale],
        ]
        _ = try await world.client.raw(
            .post,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            body: [
                "metadata": ["name": "things.test.dev"],
                "spec": [
                    "group": "test.dev", "scope": "Namespaced", "names": ["kind": "Thing", "plural": "things"],
                    "versions": [version],
                ],
            ]
        )
        _ = try await world.client.raw(
            .post,
            "/apis/test.dev/v1/namespaces/default/things",
            body: [
                "apiVersion": "test.dev/v1", "kind": "Thing", "metadata": ["name": "t"], "spec": ["replicas": 2],
            ]
        )
        try await world.edit(["scaleTargetRef": ["apiVersion": "test.dev/v1", "kind": "Thing", "name": "t"]])
        _ = try await world.look(queue: 20)
        let thing = try await world.client.raw(.get, "/apis/test.dev/v1/namespaces/default/things/t")
        #expect(thing.at("spec", "replicas") == 2)
        #expect(try await world.condition("ScalingActive") == "False InvalidSelector")
        let events = try await world.client.list(.events, namespace: "default").items
        #expect(events.contains { $0["reason"] == "SelectorRequired" && $0["message"] == "selector is required" })
    }
}
