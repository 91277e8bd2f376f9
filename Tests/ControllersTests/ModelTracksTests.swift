// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Rollouts
import Scaling
import Testing

@testable import Controllers

@Suite("What scaling makes of a model's tracks", .timeLimit(.minutes(2)))
struct ModelTracksTests {
    /// A model of two revisions, whose rollout is as told and whose Service selects one revision, or the pods of all.
    /// - Parameters:
    ///   - routed: the revision that its canary Service selects; `nil` for no such Service.
    ///   - ready: how many ready pods each revision has, the first first.
    private static func harness(
        rollout: JSONValue,
        selected: Int? = nil,
        routed: Int? = nil,
        ready: [Int] = [1, 1],
        scaling: JSONValue = ["targets": [["signal": "InFlight", "value": 4]], "maxReplicas": 20]
    ) async throws -> ReconcilerHarness {
        let spec: JSONValue = [
            "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"], "scaling": scaling,
        ]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        for _ in 0..<2 { try await harness.reconcile() }
        for (index, count) in ready.enumerated() {
            let name = "m-r\(index + 1)"
            try await harness.client.setReplicas(count, of: .deployments, OperatorHarness.key(name))
            try await harness.setStatus(name, replicas: count, ready: count)
            for pod in 0..<count {
                let address = "10.0.\(index + 1).\(pod)"
                try await harness.addReadyPod("\(name)-\(pod)", revision: index + 1, address: address)
            }
        }
        var state: JSONValue = ["phase": "Progressing", "stableRevision": 1, "canaryRevision": 2, "desiredWeight": 0]
        for (field, value) in rollout.object ?? JSONObject() { state[field] = value }
        let status: JSONValue = ["status": ["rollout": state]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(status), subresource: "status")
        let selector: JSONValue = [FleetAPI.revisionLabel: selected.map { .string("\($0)") } ?? .null]
        try await harness.client.patch(.services, harness.key, .merge(["spec": ["selector": selector]]))
        if let routed { try await addCanaryService(harness, selecting: routed) }
        try await harness.sync()
        return harness
    }

    private static func addCanaryService(_ harness: ReconcilerHarness, selecting revision: Int) async throws {
        var service = KubeObject(.services, namespace: "default", name: "m-canary")
        let model = try await harness.get(.modelDeployments, "m")
        service.ownerReferences = [OwnerReference(controller: model)].compactMap(\.self)
        service["spec"] = [
            "selector": [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: .string("\(revision)")],
            "ports": [["port": 80]],
        ]
        try await harness.client.create(.services, service)
    }

    private static func page(queue: Int = 0, inFlight: Int) -> String {
        "modelfleet_queue_length \(queue)\nmodelfleet_requests_in_flight \(inFlight)\n"
    }

    private static func record(_ harness: ReconcilerHarness) throws -> ScaleRecord {
        try #require(harness.reconciler.scaling.record(harness.key))
    }

    @Test("what a canary carries while the stable track is at rest wakes the model, which is looked at all the time")
    func atRest() async throws {
        let harness = try await Self.harness(
            rollout: ["strategy": "Canary", "desiredWeight": 10],
            ready: [0, 1],
            scaling: [
                "targets": [["signal": "InFlight", "value": 4]], "maxReplicas": 20, "scaleToZero": ["idleSeconds": 60],
                "intervalSeconds": 2,
            ]
        )
        let scaling = harness.reconciler.scaling
        // The first decision is news, after which it is looked at again in any case.
        for _ in 0..<2 {
            _ = scaling.due(now: harness.time.now() + .seconds(600))
            await harness.scalingLoop().decide(harness.key)
        }
        #expect(scaling.due(now: harness.time.now() + .seconds(3)) == [harness.key], "its page is still to come")
        try await harness.decide(pages: ["10.0.2.0:8080": Self.page(inFlight: 15)])
        #expect(try Self.record(harness).decision.desired == 4)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4)
    }

    @Test("copies of requests are no demand; their answers may be read all the same")
    func copies() async throws {
        let pages = ["10.0.1.0:8080": Self.page(inFlight: 8), "10.0.2.0:8080": Self.page(inFlight: 8)]
        for (selected, desired) in [(1, 2), (nil, 4)] as [(Int?, Int)] {
            let rollout: JSONValue = ["strategy": "Shadow", "mirrorPercent": 100]
            let harness = try await Self.harness(rollout: rollout, selected: selected)
            try await harness.decide(pages: pages)
            #expect(try Self.record(harness).decision.desired == desired)
            let groups = harness.reconciler.scaling.groups(namespace: "default")
            #expect(groups.map(\.revision) == [1, 2])
        }
        let taking = try await Self.harness(rollout: ["strategy": "Shadow", "desiredWeight": 100], selected: 1)
        try await taking.decide(pages: pages)
        #expect(try Self.record(taking).decision.desired == 4)
    }

    @Test("a track carries requests where the Service selects it, where it has a share, and where both share the load")
    func carrying() async throws {
        let whole: JSONValue = ["strategy": "Canary", "desiredWeight": 100, "achievedWeight": 100]
        let cases: [(rollout: JSONValue, selected: Int?, routed: Int?, carries: [Bool])] = [
            (["strategy": "BlueGreen"], 1, nil, [true, false, false]),
            (["strategy": "BlueGreen"], 2, nil, [false, true, false]),
            (["strategy": "RollingUpdate"], nil, nil, [true, true, true]),
            (["strategy": "Canary", "desiredWeight": 10], 1, 2, [true, true, false]),
            (["strategy": "Canary", "achievedWeight": 5], 1, nil, [true, true, false]),
            (["strategy": "Canary", "sendsMatches": true], 1, nil, [true, true, false]),
            (["strategy": "RollingUpdate", "isSharing": true], 1, nil, [true, true, false]),
            // A newer spec took the place of the canary, which the canary Service still selects.
            (["strategy": "Canary", "desiredWeight": 10, "canaryRevision": 3], 1, 2, [true, true, false]),
            (["strategy": "Canary", "isSharing": true, "canaryRevision": 3], 1, 2, [true, true, false]),
            (["strategy": "Canary", "desiredWeight": 10, "canaryRevision": 3], 1, nil, [true, false, true]),
            // The routes give the canary all that comes for the Service, which still selects the stable revision.
            (whole, 1, 2, [false, true, false]),
            (Self.with(whole, "achievedWeight", 99), 1, 2, [true, true, false]),
            (Self.with(whole, "isSharing", true), 1, 2, [true, true, false]),
        ]
        for (rollout, selected, routed, carries) in cases {
            let harness = try await Self.harness(rollout: rollout, selected: selected, routed: routed)
            let observation = try Self.observation(harness)
            #expect((1...3).map(observation.carries) == carries, "\(rollout)")
            #expect(observation.isBypassed(1) == !carries[0])
        }
        let shadow: JSONValue = ["strategy": "Shadow", "canaryRevision": 3]
        let observation = try Self.observation(await Self.harness(rollout: shadow, selected: 1, routed: 2))
        #expect((1...3).map(observation.getsOnlyCopies) == [false, true, true])
    }

    private static func with(_ json: JSONValue, _ name: String, _ value: JSONValue) -> JSONValue {
        var json = json
        json[name] = value
        return json
    }

    private static func observation(_ harness: ReconcilerHarness) throws -> ModelObservation {
        try #require(ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now()))
    }

    /// Two tracks that share a load of four replicas.
    private static let sharing: JSONValue = [
        "strategy": "Canary", "isSharing": true, "sharedDemand": 4, "desiredWeight": 75,
    ]

    @Test("the replicas of a canary whose place another took count as long as they get what the canary is given")
    func superseded() async throws {
        let rollout = Self.with(Self.sharing, "canaryRevision", 3)
        let harness = try await Self.harness(rollout: rollout, selected: 1, routed: 2, ready: [1, 3])
        try await Self.acted(harness, 4)
        let busy = Self.page(inFlight: 4)
        try await harness.decide(
            pages: Dictionary(uniqueKeysWithValues: ["1.0", "2.0", "2.1", "2.2"].map { ("10.0.\($0):8080", busy) })
        )
        let seen = try #require(try Self.record(harness).inputs?.observation)
        #expect(seen.readyReplicas == 4 && seen.readings[.inFlight]?.reporting == 4)
        #expect(try Self.record(harness).decision.desired == 4)
    }

    @Test("a stable track that can't be read doesn't hide what the canary carries")
    func silentStable() async throws {
        let harness = try await Self.harness(rollout: Self.sharing, selected: 1, routed: 2, ready: [1, 3])
        try await Self.acted(harness, 4)
        let busy = Self.page(inFlight: 8)
        try await harness.decide(
            pages: Dictionary(uniqueKeysWithValues: (0..<3).map { ("10.0.2.\($0):8080", busy) })
        )
        let record = try Self.record(harness)
        #expect(record.decision.desired == 6, "\(record.decision.reason)")
        #expect(record.inputs?.memory.failedReadings == 0)
        #expect(record.decision.reason.message.hasPrefix("no metrics from pod m-r1-0: "))
    }

    @Test("a pod of another revision that can't be read is named, and a track that gets nothing is known")
    func namedElsewhere() async throws {
        let rollout: JSONValue = ["strategy": "Canary", "desiredWeight": 100, "achievedWeight": 100]
        let harness = try await Self.harness(rollout: rollout, selected: 1, routed: 2)
        try await harness.decide(pages: ["10.0.1.0:8080": Self.page(inFlight: 0)])
        let record = try Self.record(harness)
        let message = record.decision.reason.message
        #expect(message.hasPrefix("no metrics from pod m-r2-0 of another revision: "), "\(message)")
        #expect(record.inputs?.observation.isBypassed == true)
    }

    /// Status says that the last decision acted on so many replicas.
    private static func acted(_ harness: ReconcilerHarness, _ count: Int) async throws {
        let status: JSONValue = ["status": ["scaling": ["desiredReplicas": JSONValue(count)]]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(status), subresource: "status")
    }

    @Test("replicas that wait for their turn don't share the queue of those that serve")
    func waiting() async throws {
        let scaling: JSONValue = [
            "policy": "Rule", "targets": [["signal": "QueueLength", "value": 10]], "maxReplicas": 20,
        ]
        let pages = [
            "10.0.1.0:8080": Self.page(queue: 16, inFlight: 17), "10.0.2.0:8080": Self.page(inFlight: 0),
        ]
        for (weight, desired) in [(0, 2), (50, 1)] {
            let rollout: JSONValue = ["strategy": "BlueGreen", "desiredWeight": JSONValue(weight)]
            let harness = try await Self.harness(rollout: rollout, selected: 1, scaling: scaling)
            try await harness.decide(pages: pages)
            let record = try Self.record(harness)
            #expect(record.decision.desired == desired)
            #expect(record.queue == (weight == 0 ? 16 : 8), "of a replica, whichever track it is of")
        }
    }
}
