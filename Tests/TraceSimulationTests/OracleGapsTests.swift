// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Simulation

@Suite("The oracle between requests")
struct OracleGapsTests {
    /// One request every quarter of an hour, for three hours.
    static func rare(_ change: (inout FleetSettings) -> Void) -> ComparisonCase {
        var settings = FleetSettings()
        settings.scalesToZero = true
        change(&settings)
        let times = (0..<12).map { Int64($0) * 900_000_000 + 500_000 }
        return ComparisonCase(name: "rare", settings: settings, plan: .times(times, seconds: 10_800))
    }

    @Test("it goes to zero between rare requests, and costs no more than who doesn't know when they come")
    func zero() {
        let load = Self.rare { $0.minReplicas = 1 }
        #expect(load.oracle.shortfall == nil && load.oracle.attainment == 1)
        #expect(load.oracle.replicas.min() == 0 && load.oracle.replicas.max() == 1)
        // In the second of the request, and in the next one, for what comes at a second's end.
        #expect(load.oracle.replicas.count { $0 == 1 } == 24)
        #expect(load.oracle.replicaHours <= load.run(.kpa).replicaHours)
        let row = load.run(.oracle)
        #expect(row.attainment == 1 && abs(row.replicaHours - load.oracle.replicaHours) < 0.02, "\(row.replicaHours)")
    }

    @Test("while the model is in use it has the fewest replicas, and where none isn't allowed always")
    func floors() {
        #expect(Set(Self.rare { $0.minReplicas = 2 }.oracle.replicas) == [0, 2])
        let kept = Self.rare { settings in
            settings.minReplicas = 2
            settings.scalesToZero = false
        }
        #expect(Set(kept.oracle.replicas) == [2] && abs(kept.oracle.replicaHours - 6) < 1e-9)
    }

    @Test("a burst that is shorter than the allowed wait is served in that wait")
    func shortBursts() {
        var settings = FleetSettings()
        settings.serviceTime = ServiceTime(meanSeconds: 10)
        settings.concurrency = 1
        settings.objectiveSeconds = 30
        let times = (0..<36).flatMap { burst in
            (0..<10).map { Int64(burst) * 100_000_000 + Int64($0) * 50_000 }
        }
        let load = ComparisonCase(name: "bursts", settings: settings, plan: .times(times, seconds: 3600))
        #expect(load.oracle.shortfall == nil && load.oracle.attainment >= 0.95, "\(load.oracle.attainment)")
        // Five serve ten in 20 s of waiting, and have an hour.
        #expect(load.oracle.replicaHours <= 5.1, "\(load.oracle.replicaHours)")
        #expect(load.run(.oracle).attainment >= 0.95)
    }

    @Test("the demand of a window lasts through the wait after it, where it is asked to", arguments: [false, true])
    func lastingDemand(isLasting: Bool) {
        let profile = DemandProfile(counts: [10, 0, 0, 0, 0])
        let demand = profile.demand(replicaRate: 1, slack: 2.5, isLasting: isLasting)
        // Ten in three seconds; in longer windows fewer a second.
        #expect(demand[2] == (isLasting ? 10.0 / 3 : 10.0 / 6.5))
        #expect(isLasting == (demand[0] + demand[1] + demand[2] >= 10))
    }
}
