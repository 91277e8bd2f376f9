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
            #expect(bound <= Self.cheapest(profile, settings, goal: goal) + 1e-9)
        }
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
