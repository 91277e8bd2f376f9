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
        let longer = DemandProfile(counts: counts, work: profile.work)
        return OracleSearch(longer, settings: settings, goal: goal, length: length)
    }

    /// Whether all of the most replicas, all of the time, might have the wanted share on time; `false` is certain.
    ///
    /// So the fluid must do no worse than requests one by one. What is on time has begun within the objective, however short it
    /// is, and then each slot has one request in hand at most; the second of its arrival and that of its turn count in full. A
    /// replica with a single request may do more than a full one. And where requests needn't begin in their order, or are
    /// turned away, none that is late keeps another from being on time. Where requests differ, those in time may be the short ones:
    /// that isn't looked into.
    var mayReachGoal: Bool {
        guard settings.serviceTime.shape == .deterministic else { return true }
        let rate = settings.largestRate
        return profile.attainment(
            replicas: Array(repeating: settings.maxReplicas, count: profile.counts.count),
            replicaRate: rate,
            slack: (settings.objectiveSeconds + Double(settings.concurrency) / rate).rounded(.up),
            dropsLate: settings.queueLimit != nil || settings.balancing != .sharedQueue
        ) >= goal
    }

    /// The cheapest that reaches the goal; the one with most on time when none does.
    func best() -> Candidate {
        let short = cheapest(isLasting: false)
        guard short.attainment < goal else { return short }
        let lasting = cheapest(isLasting: true)
        return lasting.attainment > short.attainment ? lasting : short
    }

    /// The cheapest that reaches the goal below one demand; the whole demand when none does.
    private func cheapest(isLasting: Bool) -> Candidate {
        let demand = profile.demand(replicaRate: settings.replicaRate, slack: slack, isLasting: isLasting)
        let peak = (demand.max() ?? 0).rounded(.up)
        let byCeiling = smallest(in: 0...max(1, peak), tolerance: 0.5) { ceiling in
            candidate(demand, isLasting) { min($0, ceiling) }
        }
        let byFactor = smallest(in: 0...1, tolerance: 0.004) { factor in candidate(demand, isLasting) { $0 * factor } }
        // Both searches begin with the whole demand: where that misses, both answer it.
        return byCeiling.hours <= byFactor.hours ? byCeiling : byFactor
    }

    private func candidate(_ demand: [Double], _ isLasting: Bool, _ level: (Double) -> Double) -> Candidate {
        let most = Double(max(0, settings.maxReplicas))
        var levels = demand.map { Int(min(level($0).rounded(.up), most)) }
        fit(&levels, most: most, takesIdle: isLasting || settings.scalesToZero)
        let layers = OracleSchedule.layered(levels, coldStart: settings.coldStartSeconds)
        return Candidate(
            replicas: layers,
            attainment: profile.attainment(replicas: layers, replicaRate: settings.replicaRate, slack: slack),
            hours: OracleSchedule.hours(layers, coldStart: settings.coldStartSeconds)
        )
    }

    /// Fits the levels to the queue, first in, first out.
    ///
    /// With `takesIdle` replicas that would find no work go, so that gaps between requests cost nothing; a second later,
    /// since what comes at the end of a second is begun in the next one. In the flow of a fluid nothing is lost with them; request by
    /// request their slots are missed, so it is left where a model always has replicas. All replicas serve a queue that even they couldn't
    /// serve in time, and what is left after the load.
    private func fit(_ levels: inout [Int], most: Double, takesIdle: Bool) {
        let rate = settings.replicaRate
        let least = min(Int(most), max(0, settings.minReplicas))
        let hasTail = levels.count > length
        var queue = 0.0
        var before = 0.0
        for second in levels.indices {
            queue += Double(profile.counts[second])
            let busy = takesIdle ? Int(min((max(queue, before) / rate).rounded(.up), most)) : Int.max
            if second >= length {
                levels[second] = Int(min((queue / rate).rounded(.up), most))
            } else {
                let isHopeless = hasTail && queue > most * rate * (1 + slack)
                levels[second] = isHopeless ? Int(most) : min(levels[second], busy)
                let isInUse = levels[second] > 0 || !settings.scalesToZero
                if isInUse { levels[second] = max(levels[second], least) }
            }
            before = queue
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
