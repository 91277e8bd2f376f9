// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import Scaling
import Synchronization
import Testing

@testable import Controllers

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
            try await Self.addPods(1...2, revision: 2, harness)
            try await harness.setReady("m-r2", 2)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"] == 2 }
            try await harness.setReady("m-r1", 2, generation: 3)
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
