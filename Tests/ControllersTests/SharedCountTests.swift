// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import KubeAPI
import KubeModel
import KubeServer
import Rollouts
import Synchronization
import Testing

@testable import Controllers
@testable import Scaling

@Suite("The count while a rollout shares the load", .timeLimit(.minutes(5)))
struct SharedCountTests {
    /// A model of four replicas under a load for many more, with a canary that gets half of it.
    private static let spec: JSONValue = [
        "scaling": ["mode": "Observe", "maxReplicas": 20, "intervalSeconds": 1],
        "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"],
        "rollout": [
            "strategy": "Canary", "dynamicStableScale": true, "steps": [["setWeight": 50], ["pause": [:]]],
        ],
    ]

    private static let configuration = OperatorConfiguration(hasLocalProxy: true)

    private static func addPods(_ numbers: ClosedRange<Int>, revision: Int, _ harness: OperatorHarness) async throws {
        for pod in numbers {
            harness.pages.withLock {
                $0["10.0.\(revision).\(pod):8080"] = "modelfleet_queue_length 11\nmodelfleet_requests_in_flight 3\n"
            }
            let status = OperatorHarness.ready("10.0.\(revision).\(pod)")
            try await harness.addPod("m-r\(revision)-\(pod)", revision: revision, status: status)
        }
    }

    @Test("what is only observed moves neither track, also after a restart")
    func observed() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model(spec: Self.spec))
        try await harness.withOperator(configuration: Self.configuration) { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
            try await Self.addPods(1...4, revision: 1, harness)
            try await harness.setReady("m-r1", 4, generation: 2)
            try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "lastDecision", "fromReplicas"] == 4
                    && $0["status", "scaling", "desiredReplicas"]?.int ?? 0 > 4
            }
            try await harness.change(["m"], version: 2)
            try await harness.expect(.deployments, "m-r2") { _ in true }
            // What a person asks for, and takes back before anything is shared, is no demand.
            for count in [9, 4] {
                try await harness.client.setReplicas(count, of: .deployments, OperatorHarness.key("m-r1"))
                try await harness.expect(.modelDeployments, "m") {
                    $0["status", "scaling", "lastDecision", "fromReplicas"]?.int == count
                }
            }
            try await harness.setReady("m-r1", 4, generation: 4)
            try await Self.addPods(1...2, revision: 2, harness)
            try await harness.setReady("m-r2", 2)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"] == 2 }
            try await harness.setReady("m-r1", 2, generation: 5)
        }
        let before = try await harness.client.get(.modelDeployments, OperatorHarness.key("m"))
        #expect(before["status", "rollout", "isSharing"] == true)
        #expect(before["status", "scaling", "lastDecision", "fromReplicas"] == 4)
        // The load changes, so that there is another decision to tell of.
        harness.pages.withLock { pages in
            for address in pages.keys {
                pages[address] = "modelfleet_queue_length 5\nmodelfleet_requests_in_flight 3\n"
            }
        }
        try await harness.withOperator(configuration: Self.configuration) { harness in
            let desired = before["status", "scaling", "desiredReplicas"]
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "desiredReplicas"] != desired
            }
            #expect(model["status", "scaling", "lastDecision", "fromReplicas"] == 4)
            for _ in 0..<50 {
                for name in ["m-r1", "m-r2"] {
                    let deployment = try await harness.client.get(.deployments, OperatorHarness.key(name))
                    #expect(deployment["spec", "replicas"] == 2)
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test("a Deployment whose count something else writes gives nothing up")
    func foreign() async throws {
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: Self.spec))
        try await harness.reconcile()
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        let other = ForeignScaler(culprit: "HorizontalPodAutoscaler other", target: .deployment, name: "m-r1")
        _ = harness.reconciler.scaling.setForeign([harness.key: other])
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<6 { try await harness.reconcile() }
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "achievedWeight"] == 50)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
        // Then it is gone.
        _ = harness.reconciler.scaling.setForeign([:])
        for _ in 0..<4 { try await harness.reconcile() }
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "isSharing"] == true && model["status", "rollout", "sharedDemand"] == 4)
    }

    @Test("a decision that was only reported before the load was shared isn't the demand")
    func reported() {
        var autoscaler = Autoscaler(
            policy: ScalingPolicy(
                minReplicas: 1,
                maxReplicas: 99,
                targets: [ScalingTarget(signal: .queueLength, value: 1)]
            )
        )
        let seen = SignalReading(total: 30, reporting: 20)
        let decision = autoscaler.decide(
            ScaleObservation(
                time: WallTime(seconds: 0),
                replicas: 20,
                readyReplicas: 20,
                readings: [.queueLength: seen]
            )
        )
        var record = ScaleRecord(
            time: WallTime(seconds: 0),
            decision: decision,
            revision: 1,
            queue: nil,
            p95: nil
        )
        var rollout = RolloutState(settledOn: 1, strategy: .canary)
        rollout.isSharing = true
        rollout.sharedDemand = 6
        #expect(record.acted(in: rollout) == 30)
        record.hindrance = .observing
        #expect(record.acted(in: rollout) == 6)
        record.isShared = true
        #expect(record.acted(in: rollout) == 20)
    }

    @Test("nor is one at the count that the stable track was left with: it may raise the demand")
    func reduced() {
        func acted(_ current: Int, _ desired: Int, shared: Bool = false) -> Int {
            let reason = ScaleReason("Paused", "")
            let decision = ScaleDecision(current: current, desired: desired, reason: reason, proposals: [], steps: [])
            var record = ScaleRecord(time: WallTime(seconds: 0), decision: decision, revision: 1, queue: nil, p95: nil)
            record.isShared = shared
            var rollout = RolloutState(settledOn: 1, strategy: .canary)
            rollout.isSharing = true
            rollout.sharedDemand = 10
            return record.acted(in: rollout)
        }
        #expect(acted(5, 5) == 10)
        #expect(acted(5, 4) == 10)
        #expect(acted(5, 12) == 12)
        #expect(acted(10, 8) == 8, "made before anything was given up")
        #expect(acted(8, 9, shared: true) == 9)
    }

    @Test("tracks whose sharing can't be written don't share: the scaling goes on writing the count")
    func unwritten() async throws {
        let isDown = Mutex(false)
        let server = APIServer(configuration: APIServerConfiguration())
        let exchange = ClosureExchange { request in
            let isStatus = request.path.contains("/modeldeployments/m/status")
            if isStatus, isDown.withLock({ $0 }) { throw CancellationError() }
            return await server.exchange(request)
        }
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: Self.spec), exchange: exchange)
        try await harness.reconcile()
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<8 where harness.reconciler.scaling.sharing(harness.key) == nil {
            isDown.withLock { $0 = true }
            _ = try? await harness.reconcile()
            #expect(harness.reconciler.scaling.sharing(harness.key) == nil)
            isDown.withLock { $0 = false }
            try await harness.reconcile()
        }
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "isSharing"] == true)
        #expect(harness.reconciler.scaling.sharing(harness.key)?.sharedDemand == 4)
    }

    @Test("a model's watch that is late doesn't make the stable track's rest the demand")
    func lateModel() async throws {
        var spec = Self.spec
        spec["scaling"] = ["paused": true, "maxReplicas": 20]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        let loop = harness.scalingLoop()
        await loop.decide(harness.key)
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        func stable() async throws -> Int? { try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int }
        for _ in 0..<8 where try await stable() == 4 { try await harness.reconcile() }
        #expect(try await stable() == 2)
        try await harness.sync(["deployments", "pods"])
        let observation = ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
        #expect(observation?.rollout?.isSharing == false)
        await loop.decide(harness.key)
        let record = try #require(harness.reconciler.scaling.record(harness.key))
        #expect(record.decision.desired == 4)
        try await harness.setStatus("m-r1", replicas: 2, ready: 2)
        for _ in 0..<4 {
            try await harness.reconcile()
            await loop.decide(harness.key)
        }
        #expect(try await stable() == 2)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 2)
        // Then it goes back.
        try await harness.patchModel(["model": ["version": "1"]])
        for _ in 0..<6 {
            _ = try? await harness.reconcile()
            harness.time.advance(by: .seconds(10))
            try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        }
        #expect(try await stable() == 4)
        #expect(harness.reconciler.scaling.sharing(harness.key) == nil)
    }

    @Test("a change of the count that both tracks share is told once")
    func told() async throws {
        var spec = Self.spec
        spec["scaling"] = ["paused": true, "maxReplicas": 20, "targets": [["signal": "QueueLength", "value": 2]]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.client.setReplicas(4, of: .deployments, OperatorHarness.key("m-r1"))
        try await harness.setStatus("m-r1", replicas: 4, ready: 4)
        try await harness.reconcile()
        await harness.scalingLoop().decide(harness.key)
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<4 { try await harness.reconcile() }
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        for _ in 0..<6 { try await harness.reconcile() }
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 2)
        try await harness.setStatus("m-r1", replicas: 2, ready: 2)
        var pages: [String: String] = [:]
        for (revision, pod) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let address = "10.0.\(revision).\(pod)"
            pages["\(address):8080"] = "modelfleet_queue_length 3\n"
            try await harness.addReadyPod("m-r\(revision)-\(pod)", revision: revision, address: address)
        }
        try await harness.patchModel(["scaling": ["paused": false]])
        try await harness.reconcile()
        try await harness.decide(pages: pages)
        let desired = try #require(harness.reconciler.scaling.record(harness.key)?.decision.desired)
        #expect(desired > 4)
        #expect(try await harness.events("ScaledUp").isEmpty)
        for _ in 0..<4 { try await harness.reconcile() }
        let events = try await harness.events("ScaledUp")
        #expect(events.count == 1 && events.first?["count"] == 1)
        let message = events.first?["message"]?.string ?? ""
        #expect(message.hasPrefix("from 4 to \(desired) replicas of both versions: "), "\(message)")
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int ?? 0 > 2)
    }

    @Test("the count that was acted on: the decision's, unless status says that it is only reported")
    func acted() {
        let scaling: JSONValue = ["desiredReplicas": 7, "lastDecision": ["fromReplicas": 3]]
        func acted(_ reason: String) -> Int? {
            ScaleRecord.acted(scaling: scaling, conditions: [["type": "ScalingActive", "reason": .string(reason)]])
        }
        #expect(acted("FollowingLoad") == 7)
        #expect(acted("Observing") == 3)
        #expect(acted("ForeignAutoscaler") == 3)
        #expect(ScaleRecord.acted(scaling: scaling, conditions: nil) == 7)
        #expect(ScaleRecord.acted(scaling: nil, conditions: nil) == nil)
    }
}
