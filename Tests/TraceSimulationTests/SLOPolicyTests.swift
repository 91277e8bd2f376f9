// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling
import Testing

@testable import Simulation

@Suite("The SLO policy")
struct SLOPolicyTests {
    static let policy = SLOPolicy(
        objective: LatencyObjective(percentile: 95, milliseconds: 3000),
        minReplicas: 1,
        maxReplicas: 100
    )

    /// An autoscaler that has seen full replicas once, and then `rate` requests a second on `replicas` for `seconds`; and
    /// what it asked for.
    static func seasoned(rate: Double, replicas: Int, seconds: Int = 600) -> (SLOAutoscaler, [Int]) {
        var autoscaler = SLOAutoscaler(policy: policy)
        var count = replicas
        var counts: [Int] = []
        for step in 1...seconds / 2 {
            let isFull = step == 1
            let observation = observation(
                second: step * 2,
                replicas: count,
                ready: count,
                rate: isFull ? Double(4 * count) : rate,
                waiting: isFull ? Double(count) : 0
            )
            count = autoscaler.decide(observation).decision.desired
            counts.append(count)
        }
        return (autoscaler, counts)
    }

    static func observation(
        second: Int,
        replicas: Int,
        ready: Int,
        reporting: Int? = nil,
        rate: Double,
        waiting: Double = 0
    ) -> SLOObservation {
        SLOObservation(
            time: WallTime(seconds: Double(second)),
            replicas: replicas,
            readyReplicas: ready,
            reporting: reporting ?? ready,
            traffic: SLOTraffic(
                intervalSeconds: 2,
                arrived: 2 * rate,
                completed: 2 * min(rate, Double(ready) * 4),
                running: min(rate, Double(ready) * 4),
                waiting: waiting,
                meanSeconds: 1,
                serviceVariation: 0
            )
        )
    }

    @Test("idle is a fixed point: without requests it goes to the least and stays there")
    func idleIsAFixedPoint() {
        var (autoscaler, _) = Self.seasoned(rate: 40, replicas: 12)
        var count = 12
        var counts: [Int] = []
        for step in 0..<600 {
            let idle = Self.observation(second: 602 + step * 2, replicas: count, ready: count, rate: 0)
            count = autoscaler.decide(idle).decision.desired
            counts.append(count)
        }
        #expect(counts.last == 1)
        #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 >= $1 }, "it only falls")
        #expect(Set(counts.suffix(300)) == [1])
    }

    @Test("a steady load is a fixed point near what the work takes")
    func steadyIsAFixedPoint() {
        let (_, counts) = Self.seasoned(rate: 40, replicas: 20, seconds: 7200)
        // What it believed at first fades within two hours.
        #expect(Set(counts.suffix(600)).count == 1, "\(Set(counts.suffix(600)))")
        #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 >= $1 })
        #expect((10...13).contains(counts.last ?? 0), "\(counts.last ?? 0)")
    }

    @Test(
        "noise makes it no flapping thing: a Poisson load changes the count a few times an hour",
        arguments: [1, 2, 3]
    )
    func noiseMakesNoFlapping(seed: UInt64) {
        var settings = FleetSettings()
        settings.initialReplicas = 12
        settings.seed = seed
        let load = ArrivalPlan.rates([40], binSeconds: 2400, variation: 1)
        let policy = PolicyChoice.slo.make(settings) ?? Watcher()
        var run = FleetRun(settings, arrivals: load, policy: policy)
        let result = run.run()
        #expect(result.attainment > 0.99)
        // 1200 decisions.
        #expect(result.scaleEvents <= 30, "\(result.scaleEvents)")
        #expect(result.replicaHours < 1.5 * 10 * 2400 / 3600)
    }

    @Test(
        "requests that slow each other down don't make it swing: what a full replica does is planned with",
        arguments: [0.2, 0.6]
    )
    func slowdownMakesNoSwinging(slope: Double) {
        var settings = FleetSettings()
        settings.initialReplicas = 15
        settings.maxReplicas = 60
        settings.occupancySlope = slope
        let load = ArrivalPlan.rates([40], binSeconds: 3600, variation: 1)
        var run = FleetRun(settings, arrivals: load, policy: PolicyChoice.slo.make(settings) ?? Watcher())
        let result = run.run()
        #expect(result.attainment > 0.9, "\(result.attainment)")
        #expect(result.scaleEvents <= 30, "\(result.scaleEvents)")
    }

