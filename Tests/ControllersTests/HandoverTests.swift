// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Synchronization
import Templates
import Testing

@testable import Controllers

@Suite("Handing the count over")
struct HandoverTests {
    @Test("from the operator to an HPA, which starts from the running count whatever spec.replicas said before")
    func toAutoscaler() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.patchModel(["replicas": 1, "scaling": ["maxReplicas": 9]])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.reconcile()
        try await harness.patchModel(["scaling": ["engine": "HorizontalPodAutoscaler"]])
        // The write of the count makes the status that was decided with it old: a controller comes back after that.
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
        for _ in 0..<3 { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"] == 4)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
    }

    @Test("what an HPA says that it can't do counts, once it has had the time to look a few times")
    func newAutoscaler() async throws {
        let harness = try await ReconcilerHarness()
        for _ in 0..<2 { try await harness.reconcile() }
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.patchModel(["scaling": ["engine": "HorizontalPodAutoscaler"]])
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        /// Plays the HPA controller; a cluster may have another server for its metrics.
        func says(_ isAble: Bool, _ reason: String) async throws -> (active: Condition?, outcome: ReconcileOutcome) {
            let condition: JSONValue = [
                "type": "ScalingActive", "status": isAble ? "True" : "False", "reason": .string(reason),
                "message": "as it is", "lastTransitionTime": "2026-11-29T14:17:36Z",
            ]
            let status: JSONValue = ["status": ["conditions": [condition]]]
            try await harness.client.patch(
                .horizontalPodAutoscalers,
                harness.key,
                .merge(status),
                subresource: "status"
            )
            try await harness.reconcile()
            return (try await harness.condition("ScalingActive"), try await harness.reconcile())
        }
        let first = try await says(false, "FailedGetExternalMetric")
        #expect(first.active?.isTrue == true && first.active?.reason == "HorizontalPodAutoscaler")
        #expect(first.active?.message.contains("hasn't read what it needs yet") == true)
        #expect(try await harness.events("FailedGetExternalMetric").isEmpty)
        // Time alone makes it a trouble.
        guard case .requeue(let after) = first.outcome else { return #expect(Bool(false), "\(first.outcome)") }
        #expect(after <= .seconds(60))
        harness.time.advance(by: after)
        try await harness.reconcile()
        let late = try await harness.condition("ScalingActive")
        #expect(late?.isTrue == false && late?.reason == "FailedGetExternalMetric")
        #expect(late?.message.contains("`kubectl describe hpa m` says why") == true)
        #expect(try await harness.events("FailedGetExternalMetric").count == 1)
        let able = try await says(true, "ValidMetricFound")
        #expect(able.active?.isTrue == true && able.active?.reason == "HorizontalPodAutoscaler")
        #expect(able.active?.message == "the HorizontalPodAutoscaler decides the replica count")
    }

    @Test("from no replica to an HPA, which needs one to begin with")
    func fromZero() async throws {
        let harness = try await ReconcilerHarness()
        let scaling: JSONValue = ["minReplicas": 2, "maxReplicas": 9, "scaleToZero": ["idleSeconds": 60]]
        try await harness.patchModel(["scaling": scaling])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.client.setReplicas(0, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.reconcile()
        try await harness.patchModel(["scaling": ["engine": "HorizontalPodAutoscaler", "scaleToZero": .null]])
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
        for _ in 0..<3 { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"] == 2)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 2)
    }

    @Test(
        "from the operator to something else, whatever spec.replicas said before, unless it is changed with the engine"
    )
    func toOutside() async throws {
        for (asked, count) in [(nil, 1), (3, 3)] as [(Int?, Int)] {
            let harness = try await ReconcilerHarness()
            try await harness.patchModel(["replicas": 4, "scaling": ["maxReplicas": 9]])
            for _ in 0..<3 { try await harness.reconcile() }
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] ?? 1 == 1)
            var patch: JSONValue = ["scaling": ["engine": "External"]]
            if let asked { patch["replicas"] = JSONValue(asked) }
            try await harness.patchModel(patch)
            for _ in 0..<4 { _ = try? await harness.reconcile() }
            #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"]?.int == count)
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] ?? 1 == JSONValue(count))
            try await harness.patchModel(["replicas": 4])
            for _ in 0..<2 { try await harness.reconcile() }
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
        }
    }

    @Test("while the engine can't be changed yet, the count isn't taken for handed over")
    func blocked() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.patchModel(["replicas": 4, "scaling": ["maxReplicas": 9]])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.patchModel(["scaling": ["engine": "External"], "runtime": ["name": "nowhere"]])
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await harness.condition("Progressing")?.reason == "NoRuntime")
        try await harness.patchModel(["runtime": .null])
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"] == 1)
    }

    @Test(
        "while a rollout shares the load, all that runs is handed over",
        arguments: ["HorizontalPodAutoscaler", "External"]
    )
    func shared(engine: String) async throws {
        let spec: JSONValue = [
            "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"], "replicas": 9,
            "scaling": ["minReplicas": 4, "maxReplicas": 10],
            "rollout": [
                "strategy": "Canary", "dynamicStableScale": true, "steps": [["setWeight": 50], ["pause": [:]]],
            ],
        ]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<6 { try await harness.reconcile() }
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 2)
        try await harness.setStatus("m-r1", replicas: 2, ready: 2)
        try await harness.patchModel(["scaling": ["engine": .string(engine), "minReplicas": 1]])
        for _ in 0..<6 { _ = try? await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"] == 4)
        for name in ["m-r1", "m-r2"] {
            #expect(try await harness.get(.deployments, name)["spec", "replicas"] == 2)
        }
    }

    @Test(
        "a process that ends between the status and the count of a handover leaves it to the next one",
        arguments: [("External", 9), ("External", 1), ("HorizontalPodAutoscaler", 9)]
    )
    func interrupted(engine: String, unused: Int) async throws {
        let isDown = Mutex(false)
        let server = APIServer(configuration: APIServerConfiguration())
        let exchange = ClosureExchange { request in
            let isCreate = request.head.method == .patch && request.path.contains("/deployments/m-r2")
            if isCreate, isDown.withLock({ $0 }) { throw CancellationError() }
            return await server.exchange(request)
        }
        var harness = try await ReconcilerHarness(exchange: exchange)
        try await harness.patchModel(["replicas": JSONValue(unused), "scaling": ["maxReplicas": 9]])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["scaling": ["engine": .string(engine)], "model": ["version": "2"]])
        isDown.withLock { $0 = true }
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["status", "latestRevision", "number"] == 2)
        isDown.withLock { $0 = false }
        harness.restart(templates: .builtIn)
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["spec", "replicas"] == 4)
        #expect(model["status", "scaling", "engine"]?.string == engine)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
    }

    @Test("a count that somebody writes while it is handed over is theirs")
    func overtaken() async throws {
        let server = APIServer(configuration: APIServerConfiguration())
        let isHandover = Mutex(false)
        let exchange = ClosureExchange { request in
            let isFirst = isHandover.withLock { isHandover in
                guard isHandover, request.path.hasSuffix("/modeldeployments/m/scale") else { return false }
                isHandover = false
                return true
            }
            if isFirst {
                let other = KubeClient(exchange: server)
                try await other.setReplicas(8, of: .modelDeployments, OperatorHarness.key("m"))
            }
            return await server.exchange(request)
        }
        let harness = try await ReconcilerHarness(exchange: exchange)
        try await harness.patchModel(["replicas": 9, "scaling": ["maxReplicas": 9]])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.patchModel(["scaling": ["engine": "External"]])
        isHandover.withLock { $0 = true }
        for _ in 0..<4 { _ = try? await harness.reconcile() }
        #expect(!isHandover.withLock { $0 })
        #expect(try await harness.get(.modelDeployments, "m")["spec", "replicas"] == 8)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 8)
    }

    @Test("the new revision is told of, although the count that is handed over makes the status old")
    func creationIsTold() async throws {
        let spec: JSONValue = ["scaling": ["engine": "HorizontalPodAutoscaler"]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await harness.events("RevisionCreated").count == 1)
    }

    @Test("an HPA is made when the count is written: it remembers what it meets first")
    func order() async throws {
        let server = APIServer(configuration: APIServerConfiguration())
        let exchange = ClosureExchange { request in
            if request.path.contains("/modeldeployments/m/scale") { throw CancellationError() }
            return await server.exchange(request)
        }
        let harness = try await ReconcilerHarness(exchange: exchange)
        try await harness.patchModel(["replicas": 9, "scaling": ["maxReplicas": 9]])
        for _ in 0..<3 { try await harness.reconcile() }
        try await harness.patchModel(["scaling": ["engine": "HorizontalPodAutoscaler"]])
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        #expect(try await harness.find(.horizontalPodAutoscalers, "m") == nil)
    }

    @Test("a Deployment that somebody else scales is left alone whatever the engine", arguments: [true, false])
    func foreign(isKnown: Bool) async throws {
        let harness = try await ReconcilerHarness()
        try await harness.patchModel(["replicas": 5, "scaling": ["engine": "External", "maxReplicas": 9]])
        for _ in 0..<3 { _ = try? await harness.reconcile() }
        let other = ForeignScaler(culprit: "HorizontalPodAutoscaler other", target: .deployment, name: "m-r1")
        if isKnown { _ = harness.reconciler.scaling.setForeign([harness.key: other]) }
        try await harness.client.setReplicas(8, of: .deployments, OperatorHarness.key("m-r1"))
        for _ in 0..<3 { _ = try? await harness.reconcile() }
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == (isKnown ? 8 : 5))
    }

    @Test("a count beyond the bounds is told as what it is taken for")
    func bounds() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.patchModel(["scaling": ["engine": "External", "minReplicas": 2, "maxReplicas": 9]])
        for (asked, taken) in [(0, 2), (5, 5), (50, 9)] {
            try await harness.patchModel(["replicas": JSONValue(asked)])
            for _ in 0..<3 { try await harness.reconcile() }
            let model = try await harness.get(.modelDeployments, "m")
            #expect(model["status", "scaling", "desiredReplicas"]?.int == taken)
            let remark =
                asked == taken ? "" : "; spec.replicas is \(asked), within minReplicas and maxReplicas \(taken)"
            let message = ConditionSet(model)[ModelDeploymentCondition.scalingActive]?.message
            #expect(message == "whoever writes spec.replicas decides the replica count\(remark)")
            #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == JSONValue(taken))
        }
    }

    @Test("the cold start is measured from creation to readiness, once a pod, and goes on from status")
    func coldStarts() throws {
        let old = Self.pod("a", created: 0, ready: 10)
        var starts = ColdStarts(shown: nil)
        #expect(starts.look(at: [old]) == 10)
        #expect(starts.look(at: [old]) == nil)
        let slow = Self.pod("b", created: 60, ready: nil)
        #expect(starts.look(at: [old, slow]) == nil)
        let crashed = Self.pod("c", created: 0, ready: 1800, restarts: 2)
        let ready = Self.pod("b", created: 60, ready: 80)
        #expect(starts.look(at: [old, ready, crashed]) == 20)
        #expect(starts.meanSeconds == 12)
        var restarted = ColdStarts(shown: ["coldStartSeconds": 12])
        #expect(restarted.look(at: [old, ready]) == nil)
        #expect(restarted.meanSeconds == 12)
    }

    @Test("a cold start is not what a pod waited for others to leave, nor the age of one that got ready again")
    func coldStartsThatSayNothing() {
        var starts = ColdStarts(shown: nil)
        // A node after four minutes is part of a start; two hours without room count as ten minutes.
        #expect(starts.look(at: [Self.pod("a", created: 0, ready: 270, scheduled: 240)]) == 270)
        #expect(starts.look(at: [Self.pod("b", created: 0, ready: 7230, scheduled: 7200)]) == 630)
        // Not ready when this process came: perhaps for the second time.
        var restarted = ColdStarts(shown: ["coldStartSeconds": 12])
        #expect(restarted.look(at: [Self.pod("c", created: 0, ready: nil)]) == nil)
        #expect(restarted.look(at: [Self.pod("c", created: 0, ready: 36_000)]) == nil)
        #expect(restarted.look(at: [Self.pod("d", created: 36_000, ready: 36_020)]) == 20)
    }

    /// A pod with what it says of its start, in seconds after six o'clock.
    private static func pod(
        _ uid: String,
        created: Int,
        ready: Int?,
        scheduled: Int? = nil,
        restarts: Int = 0
    ) -> KubeObject {
        let start = WallTime(seconds: 1_795_845_600)
        func text(_ second: Int) -> JSONValue { .string((start + .seconds(second)).rfc3339) }
        func condition(_ type: String, _ second: Int) -> JSONValue {
            ["type": .string(type), "status": "True", "reason": "x", "message": "", "lastTransitionTime": text(second)]
        }
        let conditions = [ready.map { condition("Ready", $0) }, scheduled.map { condition("PodScheduled", $0) }]
        return KubeObject([
            "metadata": ["name": .string(uid), "uid": .string(uid), "creationTimestamp": text(created)],
            "status": [
                "containerStatuses": [["name": "server", "restartCount": JSONValue(restarts)]],
                "conditions": .array(conditions.compactMap(\.self)),
            ],
        ])
    }

    @Test("time zones: Berlin is an hour ahead in winter and two in summer, and nobody knows Atlantis")
    func zones() throws {
        let winter = try #require(WallTime(rfc3339: "2026-11-28T12:00:00Z"))
        let summer = try #require(WallTime(rfc3339: "2026-07-28T12:00:00Z"))
        #expect(ScheduleClock.offset(of: "Europe/Berlin", at: winter) == 3600)
        #expect(ScheduleClock.offset(of: "Europe/Berlin", at: summer) == 7200)
        #expect(ScheduleClock.offset(of: "Atlantis/Capital", at: summer) == nil)
    }
}
