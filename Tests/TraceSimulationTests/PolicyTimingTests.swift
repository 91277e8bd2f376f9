// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Synchronization
import Testing

@testable import Simulation

@Suite("When policies look, and what is the fewest")
struct PolicyTimingTests {
    /// How old what a policy with this timing has seen is when it decides.
    static func ages(_ timing: PolicyTiming, seed: UInt64) -> [Double] {
        var settings = FleetSettings()
        settings.seed = seed
        let spy = Spy(timing: timing)
        var run = FleetRun(settings, arrivals: .times([0], seconds: 300), policy: spy)
        _ = run.run()
        return spy.ages.values.withLock { $0 }
    }

    @Test("an HPA decides on a scrape of a phase of its own, KEDA, the rule and ours on what they have just read")
    func phases() throws {
        let seeds = 1...20 as ClosedRange<UInt64>
        let hpa = try seeds.map { try #require(Self.ages(HPAPolicy(target: 1).timing, seed: $0).last) }
        #expect(hpa.allSatisfy { $0 > 0 && $0 < 15 } && Set(hpa).count == 20)
        #expect((hpa.min() ?? 15) < 5 && (hpa.max() ?? 0) > 10)
        let rule = RulePolicy(queueTarget: 1, latencyTargetSeconds: 1, concurrency: 1).timing
        let policy = SLOPolicy(objective: LatencyObjective(percentile: 95, milliseconds: 3000), maxReplicas: 10)
        for timing in [KEDAPolicy(target: 1).timing, rule, SLOFleetPolicy(policy: policy).timing] {
            let ages = Self.ages(timing, seed: 1)
            #expect(ages.count > 10 && ages.allSatisfy { $0 == 0 })
        }
    }

    /// What becomes of a fleet that may go to zero, and has at least three replicas in use, when one request comes after 100 s.
    static func woken(_ choice: PolicyChoice, seed: UInt64 = 1) throws -> RunResult {
        var settings = FleetSettings()
        settings.seed = seed
        settings.minReplicas = 3
        settings.scalesToZero = true
        settings.initialReplicas = 0
        settings.coldStartSeconds = 20
        let policy = try #require(choice.make(settings))
        var run = FleetRun(settings, arrivals: .times([100_000_000], seconds: 7200), policy: policy)
        return run.run()
    }

    @Test(
        "who may go to zero has the fewest replicas in use, and none when nobody asks",
        arguments: [PolicyChoice.keda, .kpa, .rayServe]
    )
    func floorInUse(choice: PolicyChoice) throws {
        let result = try Self.woken(choice)
        #expect(result.peakReplicas == 3)
        let series = try #require(result.series)
        #expect(series.billed.last == 0 && result.replicaHours > 3 * 60.0 / 3600)
    }

    @Test("who has no way from zero keeps the fewest", arguments: [PolicyChoice.hpa, .rule])
    func floorAlways(choice: PolicyChoice) {
        var settings = FleetSettings()
        settings.minReplicas = 3
        settings.scalesToZero = true
        let plan = ArrivalPlan.times([100_000_000], seconds: 3600)
        let result = ComparisonCase(name: "rare", settings: settings, plan: plan).run(choice)
        #expect(abs(result.replicaHours - 3) < 1e-6 && result.scaleEvents == 0)
    }

    @Test("without scaleToZero nobody goes below the fewest", arguments: PolicyChoice.allCases)
    func floorWithoutZero(choice: PolicyChoice) {
        var settings = FleetSettings()
        settings.minReplicas = 3
        let plan = ArrivalPlan.times([100_000_000], seconds: 3600)
        let result = ComparisonCase(name: "rare", settings: settings, plan: plan).run(choice)
        #expect(result.replicaHours >= 3 - 1e-6)
    }

    @Test("Ray Serve's handle pushes the first request at zero replicas: only the cold start is waited for")
    func rayWakes() throws {
        for seed in 1...5 as ClosedRange<UInt64> {
            #expect(abs(try Self.woken(.rayServe, seed: seed).p50 - 21) < 1e-3)
        }
        var settings = RayServePolicy.Settings()
        settings.upscalingFactor = 2.5
        settings.minReplicas = 0
        var ray = RayServePolicy(settings)
        #expect(ray.wake(FleetView()) == 3)
    }
}

/// A policy that changes nothing, and notes how old what it has seen is.
private struct Spy: FleetPolicy {
    final class Ages: Sendable {
        let values = Mutex<[Double]>([])
    }

    let name = "spy"
    let timing: PolicyTiming
    let ages = Ages()
    private var seen: Double?

    init(timing: PolicyTiming) { self.timing = timing }

    mutating func observe(_ view: FleetView) { seen = view.seconds }

    mutating func decide(_ view: FleetView) -> Int? {
        if let seen { ages.values.withLock { $0.append(view.seconds - seen) } }
        return nil
    }
}
