// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling
import Testing

@testable import Controllers

@Suite("Scaling decisions in status")
struct ScaleRecordTests {
    @Test("a decision is read from the cluster as it was written, so that it is written once")
    func readBack() throws {
        let policy = ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 4,
            targets: [ScalingTarget(signal: .queueLength, value: 4), ScalingTarget(signal: .inFlight, value: 2.5)]
        )
        var autoscaler = Autoscaler(policy: policy)
        let time = WallTime(seconds: 1_000_000)
        var observation = ScaleObservation(time: time, replicas: 1, readyReplicas: 1)
        observation.readings[.queueLength] = SignalReading(total: 3, reporting: 1, age: .seconds(2))
        let decision = autoscaler.decide(observation)
        let record = ScaleRecord(
            time: time,
            decision: decision,
            inputs: autoscaler.lastInputs,
            revision: 1,
            queue: 3,
            p95: 12,
            coldStartSeconds: 7
        )
        #expect(record.json.at("lastDecision", "inputs") != nil)
        #expect(try JSONValue(parsing: record.json.encoded()) == record.json)
    }
}
