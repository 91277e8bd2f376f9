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
    /// - Parameter ready: how many ready pods each revision has, the first first.
    private static func harness(
        rollout: JSONValue,
        selected: Int? = nil,
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
        try await harness.sync()
        return harness
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
        let cases: [(rollout: JSONValue, selected: Int?, carries: [Bool])] = [
            (["strategy": "BlueGreen"], 1, [true, false]),
            (["strategy": "BlueGreen"], 2, [false, true]),
            (["strategy": "RollingUpdate"], nil, [true, true]),
            (["strategy": "Canary", "desiredWeight": 10], 1, [true, true]),
            (["strategy": "Canary", "achievedWeight": 5], 1, [true, true]),
            (["strategy": "Canary", "sendsMatches": true], 1, [true, true]),
            (["strategy": "RollingUpdate", "isSharing": true], 1, [true, true]),
            (["strategy": "Canary", "desiredWeight": 10, "canaryRevision": 3], 1, [true, false]),
        ]
        for (rollout, selected, carries) in cases {
            let harness = try await Self.harness(rollout: rollout, selected: selected)
            let observation = try #require(
                ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
            )
            #expect([observation.carries(1), observation.carries(2)] == carries, "\(rollout)")
        }
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
