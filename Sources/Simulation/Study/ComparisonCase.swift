// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A load and a fleet that policies are compared on, with what the oracle would have done.
public struct ComparisonCase: Sendable {
    /// The load's name.
    public let name: String
    /// The fleet.
    public let settings: FleetSettings
    /// The load.
    public let plan: ArrivalPlan
    /// The oracle for the objective's percentile.
    public let oracle: OracleSchedule
    /// All requests.
    public let requests: Int
    /// The model whose own settings our policies have; `nil` for the defaults.
    public let model: ModelScaling?
    /// What the load was multiplied by.
    public internal(set) var scale = 1.0
    /// The length of the load's intervals in seconds; 0 for request times.
    public internal(set) var intervalSeconds = 0.0
    private let profile: DemandProfile

    /// A case. The fleet starts with 70 % of its slots taken by the first minute's load, the same for every policy; with one
    /// replica at least, since an HPA leaves an object without any alone.
    public init(name: String, settings: FleetSettings, plan: ArrivalPlan, model: ModelScaling? = nil) {
        var settings = settings
        let profile = DemandProfile(plan, settings: settings)
        let first = profile.counts.prefix(60)
        let rate = Double(first.reduce(0, +)) / Double(max(1, first.count))
        settings.initialReplicas = max(1, settings.minReplicas, Int((rate / settings.replicaRate / 0.7).rounded(.up)))
        self.name = name
        self.settings = settings
        self.plan = plan
        self.model = model
        self.profile = profile
        requests = profile.requests
        oracle = OracleSchedule(profile, settings: settings, attainment: settings.objectivePercentile / 100)
    }

    /// The case of a trace as docs/scaling.md has it: the mean load takes ten replicas.
    public init(trace: ArrivalTrace, coldStartSeconds: Double, replicas: Double = 10, seed: UInt64 = 1) {
        var settings = FleetSettings()
        settings.coldStartSeconds = coldStartSeconds
        settings.seed = seed
        let factor = replicas * settings.replicaRate / max(trace.meanRate, 1e-12)
        self.init(name: trace.name, settings: settings, plan: trace.plan(scaledBy: factor, seed: seed))
    }

    /// The replica-hours that every schedule needs that has the objective's percentile on time, perfect knowledge or not; at least
    /// the work, where none is turned away. Of requests that differ no more than that is known, and nothing where some are
    /// turned away. Computed anew each time, which takes seconds for a day.
    public var lowerBoundHours: Double {
        let work = settings.queueLimit == nil ? oracle.workHours : 0
        guard settings.serviceTime.shape == .deterministic else { return work }
        let share = settings.objectivePercentile / 100
        return max(work, CostLowerBound.hours(profile, settings: settings, attainment: share))
    }

    /// The replica-hours of the oracle's schedule that has the share `attainment` (0 to 1) on time, or as much as it can. Computed
    /// anew each time.
    public func oracleHours(attainment: Double) -> Double {
        OracleSchedule(profile, settings: settings, attainment: attainment).replicaHours
    }

    /// Runs one policy.
    public func run(
        _ choice: PolicyChoice,
        knobs: PolicyChoice.Knobs = PolicyChoice.Knobs(),
        progress: (@Sendable (Double) -> Void)? = nil
    ) -> RunResult {
        let policy =
            choice.make(settings, knobs: knobs, model: model)
            ?? oracle.policy(coldStartSeconds: settings.coldStartSeconds)
        var run = FleetRun(settings, arrivals: plan, policy: policy, progress: progress)
        return run.run()
    }
}
