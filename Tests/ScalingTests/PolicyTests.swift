// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import Scaling

/// One row of the rule's table.
struct RuleRow: Sendable, CustomTestStringConvertible {
    var name: String
    var current = 5
    var ready = 5
    var queue: Double? = 4
    var latency: Double?
    var cpu: Double? = 0.5
    /// Of the ready replicas, those that say nothing.
    var silent = 0
    var desired: Int

    var testDescription: String { name }
}

@Suite("Scaling policies")
struct PolicyTests {
    static let start = WallTime(seconds: 1_000_000)
    static let objective = LatencyObjective(percentile: 95, milliseconds: 200)

    static let ruleRows: [RuleRow] = [
        RuleRow(name: "between the thresholds", desired: 5), RuleRow(name: "queue over target", queue: 15, desired: 8),
        RuleRow(name: "queue far over target doubles at most", queue: 1000, desired: 10),
        RuleRow(name: "latency over target", latency: 240, desired: 6),
        RuleRow(name: "latency far over target", latency: 9000, desired: 8),
        RuleRow(name: "the larger of both counts", queue: 20, latency: 9000, desired: 10),
        RuleRow(name: "short queue and idle CPU", queue: 1, cpu: 0.1, desired: 4),
        RuleRow(name: "short queue and busy CPU", queue: 1, cpu: 0.6, desired: 5),
        RuleRow(name: "missing CPU never lowers", queue: 1, cpu: nil, desired: 5),
        RuleRow(name: "NaN CPU never lowers", queue: 1, cpu: .nan, desired: 5),
        RuleRow(
            name: "latency over target keeps a short queue's replicas",
            queue: 1,
            latency: 300,
            cpu: 0.1,
            desired: 8
        ),
        RuleRow(name: "missing queue holds", queue: nil, latency: 100, cpu: 0.1, desired: 5),
        RuleRow(name: "missing queue lets latency raise", queue: nil, latency: 300, desired: 8),
        RuleRow(name: "NaN queue is missing", queue: .nan, cpu: 0.1, desired: 5),
        RuleRow(name: "less than an empty queue is missing", queue: -1, cpu: 0.1, desired: 5),
        RuleRow(name: "a queue beyond all numbers is missing", queue: .infinity, cpu: 0.1, desired: 5),
        RuleRow(name: "less than no CPU is missing", queue: 1, cpu: -0.1, desired: 5),
        RuleRow(name: "NaN latency never lowers", queue: 1, latency: .nan, cpu: 0.1, desired: 5),
        RuleRow(name: "less than no latency never lowers", queue: 1, latency: -1, cpu: 0.1, desired: 5),
        RuleRow(name: "a silent replica never lowers", queue: 1, cpu: 0.1, silent: 1, desired: 5),
        RuleRow(name: "a queue of 0.4 isn't short", queue: 4, cpu: 0.1, desired: 5),
        RuleRow(name: "CPU at 40 % isn't idle", queue: 1, cpu: 0.4, desired: 5),
        RuleRow(name: "factors multiply what is ready", current: 8, ready: 2, queue: 100, desired: 8),
    ]

