// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Simulation

@Suite("The lower bound of the cost")
struct CostLowerBoundTests {
    /// The cheapest of all schedules of 0 to 3 replicas with the wanted share on time, by trying each.
    static func cheapest(_ profile: DemandProfile, _ settings: FleetSettings, goal: Double) -> Double {
        let seconds = profile.counts.count
        let wait = max(0, settings.objectiveSeconds - settings.serviceTime.meanSeconds)
        var best = Double.infinity
        for code in 0..<(1 << (2 * seconds)) {
            let replicas = (0..<seconds).map { (code >> (2 * $0)) & 3 }
            let cost = OracleSchedule.hours(replicas, coldStart: settings.coldStartSeconds)
            guard cost < best else { continue }
            let share = profile.attainment(replicas: replicas, replicaRate: settings.replicaRate, slack: wait)
            if share >= goal { best = cost }
        }
        return best
    }

    @Test("no schedule at all is below it, on small cases", arguments: 1...12)
    func boundsEverySchedule(seed: Int) {
        var random = FastRandom(seed: UInt64(seed))
        var settings = FleetSettings()
        settings.coldStartSeconds = Double(random.below(5))
        let counts = (0..<6).map { _ in Double(random.below(3) * random.below(5)) } + [0, 0]
        let profile = DemandProfile(ArrivalTrace(name: "small", rows: .counts(counts), binSeconds: 1).plan(), seed: 1)
        #expect(profile.counts.count == 8 && profile.requests > 0)
        for goal in [1, 0.9, 0.7] {
            let bound = CostLowerBound.hours(profile, settings: settings, attainment: goal)
            let cheapest = Self.cheapest(profile, settings, goal: goal)
            #expect(bound <= cheapest + 1e-9)
            // In steps of two and of four seconds too.
            for limit in [4, 2] {
                let coarse = CostLowerBound.hours(profile, settings: settings, attainment: goal, stepLimit: limit)
                #expect(coarse <= cheapest + 1e-9 && coarse >= goal * Double(profile.requests) / 4 / 3600 - 1e-12)
            }
        }
    }

    /// Bursts of eight requests, half a second apart, each the work of 10 s.
    static let bursts = ArrivalPlan.times(
        (0..<72).flatMap { burst in (0..<8).map { Int64(burst) * 50_000_000 + Int64($0) * 500_000 } },
        seconds: 3600
    )

    @Test("no run is below it: a slot may be free as a burst comes, and begin its last request just in time")
    func boundsRuns() throws {
        var settings = FleetSettings()
        settings.serviceTime = ServiceTime(meanSeconds: 10)
        settings.concurrency = 1
        settings.objectiveSeconds = 12
        settings.minReplicas = 8
        let load = ComparisonCase(name: "bursts", settings: settings, plan: Self.bursts)
        let result = load.run(.rule)
        #expect(result.attainment == 1)
        #expect(load.lowerBoundHours <= result.replicaHours, "\(load.lowerBoundHours) \(result.replicaHours)")
        #expect(load.lowerBoundHours >= load.oracle.workHours)
    }

    @Test("no run that has its share on time is below it, whatever the fleet", arguments: 1...12)
    func boundsRunsOfManyFleets(seed: Int) {
        var random = FastRandom(seed: UInt64(seed))
        var settings = FleetSettings()
        settings.concurrency = 1 + random.below(4)
        settings.occupancySlope = [0, 0.3, 2][random.below(3)]
        settings.serviceTime = ServiceTime(meanSeconds: [0.4, 2, 7][random.below(3)])
        settings.objectiveSeconds = settings.serviceTime.meanSeconds * (1 + settings.occupancySlope * 3) * 1.3
        settings.coldStartSeconds = Double(random.below(20))
        settings.objectivePercentile = [80, 95][random.below(2)]
        // Requests in clumps, with gaps between them.
        let times = (0..<20).flatMap { clump -> [Int64] in
            let start = Int64(clump) * 30_000_000 + Int64(random.below(5_000_000))
            return (0..<1 + random.below(8)).map { start + Int64($0) * Int64(random.below(400_000)) }
        }
        let load = ComparisonCase(name: "clumps", settings: settings, plan: .times(times.sorted(), seconds: 600))
        var kept = 0
        for count in 1...8 {
            settings = load.settings
            settings.minReplicas = 0
            settings.initialReplicas = count
            var run = FleetRun(settings, arrivals: load.plan, policy: SchedulePolicy(fixed: count))
            let result = run.run()
            #expect(load.oracle.workHours <= result.replicaHours)
            guard result.attainment >= settings.objectivePercentile / 100 else { continue }
            kept += 1
            #expect(load.lowerBoundHours <= result.replicaHours, "\(count) of \(settings)")
        }
        #expect(kept > 0)
    }

    @Test("three days are bounded in steps of three seconds, by no more than the oracle needs")
    func longLoads() {
        let counts = (0..<3 * 86_400).map { $0 % 3600 < 2 ? 3 : 0 }
        let profile = DemandProfile(counts: counts)
        var settings = FleetSettings()
        settings.scalesToZero = true
        let bound = CostLowerBound.hours(profile, settings: settings, attainment: 0.95)
        let oracle = OracleSchedule(profile, settings: settings, attainment: 0.95)
        #expect(bound >= 0.95 * oracle.workHours && bound <= oracle.replicaHours)
    }

    @Test("it lies between the work and the oracle, and close to the oracle on a long step")
    func liesBelowTheOracle() {
        let plan = SyntheticTrace.step.trace.sliced(from: 1800, length: 3600).plan()
        let profile = DemandProfile(plan, seed: 1)
        for goal in [1, 0.95] {
            let oracle = OracleSchedule(profile, settings: FleetSettings(), attainment: goal)
            let bound = CostLowerBound.hours(profile, settings: FleetSettings(), attainment: goal)
            #expect(bound >= goal * oracle.workHours - 1e-9 && bound <= oracle.replicaHours)
            #expect(bound > 0.75 * oracle.replicaHours)
        }
    }
}
