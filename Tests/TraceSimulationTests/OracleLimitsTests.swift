// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import Simulation

@Suite("Where the oracle ends")
struct OracleLimitsTests {
    /// 40 requests a second for ten minutes: the work of ten replicas.
    static func load(_ change: (inout FleetSettings) -> Void) -> ComparisonCase {
        var settings = FleetSettings()
        change(&settings)
        let plan = ArrivalPlan.counts(Array(repeating: 40, count: 600))
        return ComparisonCase(name: "steady", settings: settings, plan: plan)
    }

    @Test("it keeps maxReplicas, says when that is too few, and pays for the work all the same")
    func maxReplicas() {
        let load = Self.load { $0.maxReplicas = 5 }
        let oracle = load.oracle
        #expect(oracle.replicas.max() == 5)
        #expect(oracle.shortfall == .replicas(most: 5))
        #expect(oracle.replicaHours >= oracle.workHours - 1e-9 && oracle.replicaHours < 1.1 * oracle.workHours)
        let report = ComparisonReport(load, results: [load.run(.oracle)])
        #expect(report.oracleText.contains("can't be met with maxReplicas 5"))
        #expect(report.remedy == report.oracleText)
        #expect(!report.oracleText.contains("no schedule"))
        #expect(Self.load { $0.maxReplicas = 10 }.oracle.shortfall == nil)
    }

    /// What the oracle says of ten minutes of `counts`, over and over, evenly inside each second; and the share that one fleet of
    /// all replicas has on time.
    static func evenly(_ counts: [Int], _ change: (inout FleetSettings) -> Void) -> (ComparisonReport, Double) {
        var settings = FleetSettings()
        change(&settings)
        settings.minReplicas = settings.maxReplicas
        let times = (0..<600).flatMap { second in
            let count = counts[second % counts.count]
            return (0..<count).map { Int64(second) * 1_000_000 + Int64($0) * 1_000_000 / Int64(count) }
        }
        let load = ComparisonCase(name: "even", settings: settings, plan: .times(times, seconds: 600))
        return (ComparisonReport(load, results: []), load.run(.hpa).attainment)
    }

    @Test("where its whole seconds alone fall short, nothing is said to be impossible")
    func wholeSeconds() {
        let (report, share) = Self.evenly([12, 8]) { settings in
            settings.serviceTime = ServiceTime(meanSeconds: 0.1)
            settings.concurrency = 1
            settings.maxReplicas = 1
            settings.objectiveSeconds = 0.6
        }
        #expect(share == 1 && report.oracle.shortfall == .schedule)
        let text = report.oracleText
        #expect(text.hasPrefix("the objective isn't met by the oracle's schedule: made with perfect"), "\(text)")
        #expect(report.remedy.hasPrefix("a looser objective"))
    }

    @Test("what a fleet of maxReplicas does keep isn't said to be out of its reach")
    func keptByAll() {
        // Four slots take the four requests of a minute at once, each for longer than may be waited.
        let long = Self.evenly([4] + Array(repeating: 0, count: 59)) { settings in
            settings.serviceTime = ServiceTime(meanSeconds: 10)
            settings.maxReplicas = 1
            settings.objectiveSeconds = 10.5
        }
        // A batch of two takes four times as long as a request alone, of which there is one at a time here.
        let alone = Self.evenly([8]) { settings in
            settings.serviceTime = ServiceTime(meanSeconds: 0.1)
            settings.concurrency = 2
            settings.occupancySlope = 3
            settings.maxReplicas = 1
            settings.objectiveSeconds = 0.6
        }
        // Half of the requests are turned away, and the others are on time.
        let limited = Self.evenly([40]) { settings in
            settings.maxReplicas = 5
            settings.queueLimit = 1
            settings.objectivePercentile = 45
        }
        for (report, share) in [long, alone, limited] {
            #expect(share >= report.goal, "\(share)")
            #expect(report.oracle.shortfall == nil || report.oracle.shortfall == .schedule, "\(report.oracleText)")
        }
        let unlimited = Self.evenly([40]) { settings in
            settings.maxReplicas = 5
            settings.objectivePercentile = 45
        }
        #expect(unlimited.1 < 0.45 && unlimited.0.oracle.shortfall == .replicas(most: 5))
    }

    @Test("a batch that takes more than twice as long as two requests in turn isn't the least work")
    func steepSlope() {
        var settings = FleetSettings()
        settings.serviceTime = ServiceTime(meanSeconds: 0.1)
        settings.concurrency = 2
        settings.occupancySlope = 3
        settings.maxReplicas = 1
        let times = (0..<4800).map { Int64($0) * 125_000 }
        let load = ComparisonCase(name: "alone", settings: settings, plan: .times(times, seconds: 600))
        let result = load.run(.hpa)
        #expect(result.attainment == 1)
        #expect(load.oracle.workHours <= result.replicaHours && load.lowerBoundHours <= result.replicaHours)
        #expect(abs(load.oracle.workHours - 480.0 / 3600) < 1e-9)
    }

