// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Testing

/// A model that nobody uses in the midst of a rollout.
extension CanaryReconcileTests {
    @Test(
        "a canary that waits sleeps with its model, is said to, and wakes with it; a Deployment that is gone is no sleep"
    )
    func sleeps() async throws {
        let harness = try await Self.harness(Self.steps, replicas: 1)
        try await harness.patchModel(["scaling": ["scaleToZero": ["idleSeconds": 60]]])
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)
        // As the scaling does.
        let stable = OperatorHarness.key("m-r1")
        try await harness.client.setReplicas(0, of: .deployments, stable)
        try await harness.setStatus("m-r1", replicas: 0, ready: 0)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == nil)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] ?? 1 == 1)
        harness.time.advance(by: .seconds(6))
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 0)
        try await harness.setStatus("m-r2", replicas: 0, ready: 0)
        try await Self.settle(harness)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "Paused" && model["status", "rollout", "stepIndex"] == 1)
        let message =
            "step 2 of 4: revision 2 (version 2) sleeps with the model, which nobody uses; the first request wakes both"
        #expect(model["status", "rollout", "message"]?.string == message)
        #expect(ConditionSet(model)[ModelDeploymentCondition.ready]?.reason == "ScaledToZero")
        let versions = try await harness.versions()
        try await Self.settle(harness, 2)
        #expect(try await harness.versions() == versions, "at rest nothing is written")

        try await harness.client.setReplicas(1, of: .deployments, stable)
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 1)
        #expect(try await Self.weight(harness) == nil, "its replica isn't ready")
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)

        try await harness.client.delete(.deployments, stable)
        // Its route and its Service change at once: the second write may come again.
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        harness.time.advance(by: .seconds(6))
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 1, "it is all that serves")
    }
}
