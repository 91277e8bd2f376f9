// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@testable import Simulation

@Suite("The search of the knobs")
struct KnobSearchTests {
    /// 20 requests a second, evenly: the work of five replicas.
    static func load(objectiveSeconds: Double, percentile: Double, variation: Double = 0.05) -> ComparisonCase {
        var settings = FleetSettings()
        settings.coldStartSeconds = 10
        settings.objectiveSeconds = objectiveSeconds
        settings.objectivePercentile = percentile
        let plan = ArrivalPlan.rates(Array(repeating: 20, count: 60), binSeconds: 10, variation: variation)
        return ComparisonCase(name: "steady", settings: settings, plan: plan)
    }

    @Test("it finds what trying everything finds: on a steady load the highest level per replica that meets")
    func knownAnswer() throws {
        // Waiting of 2 s is allowed: any count above five replicas does, and 0.95 of the slots asks for the fewest.
        var search = KnobSearch(Self.load(objectiveSeconds: 3, percentile: 95))
        search.run()
        let tracking = search.trials.filter { $0.policy == .targetTracking && $0.result.attainment >= 0.95 }
        let cheapest = try #require(tracking.min { $0.result.replicaHours < $1.result.replicaHours })
        #expect(cheapest.knobs.utilization >= 0.9, "\(cheapest.knobs)")
        let best = try #require(search.best)
        #expect(best.namedResult.policy.hasPrefix(best.policy.rawValue + ", "), "\(best.namedResult.policy)")
        #expect(search.trials.count <= KnobSearch.runs)
        #expect(
            search.trials.allSatisfy {
                $0.result.attainment < 0.95 || $0.result.replicaHours >= best.result.replicaHours
            }
        )
        // Five replicas for ten minutes are the least.
        #expect(best.result.replicaHours >= 5 * 600.0 / 3600 - 1e-9)
        #expect(best.result.replicaHours <= 6.5 * 600.0 / 3600, "\(best.result.replicaHours)")
    }

    @Test("what may hardly wait needs more, and what can't be met has no answer")
    func stricterNeedsMore() throws {
        var loose = KnobSearch(Self.load(objectiveSeconds: 3, percentile: 95, variation: 1))
        loose.run()
        var strict = KnobSearch(Self.load(objectiveSeconds: 1.05, percentile: 99, variation: 1))
        strict.run()
        let (cheap, safe) = (try #require(loose.best), try #require(strict.best))
        #expect(safe.result.replicaHours > 1.1 * cheap.result.replicaHours)
        #expect(safe.result.attainment >= 0.99)
        // A request takes 1 s: half a second is out of reach.
        var impossible = KnobSearch(Self.load(objectiveSeconds: 0.5, percentile: 95))
        impossible.run()
        #expect(impossible.best == nil)
        #expect(impossible.safest?.result.attainment == 0)
    }

    @Test(
        "a price has two digits, in reports too",
        arguments: [
            (1.732, "1.7"), (5.477, "5.5"), (9.97, "10.0"), (17.32, "17.0"), (173.2, "170.0"), (547.7, "550.0"),
        ]
    )
    func prices(price: Double, text: String) {
        var knobs = PolicyChoice.Knobs()
        knobs.latePrice = KnobSearch.rounded(price)
        #expect(knobs.text == "late price \(text)")
    }

    @Test("the YAML holds the knobs that were found")
    func yaml() {
        var knobs = PolicyChoice.Knobs()
        knobs.latePrice = 12.5
        let slo = KnobSearch.Trial(policy: .slo, knobs: knobs, result: RunResult(policy: "slo"))
        let text = slo.yaml(FleetSettings())
        #expect(
            text == """
                spec:
                  scaling:
                    policy: SLO
                    objective:
                      latency:
                        percentile: 95
                        milliseconds: 3000
                        latePrice: 12.5

                """
        )
        knobs.utilization = 0.95
        knobs.stabilizationSeconds = 60
        let tracking = KnobSearch.Trial(policy: .targetTracking, knobs: knobs, result: RunResult(policy: "x"))
        for part in ["policy: TargetTracking", "signal: InFlight", "value: 3.8\n", "stabilizationWindowSeconds: 60\n"] {
            #expect(tracking.yaml(FleetSettings()).contains(part), "\(part)")
        }
    }
}
