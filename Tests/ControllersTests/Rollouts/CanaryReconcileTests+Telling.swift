// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Synchronization
import Telemetry
import Templates
import Testing

@testable import Controllers

/// What is told of a rollout whose writes fail.
extension CanaryReconcileTests {
    /// An API server that can't be reached for some writes.
    private final class Outage: HTTPExchange {
        private let inner = APIServer()
        private let lost = Mutex<String?>(nil)

        /// Loses what is written to this path; `nil`: nothing.
        func lose(_ path: String?) { lost.withLock { $0 = path } }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let isLost = lost.withLock { lost in lost.map { request.path.contains($0) } ?? false }
            if isLost, request.head.method != .get { throw SimLink.ConnectionBroken(description: "away") }
            return await inner.exchange(request)
        }
    }

    @Test("what was decided and written is told and counted once, although what follows from it can't be done yet")
    func tells() async throws {
        let outage = Outage()
        let harness = try await Self.harness(Self.steps, exchange: outage)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)
        try await Self.ask(harness, "abort 2/1 a")
        outage.lose("/services/m")
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await Self.weight(harness) == 25)
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "RollingBack")
        outage.lose(nil)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == nil)
        let told = try await harness.events("RollingBack")
        #expect(told.count == 1 && told.first?["type"] == "Warning")

        harness.time.advance(by: .seconds(6))
        outage.lose("/deployments/m-r2")
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "RolledBack")
        outage.lose(nil)
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 0)
        #expect(try await harness.events("Aborted").count == 1)
        let counted = #"modelfleet_rollouts_ended_total{outcome="Aborted"} 1"#
        #expect(harness.metrics.render().contains(counted), "\(harness.metrics.render())")
    }

    private static func refuse(_ outage: Outage, _ path: String, _ harness: ReconcilerHarness) async {
        outage.lose(path)
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        outage.lose(nil)
    }

    @Test("the switch is told once the Service has turned, and not before", arguments: ["RollingUpdate", "BlueGreen"])
    func switching(strategy: String) async throws {
        let outage = Outage()
        let harness = try await Self.harness(["strategy": .string(strategy)], replicas: 2, exchange: outage)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<3 { await Self.refuse(outage, "/services/m", harness) }
        #expect(try await harness.selected() == "1")
        #expect(try await harness.events("TrafficSwitched").isEmpty)
        try await Self.settle(harness, 6)
        #expect(try await harness.selected() == "2")
        let told = try await harness.events("TrafficSwitched")
        #expect(told.count == 1 && told.first?["count"] == 1)
    }

    @Test("the switch is told although what comes after it fails")
    func switchedBeforeFailure() async throws {
        let outage = Outage()
        let harness = try await Self.harness(["strategy": "RollingUpdate"], replicas: 1, exchange: outage)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        try await harness.patchModel(["model": ["version": "3"]])
        try await Self.settle(harness, 2)
        try await harness.setStatus("m-r3", replicas: 1, ready: 1)
        harness.time.advance(by: .seconds(6))
        // Revision 1 has no use any more.
        await Self.refuse(outage, "/deployments/m-r1", harness)
        #expect(try await harness.selected() == "3")
        try await Self.settle(harness)
        #expect(try await harness.events("TrafficSwitched").count == 2)
    }

    @Test("what a condition says first is told although what was to be done then fails")
    func conditions() async throws {
        let outage = Outage()
        let harness = try await Self.harness(["strategy": "RollingUpdate"], replicas: 1, exchange: outage)
        try await Self.settle(harness)
        let status = OperatorHarness.waiting("ImagePullBackOff", "no such image")
        try await harness.addPod("m-r2-a", revision: 2, status: status)
        let drift: JSONValue = ["spec": ["selector": [FleetAPI.modelLabel: "other"]]]
        try await harness.client.patch(.services, harness.key, .merge(drift))
        await Self.refuse(outage, "/services/m", harness)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(ConditionSet(model)[ModelDeploymentCondition.rolloutHealthy]?.reason == "RevisionFailed")
        try await Self.settle(harness)
        #expect(try await harness.events("RevisionFailed").count == 1)
    }

    @Test("a spec that can't be kept holds up no status")
    func unkept() async throws {
        let outage = Outage()
        let harness = try await ReconcilerHarness(exchange: outage)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        await Self.refuse(outage, "/controllerrevisions", harness)
        #expect(try await harness.condition(ModelDeploymentCondition.ready)?.isTrue == true)
        #expect(try await harness.get(.modelDeployments, "m")["status", "keptRevision"] == nil)
        try await harness.reconcile()
        #expect(try await harness.find(.controllerRevisions, "m-r1") != nil)
    }

    @Test("one of a rollout is kept later, although its state is written first")
    func keptLater() async throws {
        let outage = Outage()
        let harness = try await Self.harness(["strategy": "RollingUpdate"], replicas: 1, exchange: outage)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        try await harness.patchModel(["model": ["version": "3"]])
        await Self.refuse(outage, "/controllerrevisions", harness)
        #expect(try await harness.find(.deployments, "m-r3") != nil)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "keptRevision"] == 2)
        try await Self.settle(harness)
        #expect(try await harness.find(.controllerRevisions, "m-r3") != nil)
        #expect(try await harness.get(.modelDeployments, "m")["status", "keptRevision"] == 3)
    }

    @Test("a rollback says that the old revision serves once it does")
    func servesOn() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        try await harness.setStatus("m-r1", replicas: 4, ready: 0)
        try await Self.ask(harness, "abort 2/1 a")
        try await Self.settle(harness, 2)
        func message() async throws -> String {
            try await harness.condition(ModelDeploymentCondition.rolloutHealthy)?.message ?? ""
        }
        #expect(try await message().contains("it keeps 25 % of the requests"))
        #expect(try await !message().contains("the old revision serves on"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await Self.settle(harness, 2)
        #expect(try await message().contains("the old revision serves on"))
    }

    @Test(
        "nothing is said to be paused where another version is wanted by the time that one is promoted",
        arguments: ["RollingUpdate", "BlueGreen"]
    )
    func promotedOnTheWay(strategy: String) async throws {
        let harness = try await Self.harness(["strategy": .string(strategy)], replicas: 1)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        for _ in 0..<8 {
            if try await harness.selected() == "2" { break }
            try await harness.reconcile()
        }
        #expect(try await harness.selected() == "2")
        try await harness.patchModel(["model": ["version": "3"]])
        var isPromoted = false
        for _ in 0..<4 {
            try await harness.reconcile()
            let model = try await harness.get(.modelDeployments, "m")
            isPromoted = isPromoted || model["status", "history"]?[0]?["outcome"] == "Promoted"
            #expect(ConditionSet(model).conditions.allSatisfy { $0.reason != "Paused" })
            #expect(model["status", "summary"]?.string?.contains("Paused") == false)
            #expect(ConditionSet(model)[ModelDeploymentCondition.progressing]?.isTrue == true)
            #expect(
                RolloutReport(model, now: harness.time.now()).end == nil,
                "the version of the spec doesn't serve yet"
            )
        }
        #expect(isPromoted)
    }

    @Test("one that is held by the time that another one is promoted has not ended either")
    func promotedBeforeHeld() async throws {
        let harness = try await Self.harness(["strategy": "RollingUpdate"], replicas: 1)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        for _ in 0..<8 {
            if try await harness.selected() == "2" { break }
            try await harness.reconcile()
        }
        try await harness.patchModel(["model": ["version": "3"], "rollout": ["paused": true]])
        for _ in 0..<4 {
            try await harness.reconcile()
            let model = try await harness.get(.modelDeployments, "m")
            #expect(RolloutReport(model, now: harness.time.now()).end == nil)
            #expect(ConditionSet(model)[ModelDeploymentCondition.progressing]?.reason == "Paused")
        }
        #expect(try await harness.find(.deployments, "m-r3") == nil)
    }

    @Test("a process that finds a canary waiting says its share in its metrics")
    func gauges() async throws {
        var harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        harness.restart(templates: .builtIn)
        harness.reconciler.metrics = RolloutMetrics(registry: harness.metrics)
        RolloutMetrics(registry: harness.metrics).forget(harness.key)
        let versions = try await harness.versions()
        try await harness.reconcile()
        #expect(try await harness.versions() == versions)
        #expect(
            harness.metrics.render().contains(#"modelfleet_rollout_weight_ratio{model="m",namespace="default"} 0.25"#)
        )
    }
}
