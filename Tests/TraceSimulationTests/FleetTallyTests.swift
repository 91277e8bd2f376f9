// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@testable import Simulation

@Suite("What is counted")
struct FleetTallyTests {
    @Test("latencies that are all the same are told as they are, and others to 3 %")
    func percentiles() throws {
        var settings = FleetSettings()
        let times = (0..<100).map { Int64($0) * 1_000_000 }
        var run = FleetRun(settings, arrivals: .times(times, seconds: 100), policy: Watcher())
        let result = run.run()
        #expect(result.p50 == 1 && result.p95 == 1 && result.p99 == 1 && result.attainment == 1)
        var bins = LatencyBins()
        for step in 1...1000 { bins.record(Int64(step) * 1000) }
        for share in [0.5, 0.95, 0.99] {
            #expect(abs(try #require(bins.quantile(share)) / share - 1) < 0.03)
        }
        bins.clear()
        #expect(bins.quantile(0.5) == nil)
        bins.record(7_000_001)
        #expect(bins.quantile(0.5) == 7.000_001)
        // What is just on time is no reason for the rule to grow.
        settings.serviceTime = ServiceTime(meanSeconds: 3)
        settings.objectiveSeconds = 3
        let plan = ArrivalPlan.times((0..<600).map { Int64($0) * 1_000_000 }, seconds: 600)
        let rule = ComparisonCase(name: "even", settings: settings, plan: plan).run(.rule)
        #expect(rule.attainment == 1 && rule.peakReplicas < 10, "\(rule.peakReplicas)")
    }

    @Test("the time between two events is divided over all buckets that it crosses")
    func series() throws {
        let policy = SchedulePolicy(fixed: 1)
        var run = FleetRun(FleetSettings(), arrivals: .times([0], seconds: 7200), policy: policy)
        let series = try #require(run.run().series)
        #expect(series.count == 600 && series.bucketSeconds == 12)
        for values in [series.seconds, series.ready, series.billed] {
            #expect(values.allSatisfy { abs($0 - 12) < 1e-6 }, "\(values.filter { abs($0 - 12) >= 1e-6 })")
        }
    }

    @Test("a minute whose requests nobody answered, or turned away, is the worst")
    func worstMinute() {
        var settings = FleetSettings()
        settings.minReplicas = 0
        settings.initialReplicas = 0
        let plan = ArrivalPlan.times(Array(repeating: 0, count: 30), seconds: 60)
        for limit in [nil, 0] {
            settings.queueLimit = limit
            var run = FleetRun(settings, arrivals: plan, policy: Watcher())
            let result = run.run()
            #expect(result.attainment == 0 && result.worstMinute == 0)
        }
    }

    @Test("a request that is turned away is an answer at once for servers' counters, and so for policies")
    func rejections() throws {
        var meter = TrafficMeter()
        var view = FleetView()
        _ = meter.read(view)
        view.seconds = 2
        view.completed = 10
        view.latencySeconds = 12
        view.rejected = 5
        view.running = 3
        let traffic = try #require(meter.read(view).traffic)
        #expect(traffic.arrived == 18 && traffic.completed == 15 && traffic.meanSeconds == 0.8)
        // Policies see their latency; the report has those of the others.
        var tally = FleetTally(duration: 60_000_000, objectiveSeconds: 1, keepsRecent: true)
        for _ in 0..<3 { tally.rejected() }
        tally.completed(at: 1_000_000, latency: 500_000)
        tally.fill(&view)
        #expect(view.latencies?.count == 4 && view.latencies?.quantile(0.5) == 0)
        #expect(tally.latencies.count == 1)
    }
}
