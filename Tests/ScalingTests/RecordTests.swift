// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import Scaling

@Suite("Records of scaling decisions")
struct RecordTests {
    /// A record with a number in each place where one may be.
    private static func recorded() throws -> JSONValue {
        var policy = PolicyTests.policy(.rule)
        policy.fallback = ScalingFallback(failureThreshold: 3, replicas: 2)
        policy.idleSeconds = 600
        var seen = PolicyTests.busy(0, replicas: 4, ready: 4, rate: 20, queue: 8, running: 4)
        seen.latency?.elsewhere = 1
        seen.readings[.queueLength]?.elsewhere = 1
        seen.trafficElsewhere = 1
        seen.unreadReplicas = 1
        seen.newReplicas = 1
        seen.missing = [MissingReplica(pod: "a", reason: "slow")]
        seen.missingElsewhere = [MissingReplica(pod: "b", reason: "gone")]
        seen.schedules = [ScheduledBounds(name: "day", minReplicas: 1, maxReplicas: 9)]
        var autoscaler = Autoscaler(policy: policy)
        _ = autoscaler.decide(seen)
        return try #require(autoscaler.lastInputs?.json)
    }

    static let countPaths = [
        ["replicas"], ["readyReplicas"], ["trafficReporting"], ["trafficElsewhere"], ["unreadReplicas"],
        ["newReplicas"],
        ["readings", "QueueLength", "reporting"], ["readings", "QueueLength", "elsewhere"], ["latency", "reporting"],
        ["latency", "elsewhere"], ["missing", "count"], ["missingElsewhere", "count"], ["memory", "failedReadings"],
        ["memory", "stabilized"], ["memory", "limited"], ["policy", "minReplicas"], ["policy", "maxReplicas"],
        ["policy", "upWindowSeconds"], ["policy", "downWindowSeconds"], ["policy", "idleSeconds"],
        ["policy", "fallback", "failureThreshold"], ["policy", "fallback", "replicas"],
    ]

    @Test("a count that none can be makes it no record", arguments: countPaths)
    func counts(path: [String]) throws {
        let record = try Self.recorded()
        #expect(ScaleInputs(record) != nil)
        for number: JSONValue in [-1, 1_000_000_001, .integer(.max), .double(1e300), 0.5, "many"] {
            let changed = try #require(Self.changed(record, path[...], number), "\(path) isn't in the record")
            #expect(ScaleInputs(changed) == nil, "\(path) \(number)")
        }
    }

    @Test(
        "an age that none can be makes it no record",
        arguments: [["readings", "QueueLength", "ageSeconds"], ["latency", "ageSeconds"]]
    )
    func ages(path: [String]) throws {
        for number: JSONValue in [-1, .double(1e300), .double(-1e300), "old"] {
            let changed = try #require(Self.changed(try Self.recorded(), path[...], number))
            #expect(ScaleInputs(changed) == nil, "\(path) \(number)")
        }
    }

    @Test("the bounds of a schedule are counts as well")
    func schedules() throws {
        var record = try Self.recorded()
        record["schedules"] = [["name": "day", "minReplicas": .integer(.min)]]
        #expect(ScaleInputs(record) == nil)
    }

    /// The record with another value at a path that it has.
    private static func changed(_ json: JSONValue, _ path: ArraySlice<String>, _ value: JSONValue) -> JSONValue? {
        guard let name = path.first, let member = json[name] else { return nil }
        var json = json
        let rest = path.dropFirst()
        guard let new = rest.isEmpty ? value : changed(member, rest, value) else { return nil }
        json[name] = new
        return json
    }

    @Test("what isn't idle for long enough by a moment isn't in the record either")
    func almostIdle() throws {
        var policy = PolicyTests.policy(.targetTracking)
        policy.idleSeconds = 600
        var autoscaler = Autoscaler(policy: policy)
        var seen = PolicyTests.busy(0, replicas: 1, ready: 1, rate: 0, queue: 0, running: 0)
        #expect(autoscaler.decide(seen).desired == 1)
        seen.time = PolicyTests.start + .seconds(599.9996)
        #expect(autoscaler.decide(seen).desired == 1)
        #expect(PolicyTests.replayed(autoscaler) == 1)
        seen.time = PolicyTests.start + .seconds(600)
        #expect(autoscaler.decide(seen).desired == 0)
        #expect(PolicyTests.replayed(autoscaler) == 0)
    }

    @Test("a replica of another revision that can't be read is named, and named again when it is replayed")
    func missingElsewhere() throws {
        var autoscaler = Autoscaler(policy: PolicyTests.policy(.targetTracking))
        var seen = PolicyTests.busy(0, replicas: 4, ready: 4, rate: 0, queue: 1, running: 0)
        seen.unreadReplicas = 2
        seen.missingElsewhere = ["c-0", "c-1"].map { MissingReplica(pod: $0, reason: "no answer within 1 s") }
        let decision = autoscaler.decide(seen)
        #expect(decision.desired == 4)
        let clause = "no metrics from pod c-0 and 1 more of another revision: no answer within 1 s"
        #expect(decision.reason.message.hasPrefix(clause), "\(decision.reason.message)")
        let record = try #require(autoscaler.lastInputs?.json)
        #expect(ScaleInputs(record)?.decision() == decision)
    }
}
