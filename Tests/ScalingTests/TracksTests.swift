// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import Scaling

@Suite("Demand that two tracks carry")
struct TracksTests {
    /// A moment in which `elsewhere` of the replicas that are counted belong to another track.
    private static func seen(_ second: Int, replicas: Int, queue: Double, elsewhere: Int) -> ScaleObservation {
        var seen = PolicyTests.busy(
            second,
            replicas: replicas - elsewhere,
            ready: replicas - elsewhere,
            rate: Double(20 * replicas),
            queue: queue,
            running: Double(2 * replicas)
        )
        for signal in seen.readings.keys { seen.readings[signal]?.elsewhere = elsewhere }
        seen.latency?.elsewhere = elsewhere
        seen.trafficElsewhere = elsewhere
        return seen
    }

    @Test("while both share it, a count follows as that of one track would", arguments: ScalingPolicy.Kind.allCases)
    func shared(kind: ScalingPolicy.Kind) {
        var (one, two) = (
            Autoscaler(policy: PolicyTests.policy(kind)), Autoscaler(policy: PolicyTests.policy(kind))
        )
        for second in stride(from: 0, through: 400, by: 2) {
            let queue = second < 100 ? 24.0 : 0
            let whole = Self.seen(second, replicas: 8, queue: queue, elsewhere: 0)
            var shared = Self.seen(second, replicas: 8, queue: queue, elsewhere: 6)
            shared.joinTracks(replicas: 8, readyReplicas: 8)
            #expect(one.decide(whole) == two.decide(shared))
        }
    }

    @Test("what a replica does is learned from all replicas that do it, a silent one counts as their mean")
    func learned() {
        func last(elsewhere: Int, silent: Int) -> SLOSizing? {
            var autoscaler = Autoscaler(policy: PolicyTests.policy(.slo))
            for second in stride(from: 0, through: 60, by: 2) {
                var seen = Self.seen(second, replicas: 8, queue: 16, elsewhere: elsewhere)
                seen.readyReplicas += silent
                _ = autoscaler.decide(seen)
            }
            return autoscaler.lastInputs?.sizing
        }
        let whole = last(elsewhere: 0, silent: 0)
        #expect(whole?.concurrency == 2)
        #expect(last(elsewhere: 6, silent: 0)?.concurrency == 2)
        #expect(last(elsewhere: 6, silent: 2)?.waiting == 20)
    }

    @Test("a track that gets no requests isn't among those that do what is seen")
    func bypassed() {
        var slo = Autoscaler(policy: PolicyTests.policy(.slo))
        for second in stride(from: 0, through: 60, by: 2) {
            var seen = Self.seen(second, replicas: 8, queue: 16, elsewhere: 6)
            seen.isBypassed = true
            seen.readyReplicas += 1
            _ = slo.decide(seen)
        }
        let sizing = slo.lastInputs?.sizing
        #expect(abs((sizing?.concurrency ?? 0) - 16.0 / 6) < 1e-9, "of six")
        #expect(sizing?.waiting == 16 && sizing?.isIncomplete == true, "what is silent has nothing to do")
        var rule = Autoscaler(policy: PolicyTests.policy(.rule))
        var seen = Self.seen(0, replicas: 8, queue: 30, elsewhere: 6)
        seen.latency?.milliseconds = 110
        #expect(rule.decide(seen).desired == 2)
        seen.isBypassed = true
        let decision = rule.decide(seen)
        #expect(decision.desired == 3, "5 waiting on each of six, of the 4 that may")
        #expect(decision.reason.message.contains("queue 5 over target 4 on 6 replicas"), "\(decision.reason.message)")
        #expect(PolicyTests.replayed(rule) == 3)
        seen.joinTracks(replicas: 8, readyReplicas: 8)
        #expect(!seen.isBypassed)
    }

    @Test("the rule multiplies by the queue of a replica, whichever track it is of")
    func rule() {
        var autoscaler = Autoscaler(policy: PolicyTests.policy(.rule))
        var seen = Self.seen(0, replicas: 8, queue: 24, elsewhere: 6)
        seen.latency?.milliseconds = 110
        #expect(autoscaler.decide(seen).desired == 2, "3 waiting of the 4 that may")
        #expect(PolicyTests.replayed(autoscaler) == 2)
    }

