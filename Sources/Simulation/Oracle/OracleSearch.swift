// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The search for the cheapest schedule that has the wanted share on time.
struct OracleSearch {
    /// A schedule that was tried.
    struct Candidate {
        /// The replicas of each second.
        var replicas: [Int]
        /// The share on time, 0 to 1.
        var attainment: Double
        /// The replica-hours.
        var hours: Double
    }

    private let profile: DemandProfile
    private let settings: FleetSettings
    private let goal: Double
    /// The wait that is allowed, in seconds.
    private let slack: Double
    /// The seconds of the load; those of a tail come after them.
    private let length: Int

    /// A search for the share `goal`, 0 to 1.
    init(_ profile: DemandProfile, settings: FleetSettings, goal: Double) {
        self.init(profile, settings: settings, goal: goal, length: profile.counts.count)
    }

    private init(_ profile: DemandProfile, settings: FleetSettings, goal: Double, length: Int) {
        self.profile = profile
        self.settings = settings
        self.goal = goal
        self.length = length
        slack = max(0, settings.objectiveSeconds - settings.serviceTime.meanSeconds)
    }

    /// The same search with as many seconds after the load as all of its work takes, a day at most.
    func withTail() -> OracleSearch {
        let work = Double(profile.requests) / settings.replicaRate / Double(max(1, settings.maxReplicas))
        let tail = Int(min(86_400, (slack + work).rounded(.up) + 1))
        let counts = profile.counts + Array(repeating: 0, count: tail)
        return OracleSearch(DemandProfile(counts: counts), settings: settings, goal: goal, length: length)
    }

    /// Whether all of the most replicas, all of the time, might have the wanted share on time; `false` is certain.
    ///
    /// So the fluid must do no worse than requests one by one. What is on time has begun within the objective, however short it
    /// is, and then each slot has one request in hand at most; the second of its arrival and that of its turn count in full. A
    /// replica with a single request may do more than a full one. And where requests needn't begin in their order, or are
    /// turned away, none that is late keeps another from being on time.
    var mayReachGoal: Bool {
        let rate = max(settings.replicaRate, 1 / settings.serviceTime.meanSeconds)
        return profile.attainment(
            replicas: Array(repeating: settings.maxReplicas, count: profile.counts.count),
            replicaRate: rate,
            slack: (settings.objectiveSeconds + Double(settings.concurrency) / rate).rounded(.up),
            dropsLate: settings.queueLimit != nil || settings.balancing != .sharedQueue
        ) >= goal
    }

    /// The cheapest that reaches the goal; the whole demand when none does.
    func best() -> Candidate {
        let demand = profile.demand(replicaRate: settings.replicaRate, slack: slack)
        let peak = (demand.max() ?? 0).rounded(.up)
        let byCeiling = smallest(in: 0...max(1, peak), tolerance: 0.5) { ceiling in
            candidate(demand) { min($0, ceiling) }
        }
        let byFactor = smallest(in: 0...1, tolerance: 0.004) { factor in candidate(demand) { $0 * factor } }
        // Both searches begin with the whole demand: where that misses, both answer it.
        return byCeiling.hours <= byFactor.hours ? byCeiling : byFactor
    }

    private func candidate(_ demand: [Double], _ level: (Double) -> Double) -> Candidate {
        let most = max(0, settings.maxReplicas)
        let least = min(most, max(0, settings.minReplicas))
        var levels = demand.indices.map { second in
            let wanted = Int(min(level(demand[second]).rounded(.up), Double(most)))
            return max(second < length ? least : 0, wanted)
        }
        if levels.count > length { drain(&levels, most: most) }
        let layers = OracleSchedule.layered(levels, coldStart: settings.coldStartSeconds)
        return Candidate(
            replicas: layers,
            attainment: profile.attainment(replicas: layers, replicaRate: settings.replicaRate, slack: slack),
            hours: OracleSchedule.hours(layers, coldStart: settings.coldStartSeconds)
        )
    }

    /// Raises the levels where even the whole fleet couldn't serve a queue in time, and after the load, until it is gone.
    private func drain(_ levels: inout [Int], most: Int) {
        let rate = settings.replicaRate
        var queue = 0.0
        for second in levels.indices {
            queue += Double(profile.counts[second])
            if second >= length {
                levels[second] = Int(min((queue / rate).rounded(.up), Double(most)))
            } else if queue > Double(most) * rate * (1 + slack) {
                levels[second] = most
            }
            queue = max(0, queue - Double(levels[second]) * rate)
            if queue < 1e-6 { queue = 0 }
        }
    }

    /// Bisects for the smallest level that reaches the goal; the largest when that doesn't.
    private func smallest(
        in range: ClosedRange<Double>,
        tolerance: Double,
        _ plan: (Double) -> Candidate
    ) -> Candidate {
        var low = range.lowerBound
        var high = range.upperBound
        var best = plan(high)
        while high - low > tolerance {
            let middle = (low + high) / 2
            let candidate = plan(middle)
            if candidate.attainment >= goal {
                high = middle
                best = candidate
            } else {
                low = middle
            }
        }
        return best
    }
}