    @Test("of requests that differ the work is what is drawn, and what is on time may be the short ones")
    func drawnWork() {
        // The mean of the distribution is 1 s; forty draws have none of the long ones.
        var settings = FleetSettings()
        settings.serviceTime =
            ServiceTime(samples: Array(repeating: 0.01, count: 9999) + [9900]) ?? settings.serviceTime
        settings.maxReplicas = 1
        settings.objectiveSeconds = 0.5
        let load = ComparisonCase(
            name: "short",
            settings: settings,
            plan: .times(Array(repeating: 0, count: 40), seconds: 10)
        )
        let result = load.run(.hpa)
        #expect(result.attainment == 1 && load.oracle.shortfall == nil, "\(load.oracle.shortfall as Any)")
        #expect(load.oracle.workHours <= result.replicaHours && load.lowerBoundHours <= result.replicaHours)
        #expect(load.oracle.replicaHours >= load.lowerBoundHours)
        #expect(abs(load.oracle.workHours * 3600 - 0.1) < 1e-6)
        // Nine of ten take no time, and go on until the first long one.
        settings.serviceTime = ServiceTime(samples: Array(repeating: 0.01, count: 9) + [50]) ?? settings.serviceTime
        settings.concurrency = 1
        settings.objectivePercentile = 40
        let times = (0..<100).flatMap { Array(repeating: Int64($0) * 300_000_000, count: 10) }
        let mixed = ComparisonCase(name: "mixed", settings: settings, plan: .times(times, seconds: 30_000))
        let share = mixed.run(.hpa).attainment
        #expect(share >= 0.4, "\(share)")
        #expect(
            mixed.oracle.shortfall == nil || mixed.oracle.shortfall == .schedule,
            "\(mixed.oracle.shortfall as Any)"
        )
    }

    @Test("where requests are turned away, the work of all of them bounds nothing")
    func turnedAway() {
        let load = Self.load { settings in
            settings.maxReplicas = 5
            settings.queueLimit = 1
            settings.objectivePercentile = 45
        }
        let result = load.run(.hpa)
        #expect(result.rejected > 0 && result.attainment >= 0.45)
        #expect(load.lowerBoundHours <= result.replicaHours && load.oracle.workHours > result.replicaHours)
    }

    @Test("an objective below the service time is out of everybody's reach, and nobody is compared with it")
    func serviceTime() throws {
        let load = Self.load { $0.objectiveSeconds = 0.5 }
        #expect(load.oracle.shortfall == .service(share: 0))
        let report = ComparisonReport(load, results: [load.run(.oracle)])
        #expect(report.oracleText.hasPrefix("the objective can't be met with any number of replicas: only 0.0 %"))
        #expect(report.remedy == report.oracleText)
        let ratio = try #require(report.columns.firstIndex(of: "to oracle"))
        #expect(report.cells(report.results[0])[ratio] == "-")
        #expect(report.json["policies"]?.array?.first?["ratioToOracle"] == .null)
        #expect(report.json.at("oracle", "meetsObjective") == false)
        #expect(Self.load { $0.objectiveSeconds = 1 }.oracle.shortfall != .service(share: 0))
    }

    @Test("how many requests are short enough is known of each distribution")
    func shares() throws {
        var random = FastRandom(seed: 11)
        let table = try #require(ServiceTime(samples: [0.1, 0.2, 0.3, 0.4]))
        for time in [
            ServiceTime(.exponential, meanSeconds: 0.3), ServiceTime(.lognormal(variation: 0.8), meanSeconds: 0.3),
            table,
        ] {
            let draws = (0..<20_000).map { _ in Double(time.draw(&random)) / 1e6 }
            let share = Double(draws.count { $0 <= 0.35 }) / 20_000
            #expect(abs(time.share(within: 0.35) - share) < 0.02, "\(time.shape)")
        }
        #expect(ServiceTime(meanSeconds: 0.3).share(within: 0.3) == 1)
        #expect(ServiceTime(meanSeconds: 0.3).share(within: 0.29) == 0)
    }

    @Test("a load of a few seconds takes no less than its work")
    func shortLoads() {
        let trace = ArrivalTrace(name: "ms", rows: .counts(Array(repeating: 1, count: 2000)), binSeconds: 0.001)
        let load = ComparisonCase(name: "ms", settings: FleetSettings(), plan: trace.plan())
        #expect(load.oracle.attainment >= 0.95 && load.oracle.shortfall == nil)
        #expect(load.oracle.replicaHours >= load.oracle.workHours)
    }

    @Test("replicas cost until the last request of the load is answered, and idle ones no longer than the load")
    func billing() {
        var settings = FleetSettings()
        settings.maxReplicas = 5
        settings.initialReplicas = 5
        let policy = SchedulePolicy(fixed: 5)
        var busy = FleetRun(settings, arrivals: .counts(Array(repeating: 40, count: 600)), policy: policy)
        // 24,000 requests of 1 s on 20 slots: 1200 s, twice as long as the load.
        #expect(abs(busy.run().replicaHours * 3600 - 5 * 1201) < 10)
        var idle = FleetRun(settings, arrivals: .times([0], seconds: 600), policy: policy)
        #expect(abs(idle.run().replicaHours * 3600 - 5 * 600) < 1e-6)
    }
}
