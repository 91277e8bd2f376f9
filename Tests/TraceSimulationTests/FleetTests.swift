// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@testable import Simulation

@Suite("The fleet's model")
struct FleetTests {
    static func rate(_ rate: Double, seconds: Double) -> ArrivalPlan {
        .rates([rate], binSeconds: seconds, variation: 1)
    }

    @Test("with memoryless arrivals and work the waits are those of Erlang's formula")
    func waitsAreErlangs() {
        var settings = FleetSettings()
        settings.concurrency = 1
        settings.serviceTime = ServiceTime(.exponential, meanSeconds: 1)
        settings.initialReplicas = 10
        settings.minReplicas = 10
        settings.maxReplicas = 10
        settings.objectiveSeconds = 1e5
        let load = 8.0
        var run = FleetRun(settings, arrivals: Self.rate(load, seconds: 8000), policy: Watcher())
        let result = run.run()
        // The mean wait of M/M/10 at 80 %: C / (m - a) = 0.4092 / 2 = 0.2046 s; the mean stay 1.2046 s.
        let chance = QueueModel(rate: load, serviceSeconds: 1, variability: 1).waitingChance(servers: 10)
        #expect(abs(chance - 0.4092) < 0.0005)
        let stay = result.meanOutstanding(seconds: 8000) / load
        #expect(abs(stay - (1 + chance / 2)) < 0.05, "\(stay)")
    }

    @Test("the same seed gives the same run, another one another", arguments: Balancing.allCases)
    func runsAreReproducible(balancing: Balancing) {
        var settings = FleetSettings()
        settings.balancing = balancing
        settings.serviceTime = ServiceTime(.lognormal(variation: 0.5), meanSeconds: 1)
        settings.coldStartSeconds = 20
        settings.coldStartVariation = 0.3
        func result(_ seed: UInt64) -> RunResult {
            settings.seed = seed
            var run = FleetRun(settings, arrivals: Self.rate(20, seconds: 300), policy: KPAPolicy.forTests)
            return run.run()
        }
        #expect(result(1) == result(1))
        #expect(result(1) != result(2))
    }

    @Test("every request is answered or turned away, whatever is removed meanwhile", arguments: Balancing.allCases)
    func nothingIsLost(balancing: Balancing) {
        var settings = FleetSettings()
        settings.balancing = balancing
        settings.coldStartSeconds = 5
        settings.queueLimit = 3
        settings.minReplicas = 0
        settings.objectiveSeconds = 1e5
        let saw = (0..<300).map { $0 % 20 < 10 ? 6 : 1 }
        let policy = SchedulePolicy(name: "saw", counts: saw, stepSeconds: 1, leadSeconds: 0)
        var run = FleetRun(settings, arrivals: Self.rate(15, seconds: 300), policy: policy)
        let result = run.run()
        #expect(result.requests > 4000 && result.rejected > 0)
        // With an endless objective only what was turned away or never answered is late.
        #expect(abs(result.attainment - (1 - Double(result.rejected) / Double(result.requests))) < 1e-12)
    }

    @Test("a limit of the queue counts per ready replica, however large it is", arguments: [2, Int.max])
    func queueLimits(limit: Int) {
        var settings = FleetSettings()
        settings.concurrency = 1
        settings.queueLimit = limit
        settings.initialReplicas = 2
        // Of ten requests at once two are in work, and two for each replica may wait.
        let times = (0..<10).map { Int64($0) }
        var run = FleetRun(settings, arrivals: .times(times, seconds: 10), policy: Watcher())
        #expect(run.run().rejected == (limit == 2 ? 4 : 0))
    }

    @Test("replicas cost from the decision on, and take requests only after the cold start")
    func costAndColdStart() {
        var settings = FleetSettings()
        settings.coldStartSeconds = 60
        settings.initialReplicas = 1
        let policy = SchedulePolicy(name: "two", counts: [1, 2], stepSeconds: 100, leadSeconds: 0)
        var run = FleetRun(settings, arrivals: Self.rate(0.1, seconds: 1000), policy: policy)
        let result = run.run()
        // One replica all along; the second from second 50 or so (half a step before its time) to the end.
        #expect(abs(result.replicaHours * 3600 - 1930) < 35, "\(result.replicaHours * 3600)")
        #expect(result.scaleUps == 1 && result.scaleDowns == 0 && result.peakReplicas == 2)
    }

    @Test("a request at zero replicas waits for the first one")
    func zeroReplicasHold() {
        var settings = FleetSettings()
        settings.minReplicas = 0
        settings.initialReplicas = 0
        settings.coldStartSeconds = 30
        settings.objectiveSeconds = 40
        var run = FleetRun(settings, arrivals: .times([5_000_000], seconds: 600), policy: KPAPolicy.forTests)
        let result = run.run()
        #expect(result.attainment == 1)
        #expect(abs(result.p50 - 31) < 1)
        // Asked for at once, gone after window and grace.
        #expect(result.scaleUps == 1 && result.scaleDowns == 1)
    }

    @Test("work slows down with the batch when it is told to")
    func batchingSlowsDown() {
        var settings = FleetSettings()
        settings.occupancySlope = 0.5
        #expect(abs(settings.replicaRate - 1.6) < 1e-9)
        var run = FleetRun(settings, arrivals: .times([0, 1, 2, 3], seconds: 10), policy: Watcher())
        #expect(abs(run.run().p99 - 2.5) < 0.1)
    }

    @Test("service times follow their distribution, and a histogram's page can be fitted")
    func serviceTimes() throws {
        var random = FastRandom(seed: 7)
        for shape in [ServiceTime.Shape.deterministic, .exponential, .lognormal(variation: 0.5)] {
            let time = ServiceTime(shape, meanSeconds: 0.2)
            let draws = (0..<20_000).map { _ in Double(time.draw(&random)) / 1e6 }
            let mean = draws.reduce(0, +) / 20_000
            let square = draws.reduce(0) { $0 + $1 * $1 } / 20_000
            #expect(abs(mean - 0.2) < 0.01)
            #expect(abs(square / mean / mean - 1 - time.squaredVariation) < 0.1)
        }
        let fitted = try #require(
            ServiceTime(upperBounds: [0.1, 0.2, 0.4, .infinity], cumulative: [0, 50, 100, 100])
        )
        #expect(abs(fitted.meanSeconds - 0.225) < 0.002)
        #expect(ServiceTime(upperBounds: [1], cumulative: []) == nil)
        #expect(ServiceTime(samples: [.nan, -1]) == nil)
    }

    @Test("the heap gives entries back in the order of their times")
    func heapSorts() {
        var heap = CompletionHeap()
        var random = FastRandom(seed: 3)
        for _ in 0..<500 { heap.push(Int64(random.below(100)), random.next()) }
        var last = Int64.min
        while heap.count > 0 {
            #expect(heap.earliest >= last)
            last = heap.earliest
            _ = heap.pop()
        }
        #expect(heap.earliest == .max)
    }
}

/// A policy that changes nothing.
struct Watcher: FleetPolicy {
    let name = "watcher"
    let timing = PolicyTiming(scrapeSeconds: 10, decisionSeconds: 10)
    mutating func observe(_ view: FleetView) {}
    mutating func decide(_ view: FleetView) -> Int? { nil }
}

extension KPAPolicy {
    /// Knative's for four requests a replica.
    static var forTests: KPAPolicy {
        var settings = Settings()
        settings.concurrency = 4
        return KPAPolicy(settings)
    }
}

extension RunResult {
    /// The mean number of requests in the fleet.
    func meanOutstanding(seconds: Double) -> Double { outstandingSeconds / seconds }
}