    @Test(
        "without a replica, the load that another track carries raises the count and lowers none",
        arguments: [ScalingPolicy.Kind.targetTracking, .rule]
    )
    func elsewhere(kind: ScalingPolicy.Kind) {
        func desired(_ replicas: Int, queue: Double, idleSeconds: Int? = nil) -> Int {
            var policy = PolicyTests.policy(kind)
            policy.minReplicas = 0
            policy.idleSeconds = idleSeconds
            policy.up = .unlimited
            let (decision, replayed) = decide(policy, replicas, queue)
            #expect(replayed == decision.desired)
            return decision.desired
        }
        func decide(_ policy: ScalingPolicy, _ replicas: Int, _ queue: Double) -> (ScaleDecision, replayed: Int?) {
            var autoscaler = Autoscaler(policy: policy)
            var seen = ScaleObservation(time: PolicyTests.start, replicas: replicas, readyReplicas: 0)
            seen.readings[.queueLength] = SignalReading(total: queue, reporting: 0, elsewhere: 2)
            seen.latency = LatencyReading(milliseconds: 100, requestRate: 9, reporting: 0, elsewhere: 2)
            return (autoscaler.decide(seen), PolicyTests.replayed(autoscaler))
        }
        func message(queue: Double) -> String {
            decide(PolicyTests.policy(kind), 0, queue).0.reason.message
        }
        #expect(desired(0, queue: 20) == (kind == .rule ? 2 : 5))
        #expect(desired(0, queue: 20, idleSeconds: 60) == (kind == .rule ? 2 : 5))
        #expect(desired(0, queue: 0, idleSeconds: 60) == 0)
        #expect(desired(8, queue: 4) == 8, "what doesn't get through isn't seen")
        #expect(desired(8, queue: 34) == 8, "eight are on their way")
        let place = message(queue: 20)
        #expect(place.hasPrefix("queue 10 over target 4 on 2 replicas of another revision;"), "\(place)")
        if kind == .targetTracking { #expect(desired(8, queue: 40) == 10) }
    }

    @Test("a shared demand of none rises again when the pods that are left have something to do")
    func sharedAgain() {
        var policy = PolicyTests.policy(.targetTracking)
        policy.idleSeconds = 60
        var autoscaler = Autoscaler(policy: policy)
        var count = 4
        func decide(_ second: Int, queue: Double) {
            var seen = Self.seen(second, replicas: 2, queue: queue, elsewhere: 1)
            for signal in Signal.allCases where queue == 0 { seen.readings[signal]?.total = 0 }
            seen.joinTracks(replicas: count, readyReplicas: min(count, 2))
            count = autoscaler.decide(seen).desired
            #expect(PolicyTests.replayed(autoscaler) == count)
        }
        // Two pods are ready of four that are asked for, then of two.
        for second in stride(from: 0, through: 400, by: 2) {
            if second == 10 { count = 2 }
            decide(second, queue: 0)
        }
        #expect(count == 0)
        decide(402, queue: 12)
        #expect(count == 3)
    }

    @Test("nothing is idle while what says so can't be told")
    func unknown() {
        func idle(_ change: (inout ScaleObservation) -> Void) -> Int {
            var policy = PolicyTests.policy(.targetTracking)
            policy.targets = [ScalingTarget(signal: .inFlight, value: 8, activation: 2)]
            policy.idleSeconds = 60
            var autoscaler = Autoscaler(policy: policy)
            var count = 1
            for second in stride(from: 0, through: 200, by: 2) where count > 0 {
                var seen = PolicyTests.busy(second, replicas: 1, ready: 1, rate: 0, queue: 0, running: 0)
                change(&seen)
                count = autoscaler.decide(seen).desired
                #expect(PolicyTests.replayed(autoscaler) == count)
            }
            return count
        }
        #expect(idle { _ in } == 0)
        #expect(idle { $0.readings[.inFlight]?.total = 2 } == 0)
        #expect(idle { $0.readings[.inFlight] = nil } == 1, "its only target")
        #expect(idle { $0.readings[.queueLength] = nil } == 0, "a server without a queue")
        #expect(idle { $0.unknownSignals = [.queueLength] } == 1)
    }
}
