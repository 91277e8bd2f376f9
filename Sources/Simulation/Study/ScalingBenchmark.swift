// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The figures of docs/scaling.md: every policy with its defaults and, on request, tuned by a grid, on one load.
public struct ScalingBenchmark: Sendable {
    /// The peers that are compared with. KEDA is left out: with at least one replica it is an HPA whose metric is never old.
    public static let peers: [PolicyChoice] = [.hpa, .kpa, .rayServe, .rule]

    /// What came of one load.
    public struct Outcome: Sendable {
        /// The load's name.
        public var name: String
        /// The oracle's replica-hours, and those of the work alone.
        public var oracleHours: Double
        /// See `oracleHours`.
        public var workHours: Double
        /// The replica-hours that no schedule undercuts, by `CostLowerBound`.
        public var lowerBoundHours: Double
        /// Each policy with its defaults.
        public var defaults: [PolicyChoice: RunResult] = [:]
        /// What each policy can reach when tuned.
        public var fronts: [PolicyChoice: AttainmentFront] = [:]
        /// The fewest changes of the count among the tuned HPA's settings that attain at least what our default does.
        public var tunedEvents: Int?
        /// The replica-hours of the oracle's schedule that has as many on time as our default, or as many as it can. Measured with
        /// the grid.
        public var equalOracleHours: Double?
    }

    /// Runs one load.
    public static func run(_ load: ComparisonCase, tuned: Bool) -> Outcome {
        var outcome = Outcome(
            name: load.name,
            oracleHours: load.oracle.replicaHours,
            workHours: load.oracle.workHours,
            lowerBoundHours: load.lowerBoundHours
        )
        for choice in peers + [.targetTracking, .slo, .oracle] { outcome.defaults[choice] = load.run(choice) }
        guard tuned else { return outcome }
        let goal = outcome.defaults[.slo]?.attainment ?? 1
        outcome.equalOracleHours = load.oracleHours(attainment: goal)
        for choice in peers + [.slo] {
            let results =
                grid(choice).map { load.run(choice, knobs: $0) } + [outcome.defaults[choice]].compactMap { $0 }
            outcome.fronts[choice] = AttainmentFront(results)
            guard choice == .hpa else { continue }
            let good = results.filter { $0.attainment >= goal }
            outcome.tunedEvents = good.min { $0.replicaHours < $1.replicaHours }?.scaleEvents
        }
        return outcome
    }

    /// The settings that a policy is tuned over.
    public static func grid(_ choice: PolicyChoice) -> [PolicyChoice.Knobs] {
        var grid: [PolicyChoice.Knobs] = []
        if choice == .slo {
            for price in [2.0, 5, 10, 25, 100, 300] {
                var knobs = PolicyChoice.Knobs()
                knobs.latePrice = price
                grid.append(knobs)
            }
            return grid
        }
        let holds: [Double?]
        switch choice {
        case .hpa, .keda: holds = [0, 60, 300]
        case .kpa: holds = [0, 60, 300]
        case .rayServe: holds = [60, 600]
        default: holds = [nil]
        }
        for utilization in [0.5, 0.7, 0.85, 0.95] {
            for hold in holds {
                for twoPolicies in choice == .hpa ? [false, true] : [false] {
                    var knobs = PolicyChoice.Knobs()
                    knobs.utilization = utilization
                    knobs.stabilizationSeconds = hold
                    knobs.hasTwoRatePolicies = twoPolicies
                    grid.append(knobs)
                }
            }
        }
        return grid
    }
}
