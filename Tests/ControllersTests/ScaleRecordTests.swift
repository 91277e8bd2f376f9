// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling
import Telemetry
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
    @Test("numbers that move are told of one model every ten seconds, of a large fleet less often; a new count always")
    func pace() {
        let policy = ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 4,
            targets: [ScalingTarget(signal: .queueLength, value: 4)]
        )
        let state = ScalingState()
        func store(_ key: ObjectKey, at seconds: Int, queue: Double) -> Bool {
            var entry = state.take(key, policy: policy, shown: nil)
            entry.watched = [ScrapeGroup(key, revision: 1): [ScrapeTarget(pod: "p", authority: "a:1", path: "/")]]
            let time = WallTime(seconds: Double(1_000_000 + seconds))
            var observation = ScaleObservation(time: time, replicas: 1, readyReplicas: 1)
            observation.readings[.queueLength] = SignalReading(total: queue, reporting: 1, age: .zero)
            let decision = entry.autoscaler.decide(observation)
            let record = ScaleRecord(time: time, decision: decision, revision: 1, queue: queue, p95: nil)
            return state.store(entry, decided: record, shown: nil, for: key)
        }
        let key = ObjectKey(namespace: "default", name: "m0")
        #expect(store(key, at: 0, queue: 3))
        #expect(!store(key, at: 9, queue: 2.9))
        #expect(!store(key, at: 10, queue: 3), "the same numbers")
        #expect(store(key, at: 10, queue: 2.9))
        for index in 1..<600 { #expect(store(ObjectKey(namespace: "default", name: "m\(index)"), at: 10, queue: 3)) }
        #expect(!store(key, at: 39, queue: 3))
        #expect(store(key, at: 40, queue: 3), "600 models, 20 writes a second")
        #expect(store(key, at: 41, queue: 9), "another count")
        // All at one moment: a second's worth is told, the rest in its turn.
        let keys = (1..<600).map { ObjectKey(namespace: "default", name: "m\($0)") }
        #expect(keys.filter { store($0, at: 100, queue: 2) }.count == 21)
        #expect(keys.filter { store($0, at: 101, queue: 1) }.count == 20)
    }

    @Test("after a restart what status shows stays until a replica was read")
    func restart() {
        let targets = [ScalingTarget(signal: .queueLength, value: 4)]
        let policy = ScalingPolicy(minReplicas: 1, maxReplicas: 4, targets: targets)
        let shown: JSONValue = ["desiredReplicas": 2, "lastDecision": ["reason": "QueueLength", "toReplicas": 2]]
        let key = ObjectKey(namespace: "default", name: "m")
        let state = ScalingState()
        func store(replicas: Int, read: Bool) -> Bool {
            let entry = state.take(key, policy: policy, shown: shown)
            let time = WallTime(seconds: 1_000_000)
            var observation = ScaleObservation(time: time, replicas: replicas, readyReplicas: read ? replicas : 0)
            if read { observation.readings[.queueLength] = SignalReading(total: 7, reporting: replicas) }
            observation.newReplicas = read ? 0 : replicas
            observation.unreadReplicas = observation.newReplicas
            var autoscaler = entry.autoscaler
            let decision = autoscaler.decide(observation)
            let record = ScaleRecord(time: time, decision: decision, revision: 1, queue: nil, p95: nil)
            return state.store(entry, decided: record, shown: shown, for: key)
        }
        #expect(!store(replicas: 2, read: false))
        #expect(state.record(key) == nil)
        #expect(store(replicas: 2, read: true))
        state.forget(key)
        #expect(store(replicas: 3, read: false), "another count than status shows")
    }
}
