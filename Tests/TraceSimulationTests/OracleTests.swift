// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import Simulation

@Suite("The oracle and the comparison")
struct OracleTests {
    @Test("a layer bridges a gap that is shorter than a cold start, and no other")
    func layersBridge() {
        let demand = [1, 3, 1, 1, 3, 1, 1, 1, 1, 2, 1]
        #expect(OracleSchedule.layered(demand, coldStart: 3) == [3, 3, 3, 3, 3, 1, 1, 1, 1, 2, 1])
        #expect(OracleSchedule.layered(demand, coldStart: 5) == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1])
        #expect(OracleSchedule.layered(demand, coldStart: 0) == demand)
        #expect(OracleSchedule.hours([1, 3, 1, 2], coldStart: 10) * 3600 == 7 + 30)
    }

    /// The cheapest way through `demand`, by trying all counts in every second.
    static func cheapest(_ demand: [Int], coldStart: Double) -> Double {
        let most = demand.max() ?? 0
        var costs = (0...most).map { $0 < demand[0] ? Double.infinity : Double($0) }
        for need in demand.dropFirst() {
            costs = (0...most).map { count in
                guard count >= need else { return .infinity }
                let before = (0...most).map { costs[$0] + coldStart * Double(max(0, count - $0)) }.min() ?? 0
                return before + Double(count)
            }
        }
        return (costs.min() ?? 0) / 3600
    }

    @Test("the layered schedule is as cheap as the best of all schedules", arguments: 1...60)
    func layersAreOptimal(seed: Int) {
        var random = FastRandom(seed: UInt64(seed))
        let demand = (0..<30).map { _ in random.below(5) }
        let coldStart = Double(random.below(12))
        let ours = OracleSchedule.hours(OracleSchedule.layered(demand, coldStart: coldStart), coldStart: coldStart)
        #expect(abs(ours - Self.cheapest(demand, coldStart: coldStart)) < 1e-9)
    }

    @Test("enough capacity for the demand is on time; a replica less isn't")
    func demandSuffices() {
        let profile = DemandProfile(.counts(Array(repeating: 40, count: 300)), seed: 1)
        #expect(profile.attainment(replicas: Array(repeating: 10, count: 300), replicaRate: 4, slack: 2) == 1)
        #expect(profile.attainment(replicas: Array(repeating: 9, count: 300), replicaRate: 4, slack: 2) < 0.2)
        let demand = profile.demand(replicaRate: 4, slack: 2)
        #expect(demand.allSatisfy { $0 > 9.9 && $0 <= 10 })
    }

    @Test("the oracle reaches its share, is cheaper for a smaller one, and never cheaper than the work")
    func oracleReachesItsShare() {
        let plan = SyntheticTrace.flashCrowd.trace.sliced(from: 3000, length: 3000).plan()
        let profile = DemandProfile(plan, seed: 1)
        var last = Double.infinity
        for share in [1, 0.99, 0.95, 0.8] {
            let oracle = OracleSchedule(profile, settings: FleetSettings(), attainment: share)
            #expect(oracle.attainment >= share && oracle.replicaHours <= last)
            last = oracle.replicaHours
            if share == 1 { #expect(oracle.replicaHours >= oracle.workHours) }
        }
    }

    @Test("the demand's sliding maximum is the maximum of the window")
    func slidingMaximum() {
        var random = FastRandom(seed: 5)
        let values = (0..<200).map { _ in Double(random.below(50)) }
        var maximum = SlidingMaximum(width: 7)
        for index in values.indices {
            maximum.add(values[index], at: index)
            #expect(maximum.maximum(from: index - 6) == values[max(0, index - 6)...index].max())
        }
    }

    @Test("the front keeps what isn't beaten, interpolates, and has no answer above its best")
    func fronts() {
        func run(_ attainment: Double, _ hours: Double) -> RunResult {
            var result = RunResult(policy: "x")
            result.attainment = attainment
            result.replicaHours = hours
            return result
        }
        let front = AttainmentFront([run(0.9, 10), run(0.95, 20), run(0.92, 25), run(0.99, 40)])
        #expect(front.hours(at: 0.8) == 10)
        #expect(front.hours(at: 0.95) == 20)
        #expect(abs((front.hours(at: 0.97) ?? 0) - 30) < 1e-9)
        #expect(front.hours(at: 0.999) == nil && front.best == 0.99)
    }

    @Test("the report is one page with nothing from elsewhere, and says the same in table and JSON")
    func reports() throws {
        var settings = FleetSettings()
        settings.coldStartSeconds = 10
        let plan = SyntheticTrace.step.trace.sliced(from: 0, length: 300).plan()
        let load = ComparisonCase(name: "<step & co>", settings: settings, plan: plan)
        let report = ComparisonReport(load, results: PolicyChoice.allCases.map { load.run($0) })
        let html = report.html
        #expect(html.contains("&lt;step &amp; co&gt;") && !html.contains("<step & co>"))
        for word in ["http:", "https:", "src=", "<script", "url("] { #expect(!html.contains(word), "\(word)") }
        #expect(html.components(separatedBy: "<svg").count == 4)
        #expect(html.components(separatedBy: "<path").count == 2 + 2 * PolicyChoice.allCases.count)
        for choice in PolicyChoice.allCases { #expect(report.table.contains(choice.rawValue)) }
        let policies = try #require(report.json["policies"]?.array)
        #expect(policies.map { $0["policy"]?.string } == PolicyChoice.allCases.map(\.rawValue))
        #expect(policies.allSatisfy { $0["requests"]?.int == load.requests })
    }

    @Test("the benchmark's tables name every load and goal")
    func benchmarkText() {
        let trace = ArrivalTrace(
            name: "tiny",
            rows: .rates(Array(repeating: 5, count: 12), variation: 1),
            binSeconds: 10
        )
        let load = ComparisonCase(trace: trace, coldStartSeconds: 15, replicas: 1)
        let text = ScalingBenchmark.text([ScalingBenchmark.run(load, tuned: true)], coldStartSeconds: 15)
        for part in ["| tiny |", "geometric mean ratio", "against the tuned kpa", "Tuned by a grid"] {
            #expect(text.contains(part), "\(part)")
        }
    }
}

extension String {
    fileprivate func components(separatedBy part: String) -> [Substring] {
        split(separator: part, omittingEmptySubsequences: false)
    }
}