    @Test("the simple rule", arguments: ruleRows)
    func rule(row: RuleRow) {
        let policy = ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 100,
            kind: .rule,
            targets: [ScalingTarget(signal: .queueLength, value: 10)],
            latency: Self.objective,
            up: .unlimited,
            down: .unlimited
        )
        var observation = ScaleObservation(time: Self.start, replicas: row.current, readyReplicas: row.ready)
        let reporting = row.ready - row.silent
        if let queue = row.queue {
            observation.readings[.queueLength] = SignalReading(total: queue * Double(reporting), reporting: reporting)
        }
        observation.latency = LatencyReading(milliseconds: row.latency, requestRate: 1, reporting: reporting)
        observation.cpuShare = row.cpu
        var autoscaler = Autoscaler(policy: policy)
        let decision = autoscaler.decide(observation)
        #expect(decision.desired == row.desired, "\(decision.reason.message)")
        #expect(Self.replayed(autoscaler) == decision.desired)
    }

    @Test("the simple rule with an objective alone: latency raises and never lowers")
    func ruleByLatency() {
        func desired(_ milliseconds: Double?) -> Int {
            var policy = Self.policy(.rule)
            (policy.targets, policy.up, policy.down) = ([], .unlimited, .unlimited)
            var observation = ScaleObservation(time: Self.start, replicas: 5, readyReplicas: 5)
            observation.latency = LatencyReading(milliseconds: milliseconds, requestRate: 1, reporting: 5)
            observation.cpuShare = 0.1
            var autoscaler = Autoscaler(policy: policy)
            return autoscaler.decide(observation).desired
        }
        #expect(desired(100) == 5)
        #expect(desired(nil) == 5)
        #expect(desired(300) == 8)
    }

    @Test("a replica that doesn't show its queue, or its latency, keeps the simple rule's count from falling")
    func silentReplica() {
        func desired(queue: Int, latency: Int?) -> Int {
            var policy = Self.policy(.rule)
            if latency == nil { policy.latency = nil }
            (policy.up, policy.down) = (.unlimited, .unlimited)
            var observation = ScaleObservation(time: Self.start, replicas: 5, readyReplicas: 5)
            observation.readings[.queueLength] = SignalReading(total: 1, reporting: queue)
            observation.latency = latency.map { LatencyReading(milliseconds: 100, requestRate: 1, reporting: $0) }
            observation.cpuShare = 0.1
            var autoscaler = Autoscaler(policy: policy)
            return autoscaler.decide(observation).desired
        }
        #expect(desired(queue: 5, latency: 5) == 4 && desired(queue: 5, latency: nil) == 4)
        #expect(desired(queue: 4, latency: 5) == 5 && desired(queue: 4, latency: nil) == 5)
        #expect(desired(queue: 5, latency: 4) == 5)
    }

    @Test("the simple rule follows the target of the queue, wherever it stands among the targets")
    func ruleByQueue() {
        var policy = Self.policy(.rule)
        policy.targets = [ScalingTarget(signal: .inFlight, value: 100), ScalingTarget(signal: .queueLength, value: 10)]
        (policy.up, policy.down) = (.unlimited, .unlimited)
        var observation = ScaleObservation(time: Self.start, replicas: 5, readyReplicas: 5)
        observation.readings[.queueLength] = SignalReading(total: 75, reporting: 5)
        observation.latency = LatencyReading(milliseconds: 100, requestRate: 1, reporting: 5)
        var autoscaler = Autoscaler(policy: policy)
        #expect(autoscaler.decide(observation).desired == 8)
    }

    @Test(
        "what a replica doesn't show of its queue or its requests in flight is no zero for SLO either",
        arguments: [Signal.queueLength, .inFlight]
    )
    func levels(signal: Signal) {
        func last(reporting: Int) -> (desired: Int, autoscaler: Autoscaler) {
            var autoscaler = Autoscaler(policy: Self.policy(.slo))
            var desired = 4
            for second in stride(from: 0, through: 1200, by: 2) {
                let rate = second < 100 ? 40.0 : 2
                var seen = Self.busy(second, replicas: 4, ready: 4, rate: rate, queue: 0, running: rate / 10)
                seen.readings[signal]?.reporting = reporting
                desired = autoscaler.decide(seen).desired
            }
            return (desired, autoscaler)
        }
        #expect(last(reporting: 4).desired < 4)
        let held = last(reporting: 3)
        #expect(held.desired == 4)
        #expect(held.autoscaler.lastInputs?.decision().reason.code == "MissingData")
        #expect(Self.replayed(held.autoscaler) == 4)
    }

    @Test("SLO says that data is missing when it sees nothing any more, although it goes on planning with what it saw")
    func unseen() {
        var autoscaler = Autoscaler(policy: Self.policy(.slo))
        for second in stride(from: 0, to: 600, by: 2) {
            let decision = autoscaler.decide(Self.busy(second, replicas: 4, ready: 4, rate: 40, queue: 0, running: 4))
            #expect(decision.reason.code != "MissingData")
        }
        for second in stride(from: 600, through: 700, by: 2) {
            var seen = Self.busy(second, replicas: 4, ready: 4, rate: 0, queue: 0, running: 0)
            (seen.readings, seen.latency, seen.traffic, seen.trafficReporting) = ([:], nil, nil, 0)
            seen.missingSignals = ["no queue length: nobody answers"]
            let decision = autoscaler.decide(seen)
            #expect(decision.desired == 4)
            #expect(decision.reason.code == "MissingData")
            #expect(decision.reason.message.hasPrefix("no queue length: nobody answers; "))
            // What it says of the load of now would be of a while ago.
            #expect(!decision.reason.message.contains("in the last"))
        }
        #expect(Self.replayed(autoscaler) == 4)
    }

    @Test("SLO says that no request was answered only where that is known")
    func unanswered() {
        func message(rate: Double?) -> String {
            var seen = Self.busy(0, replicas: 1, ready: 1, rate: rate ?? 0, queue: 0, running: 0)
            (seen.traffic, seen.trafficReporting) = (nil, 0)
            if rate == nil { seen.readings[.requestRate] = nil }
            seen.missingSignals = ["no queue length: looked for a; the page offers b"]
            var autoscaler = Autoscaler(policy: Self.policy(.slo))
            return autoscaler.decide(seen).reason.message
        }
        #expect(message(rate: 0).hasSuffix("; no answered request was seen yet; hold at 1"))
        for rate in [nil, 50.0] {
            let message = message(rate: rate)
            #expect(message.contains("looked for a; the page offers b"))
            #expect(message.hasSuffix("; what a replica serves isn't known yet; hold at 1"), "\(message)")
        }
    }

    /// A policy of each kind for the same model.
    static func policy(_ kind: ScalingPolicy.Kind, maxReplicas: Int = 100) -> ScalingPolicy {
        ScalingPolicy(
            minReplicas: 1,
            maxReplicas: maxReplicas,
            kind: kind,
            targets: kind == .slo ? [] : [ScalingTarget(signal: .queueLength, value: 4)],
            latency: kind == .targetTracking ? nil : Self.objective
        )
    }

    /// What a recorded decision gives when it is read back from JSON.
    static func replayed(_ autoscaler: Autoscaler) -> Int? {
        guard let recorded = autoscaler.lastInputs?.json, let json = try? JSONValue(parsing: recorded.encoded()) else {
            return nil
        }
        return ScaleInputs(json)?.decision().desired
    }

    /// A moment of a fleet that serves `rate` requests a second of 100 ms each.
    static func busy(
        _ second: Int,
        replicas: Int,
        ready: Int,
        rate: Double,
        queue: Double,
        running: Double
    ) -> ScaleObservation {
        ScaleObservation(
            time: start + .seconds(second),
            replicas: replicas,
            readyReplicas: ready,
            readings: [
                .queueLength: SignalReading(total: queue, reporting: ready),
                .inFlight: SignalReading(total: queue + running, reporting: ready),
                .requestRate: SignalReading(total: rate, reporting: ready),
            ],
            latency: LatencyReading(milliseconds: queue > 0 ? 800 : 110, requestRate: rate, reporting: ready),
            cpuShare: min(1, running / Double(max(1, ready))),
            traffic: SLOTraffic(
                intervalSeconds: 2,
                arrived: rate * 2,
                completed: rate * 2,
                running: running,
                waiting: queue,
                meanSeconds: 0.1,
                serviceVariation: 0.1
            ),
            trafficReporting: ready
        )
    }

    @Test("a surge is answered once while replicas load", arguments: ScalingPolicy.Kind.allCases)
    func replicaLeakage(kind: ScalingPolicy.Kind) {
        var autoscaler = Autoscaler(policy: Self.policy(kind))
        var replicas = 2
        var counts: [Int] = []
        // Two replicas are ready and stay full; what is asked for loads and reports nothing.
        for second in stride(from: 0, through: 60, by: 2) {
            let seen = Self.busy(second, replicas: replicas, ready: 2, rate: 20, queue: 12, running: 2)
            let decision = autoscaler.decide(seen)
            autoscaler.didScale(from: replicas, to: decision.desired, at: seen.time)
            replicas = decision.desired
            counts.append(replicas)
        }
        #expect(replicas >= 3)
        #expect(replicas <= 6, "\(kind): \(counts)")
        #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 <= $1 })
    }

    @Test(
        "idle is a fixed point: the fewest replicas, and nothing moves any more",
        arguments: ScalingPolicy.Kind.allCases
    )
    func idle(kind: ScalingPolicy.Kind) {
        var autoscaler = Autoscaler(policy: Self.policy(kind))
        var replicas = 6
        var lastChange = 0
        for second in stride(from: 0, through: 3600, by: 2) {
            let seen = Self.busy(second, replicas: replicas, ready: replicas, rate: 0, queue: 0, running: 0)
            let desired = autoscaler.decide(seen).desired
            if desired != replicas { lastChange = second }
            autoscaler.didScale(from: replicas, to: desired, at: seen.time)
            replicas = desired
        }
        #expect(replicas == 1)
        #expect(lastChange < 1800)
    }

    @Test("noise around a steady load makes no flapping", arguments: ScalingPolicy.Kind.allCases)
    func noise(kind: ScalingPolicy.Kind) {
        var autoscaler = Autoscaler(policy: Self.policy(kind))
        var replicas = 4
        var changes = 0
        var random = SplitMix(state: 7)
        for second in stride(from: 0, through: 3600, by: 2) {
            let rate = 24 * (0.9 + 0.2 * random.unit())
            let queue = 4 * Double(replicas) * (0.92 + 0.16 * random.unit())
            let seen = Self.busy(
                second,
                replicas: replicas,
                ready: replicas,
                rate: rate,
                queue: kind == .slo ? 0 : kind == .rule ? queue * 0.6 : queue,
                running: rate * 0.1
            )
            let desired = autoscaler.decide(seen).desired
            if desired != replicas, second > 600 { changes += 1 }
            autoscaler.didScale(from: replicas, to: desired, at: seen.time)
            replicas = desired
        }
        #expect(changes <= 2, "\(kind): \(changes) changes in 50 minutes")
    }

    @Test("targets beside an objective: the largest answer wins, and each names itself")
    func largestWins() {
        var policy = Self.policy(.slo)
        policy.targets = [ScalingTarget(signal: .inFlight, value: 1)]
        var autoscaler = Autoscaler(policy: policy)
        let seen = Self.busy(0, replicas: 4, ready: 4, rate: 5, queue: 0, running: 9)
        let decision = autoscaler.decide(seen)
        #expect(decision.desired == 9)
        #expect(decision.winner == "InFlight")
        #expect(decision.proposals.contains { $0.source == "QueueModel" })
        #expect(Self.replayed(autoscaler) == 9)
    }

    @Test("targets beside an objective rise at once and fall as they would alone: the largest of the last 300 s")
    func targetsFallLate() {
        var policy = Self.policy(.slo)
        policy.targets = [ScalingTarget(signal: .requestRate, value: 100), ScalingTarget(signal: .inFlight, value: 1)]
        var autoscaler = Autoscaler(policy: policy)
        var replicas = 4
        func decide(_ second: Int, running: Double) -> Int {
            let seen = Self.busy(second, replicas: replicas, ready: replicas, rate: 5, queue: 0, running: running)
            replicas = autoscaler.decide(seen).desired
            return replicas
        }
        #expect(decide(0, running: 9) == 9)
        for second in stride(from: 2, through: 298, by: 2) { #expect(decide(second, running: 0.5) == 9) }
        for second in stride(from: 300, through: 900, by: 2) { _ = decide(second, running: 0.5) }
        #expect(replicas < 9)
    }

    @Test("with an objective a reading without traffic is one that failed, and the fallback is a floor")
    func sloFallback() {
        var policy = Self.policy(.slo)
        policy.fallback = ScalingFallback(failureThreshold: 3, replicas: 6)
        var autoscaler = Autoscaler(policy: policy)
        func decide(_ second: Int, hasTraffic: Bool, reporting: Int) -> ScaleDecision {
            var seen = Self.busy(second, replicas: 2, ready: 2, rate: 5, queue: 0, running: 0.5)
            if !hasTraffic { seen.traffic = nil }
            seen.trafficReporting = reporting
            return autoscaler.decide(seen)
        }
        #expect(decide(0, hasTraffic: false, reporting: 0).desired == 2)
        #expect(decide(2, hasTraffic: false, reporting: 2).desired == 2)
        let third = decide(4, hasTraffic: true, reporting: 0)
        #expect(third.desired == 6 && third.reason.code == "Fallback")
        #expect(decide(6, hasTraffic: true, reporting: 2).desired < 6)
    }

    @Test("a latency of which only the least is known may raise and never lowers the rule's count")
    func endlessBucket() {
        func decide(_ milliseconds: Double, isLowerBound: Bool, queue: Double = 1) -> (ScaleDecision, replayed: Int?) {
            var seen = ScaleObservation(time: Self.start, replicas: 5, readyReplicas: 5)
            seen.readings[.queueLength] = SignalReading(total: queue * 5, reporting: 5)
            seen.latency = LatencyReading(milliseconds: milliseconds, requestRate: 1, reporting: 5)
            seen.latency?.isLowerBound = isLowerBound
            seen.cpuShare = 0.1
            var policy = Self.policy(.rule)
            (policy.up, policy.down) = (.unlimited, .unlimited)
            var autoscaler = Autoscaler(policy: policy)
            return (autoscaler.decide(seen), Self.replayed(autoscaler))
        }
        #expect(decide(100, isLowerBound: false).0.desired == 4)
        let held = decide(100, isLowerBound: true)
        #expect(held.0.desired == 5 && held.replayed == 5)
        let clause = "latency p95 at least 100 ms (its histogram ends there) of 200 ms"
        #expect(held.0.reason.message.contains(clause), "\(held.0.reason.message)")
        #expect(decide(300, isLowerBound: true).0.desired == 8)
        #expect(decide(100, isLowerBound: true, queue: 8).0.desired == 10)
    }

    @Test("an objective that a request's work alone misses is said to be kept by no count")
    func hopelessObjective() {
        func message(objective: Double, latency: Double) -> String {
            var policy = Self.policy(.slo)
            policy.latency = LatencyObjective(percentile: 95, milliseconds: objective)
            var autoscaler = Autoscaler(policy: policy)
            var message = ""
            for second in stride(from: 0, through: 20, by: 2) {
                var seen = Self.busy(second, replicas: 2, ready: 2, rate: 10, queue: 0, running: 1)
                seen.latency?.milliseconds = latency
                message = autoscaler.decide(seen).reason.message
            }
            return message
        }
        let hopeless = message(objective: 60, latency: 110)
        #expect(hopeless.contains("; the objective of 60 ms is no longer than a request's work ("), "\(hopeless)")
        #expect(hopeless.contains(" ms at least): no count keeps it;"), "\(hopeless)")
        #expect(!message(objective: 60, latency: 50).contains("no count keeps it"), "it is kept")
        // The mean is longer than that, and a request that is soon done isn't.
        let most = message(objective: 95, latency: 110)
        #expect(most.contains("; the objective of 95 ms is no longer than a request's work (100 ms"), "\(most)")
        #expect(!most.contains("no count keeps it"), "\(most)")
        #expect(!message(objective: 105, latency: 110).contains("no longer than a request's work"))
    }

    @Test("without a request there is no lack of data")
    func unused() {
        var autoscaler = Autoscaler(policy: Self.policy(.slo))
        let decision = autoscaler.decide(Self.busy(0, replicas: 3, ready: 3, rate: 0, queue: 0, running: 0))
        #expect(decision.reason.code == "NoRequestsYet")
        #expect(decision.desired == 3)
    }

    @Test("the reason is one line that an operator on call understands")
    func sentence() {
        var policy = Self.policy(.rule, maxReplicas: 6)
        policy.targets = [ScalingTarget(signal: .queueLength, value: 30)]
        policy.latency = LatencyObjective(percentile: 95, milliseconds: 500)
        var autoscaler = Autoscaler(policy: policy)
        var seen = Self.busy(0, replicas: 4, ready: 4, rate: 20, queue: 336, running: 4)
        seen.latency = LatencyReading(milliseconds: 640, requestRate: 20, reporting: 4)
        let decision = autoscaler.decide(seen)
        #expect(decision.desired == 6)
        #expect(
            decision.reason.message
                == "queue 84 over target 30 on 4 replicas; latency p95 640 ms over 500 ms; want 8, capped to 6 by maxReplicas"
        )
        #expect(decision.reason.code == "MaxReplicas")
    }

    @Test("where a target asks for more than the objective, what became of the objective's number is no reason")
    func targetBesideObjective() {
        var policy = Self.policy(.slo)
        policy.targets = [ScalingTarget(signal: .queueLength, value: 2)]
        var sizing = SLOSizing()
        (sizing.current, sizing.ready, sizing.minReplicas, sizing.maxReplicas) = (10, 10, 1, 100)
        // Eleven are needed, for the first time.
        (sizing.serviceSeconds, sizing.concurrency, sizing.safeRate, sizing.slackSeconds) = (1, 1, 10.5, 1)
        #expect(sizing.decision().reason.code == "SecondLook")
        var seen = ScaleObservation(time: Self.start, replicas: 10, readyReplicas: 10)
        func message(queue: Double) -> String {
            seen.readings[.queueLength] = SignalReading(total: queue, reporting: 10)
            return ScaleInputs(policy: policy, observation: seen, sizing: sizing).decision().reason.message
        }
        #expect(message(queue: 24).hasSuffix("; want 12"), "\(message(queue: 24))")
        #expect(message(queue: 4).hasSuffix("; want 11, a small rise has to be needed for a while first"))
    }

    @Test("random decisions of each policy replay to the same number and the same words")
    func replay() {
        var random = SplitMix(state: 1)
        for kind in ScalingPolicy.Kind.allCases {
            var policy = Self.policy(kind, maxReplicas: 12)
            policy.fallback = ScalingFallback(failureThreshold: 2, replicas: 5)
            policy.idleSeconds = 120
            if kind == .slo { policy.targets = [ScalingTarget(signal: .inFlight, value: 3, activation: 1)] }
            var autoscaler = Autoscaler(policy: policy)
            var replicas = 3
            for second in stride(from: 0, through: 2000, by: 2) {
                var seen = Self.busy(
                    second,
                    replicas: replicas,
                    ready: Int(random.unit() * Double(replicas + 1)),
                    rate: second % 400 < 200 ? random.unit() * 40 : 0,
                    queue: second % 400 < 200 && random.unit() < 0.3 ? random.unit() * 60 : 0,
                    running: second % 400 < 200 ? random.unit() * 9 : 0
                )
                if random.unit() < 0.1 { seen.readings = [:] }
                if random.unit() < 0.1 { seen.traffic = nil }
                if random.unit() < 0.1 { seen.missing = [MissingReplica(pod: "a", reason: "gone")] }
                if random.unit() < 0.1 { seen.schedules = [ScheduledBounds(name: "day", minReplicas: 4)] }
                if random.unit() < 0.02 { seen.readings[.queueLength]?.total = .nan }
                let decision = autoscaler.decide(seen)
                guard let recorded = autoscaler.lastInputs?.json,
                    let json = try? JSONValue(parsing: recorded.encoded()), let again = ScaleInputs(json)?.decision()
                else {
                    Issue.record("\(kind) at \(second): the inputs can't be read back")
                    return
                }
                #expect(again.desired == decision.desired, "\(kind) at \(second)")
                #expect(again.reason == decision.reason)
                #expect(again.steps == decision.steps)
                autoscaler.didScale(from: replicas, to: decision.desired, at: seen.time)
                replicas = decision.desired
            }
        }
    }
}

/// Numbers that look random and are the same at each run.
struct SplitMix {
    var state: UInt64

    mutating func unit() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Double((value ^ (value >> 31)) >> 11) / Double(1 << 53)
    }
}