    @Test("replicas that do no more with more at work keep an even count: what differs by chance isn't followed")
    func serialReplicasAreSteady() {
        var settings = FleetSettings()
        settings.initialReplicas = 58
        settings.maxReplicas = 60
        settings.occupancySlope = 1
        let load = ArrivalPlan.rates([40], binSeconds: 7200, variation: 1)
        var run = FleetRun(settings, arrivals: load, policy: PolicyChoice.slo.make(settings) ?? Watcher())
        let result = run.run()
        #expect(result.attainment > 0.98, "\(result.attainment)")
        #expect(result.scaleEvents <= 40, "\(result.scaleEvents)")
    }

    @Test("where some are late without a wait, no replicas are asked for that make hardly any request quicker")
    func unevenWorkIsNoReasonForReplicas() {
        var settings = FleetSettings()
        settings.initialReplicas = 15
        settings.serviceTime = ServiceTime(.lognormal(variation: 2), meanSeconds: 1)
        let load = ArrivalPlan.rates([40, 60, 30, 50, 40, 60], binSeconds: 600, variation: 1)
        var run = FleetRun(settings, arrivals: load, policy: PolicyChoice.slo.make(settings) ?? Watcher())
        let result = run.run()
        // 0.933 of the work takes no longer than the objective.
        #expect(result.attainment > 0.92, "\(result.attainment)")
        let work = Double(result.requests) / 4 / 3600
        #expect(result.replicaHours < 1.75 * work, "\(result.replicaHours / work)")
    }

    @Test("one surge is answered once, however long the new replicas load and stay silent")
    func replicasDoNotLeak() {
        var (autoscaler, _) = Self.seasoned(rate: 6, replicas: 2, seconds: 1200)
        var count = 2
        var counts: [Int] = []
        for step in 1...30 {
            // Two ready replicas report; the loading ones say nothing, and the queue grows.
            let waiting = Double(step) * 2 * (12 - 8)
            let surge = Self.observation(second: 1200 + step * 2, replicas: count, ready: 2, rate: 12, waiting: waiting)
            count = autoscaler.decide(surge).decision.desired
            counts.append(count)
        }
        // Three replicas for the flow, and some for a backlog of up to 240 requests: not 4, 8, 16, 32.
        #expect((counts.max() ?? 0) <= 16, "\(counts)")
        #expect(counts.suffix(10).allSatisfy { $0 == counts.last }, "\(counts)")
    }

    @Test("what is missing, stale or impossible never lowers the count")
    func missingNeverLowers() {
        let (seasoned, counts) = Self.seasoned(rate: 40, replicas: 12)
        let count = counts.last ?? 12
        for bad in [Double.nan, .infinity, -1, 1e300] {
            var autoscaler = seasoned
            for step in 1...200 {
                var observation = Self.observation(second: 600 + step * 2, replicas: count, ready: count, rate: 0)
                observation.traffic?.arrived = bad
                #expect(autoscaler.decide(observation).decision.desired >= count)
            }
        }
        var silent = seasoned
        for step in 1...200 {
            var observation = Self.observation(second: 600 + step * 2, replicas: count, ready: count, rate: 0)
            observation.traffic = nil
            observation.reporting = 0
            let decision = silent.decide(observation).decision
            #expect(decision.desired == count)
        }
        var partial = seasoned
        for step in 1...200 {
            let observation = Self.observation(
                second: 600 + step * 2,
                replicas: count,
                ready: count,
                reporting: 3,
                rate: 1
            )
            let decision = partial.decide(observation).decision
            #expect(decision.desired >= count)
        }
        var loud = seasoned
        let overload = Self.observation(second: 602, replicas: count, ready: count, reporting: 3, rate: 30, waiting: 50)
        #expect(loud.decide(overload).decision.desired > count, "a partial scrape may raise")
    }

    @Test("without a single answered request it holds, within the bounds")
    func nothingLearnedHolds() {
        var autoscaler = SLOAutoscaler(policy: Self.policy)
        let first = SLOObservation(
            time: WallTime(seconds: 0),
            replicas: 5,
            readyReplicas: 0,
            reporting: 0,
            traffic: nil
        )
        #expect(autoscaler.decide(first).decision.desired == 5)
        var large = first
        large.replicas = 200
        #expect(autoscaler.decide(large).decision.desired == 100)
    }

    @Test("a recorded decision replays to the same number, and a broken record is refused")
    func decisionsReplay() throws {
        var (autoscaler, _) = Self.seasoned(rate: 30, replicas: 9)
        for step in 1...60 {
            let rate = step < 30 ? 30.0 : 90
            let waiting = step < 30 ? 0.0 : Double(step) * 10
            let observation = Self.observation(
                second: 600 + step * 2,
                replicas: 9,
                ready: 8,
                rate: rate,
                waiting: waiting
            )
            let (decision, sizing) = autoscaler.decide(observation)
            let text = sizing.json.jsonText
            let record = try #require(SLOSizing(try JSONValue(parsing: text)))
            #expect(record == sizing)
            #expect(record.decision() == decision)
            #expect(decision.proposals.count == 3 && decision.steps.count >= 3 && !decision.reason.message.isEmpty)
            #expect(!decision.reason.message.contains("\n"))
        }
        var broken = SLOSizing().json
        broken.set(.double(-1), at: "waiting")
        #expect(SLOSizing(broken) == nil)
        #expect(SLOSizing(.emptyObject) == nil)
    }

    @Test("a backlog brings more replicas than the flow needs, and they go when it is gone")
    func backlogIsDrained() {
        var (autoscaler, counts) = Self.seasoned(rate: 20, replicas: 6)
        let calm = counts.last ?? 6
        let full = Self.observation(second: 602, replicas: calm, ready: calm, rate: 20, waiting: 2000)
        let decision = autoscaler.decide(full).decision
        #expect(decision.desired > 2 * calm)
        #expect(decision.reason.code == "Backlog")
        var count = decision.desired
        for step in 0..<300 {
            let clear = Self.observation(second: 604 + step * 2, replicas: count, ready: count, rate: 20)
            count = autoscaler.decide(clear).decision.desired
        }
        #expect(count <= calm + 1)
    }

    @Test("slots and work are learned where nobody tells them")
    func slotsAreLearned() {
        var settings = FleetSettings()
        settings.serviceTime = ServiceTime(meanSeconds: 0.5)
        settings.objectiveSeconds = 1.5
        settings.coldStartSeconds = 20
        settings.initialReplicas = 6
        let policy = SLOPolicy(
            objective: LatencyObjective(percentile: 95, milliseconds: 1500),
            maxReplicas: 100,
            coldStartSeconds: 60
        )
        var run = FleetRun(
            settings,
            arrivals: .rates([30, 45, 30], binSeconds: 600, variation: 1),
            policy: SLOFleetPolicy(policy: policy)
        )
        let result = run.run()
        #expect(result.attainment > 0.95, "\(result.attainment)")
        // The work takes 4.4 replicas on average.
        #expect(result.replicaHours < 0.5 * 4.4 * 2.2, "\(result.replicaHours)")
    }

    @Test("the queue model is Erlang's, and its tail falls with every server")
    func queueModel() {
        #expect(abs(QueueModel(rate: 0.5, serviceSeconds: 1, variability: 1).waitingChance(servers: 1) - 0.5) < 1e-12)
        #expect(abs(QueueModel(rate: 1, serviceSeconds: 1, variability: 1).waitingChance(servers: 2) - 1.0 / 3) < 1e-12)
        #expect(QueueModel(rate: 5, serviceSeconds: 1, variability: 1).waitingChance(servers: 5) == 1)
        let model = QueueModel(rate: 40, serviceSeconds: 1, variability: 0.5)
        let tails = (38...60).map { model.waitingTail(servers: $0, seconds: 0.5) }
        #expect(zip(tails, tails.dropFirst()).allSatisfy { $0 >= $1 })
        let fewest = model.replicas(concurrency: 4, waitSeconds: 0.5, late: 0.05)
        #expect(model.waitingTail(servers: fewest * 4, seconds: 0.5) <= 0.05)
        #expect(model.waitingTail(servers: (fewest - 1) * 4, seconds: 0.5) > 0.05)
        #expect(
            QueueModel(rate: 0, serviceSeconds: 1, variability: 1).replicas(concurrency: 4, waitSeconds: 1, late: 0.05)
                == 0
        )
    }
}
