// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What one replica can do, learned from what is seen: seconds of work, its variability, slots, and the cold start.
struct ReplicaProfile: Sendable, Hashable {
    /// The seconds of work in a request.
    private var work = WorkEstimate()
    /// How long each waits for its batch.
    private var batchWait = BatchWait()
    /// The requests that a replica works on at the same time, as learned; `nil` until one was seen working.
    private(set) var slots: Double?
    /// Whether a queue was seen, so that `slots` are those of full replicas.
    private var hasBeenFull = false
    /// By how much fewer slots may be used for the latency to hold: 1 is all of them.
    private(set) var usableShare = 1.0
    /// The seconds of work when fewer slots began to be used.
    private var workWhenFull: Double?
    /// The seconds of work that are as many however few slots are used: requests are late for another reason.
    private var hopelessWork: Double?
    /// The mean of the cold starts, and of how far they were from it.
    private(set) var coldStartSeconds: Double
    private var coldStartDeviation = 0.0
    private var coldStarts = 0

    /// As how many times the first requests in work the slots begin, when nobody waits: as if two thirds were taken.
    private static let firstGuess = 1.5

    /// Starts from an assumed cold start.
    init(coldStartSeconds: Double) { self.coldStartSeconds = coldStartSeconds }

    /// The cold start to plan with: the mean and twice its usual deviation.
    var plannedColdStart: Double { coldStartSeconds + 2 * coldStartDeviation }

    /// The slots to plan with.
    var concurrency: Double { max(1e-3, (slots ?? 1) * usableShare) }

    /// A replica became ready after `seconds`.
    mutating func started(after seconds: Double) {
        guard seconds.isFinite, seconds > 0, seconds < 86_400 else { return }
        coldStarts += 1
        if coldStarts == 1 {
            coldStartSeconds = seconds
            return
        }
        coldStartDeviation += (abs(seconds - coldStartSeconds) - coldStartDeviation) / 5
        coldStartSeconds += (seconds - coldStartSeconds) / 5
    }

    /// The squared coefficient of variation of the seconds of work.
    var serviceVariation: Double { work.variation }

    /// As how many times their mean the seconds of work of the 95th percentile count: those of a normal distribution.
    var tailFactor: Double { 1 + 1.65 * serviceVariation.squareRoot() }

    /// The seconds that a request may wait and still be answered within `objective` seconds, where the mean of the work is `seconds`: what the
    /// tail of the work leaves, but half of what the mean leaves at least.
    ///
    /// Where the tail takes nearly all, some are late without a wait, and a wait makes few of the others late. Whoever counts all that wait
    /// as late there asks for many replicas that get hardly any done on time.
    func slack(within objective: Double, seconds: Double) -> Double {
        max(0, objective - seconds * tailFactor, Self.leastSlackShare * (objective - seconds))
    }

    /// The least share of what the mean of the work leaves of an objective that a request may wait.
    private static let leastSlackShare = 0.5

    /// As how many times their mean the seconds of work count at least that all requests but a share of `late` keep below: no distribution
    /// with this variation has less (Cantelli's inequality).
    func leastFactor(late: Double) -> Double {
        guard late < 1 else { return 0 }
        return max(0, 1 - (serviceVariation * late / (1 - late)).squareRoot())
    }

    /// A replica as it is planned with: the requests at work in it, and the seconds that each takes beside the others.
    struct Plan: Sendable, Hashable {
        /// The mean seconds of work in a request.
        var serviceSeconds: Double
        /// The requests that a replica works on at the same time.
        var concurrency: Double
        /// The mean seconds of work in a request with nothing beside it; `nil` where that isn't known.
        var aloneSeconds: Double?
    }

    /// Which share of an objective work may take where it takes longer the more there is: the rest is for waits.
    private static let workShare = 0.9

    /// The least share of the slots that is planned with, however tight the objective: one that no count keeps isn't worth any number of
    /// replicas.
    private static let leastShare = 0.25

    /// A replica whose requests take no longer than `objective` seconds, if there is one with a quarter of its slots in use; `nil` until
    /// some were answered.
    ///
    /// What they take now is no measure of what those of a full replica take, where they slow each other down: whoever plans with it
    /// lets replicas go until all are late.
    func plan(within objective: Double) -> Plan? {
        guard let seconds = work.seconds else { return nil }
        let slowdown = work.slowdown
        guard slowdown.isNotable(at: slots ?? 1) else {
            let batched = batchWait.fullRate.map { max($0 * seconds, Self.leastShare * (slots ?? 1)) } ?? .infinity
            return Plan(
                serviceSeconds: seconds,
                concurrency: min(concurrency, batched),
                aloneSeconds: isAlone ? seconds : nil
            )
        }
        let alone = slowdown.alone(seconds: seconds, working: work.working)
        let most = slowdown.most(stretch: Self.workShare * objective / (alone * tailFactor))
        let count = min(concurrency, max(most, Self.leastShare * (slots ?? 1)))
        return Plan(serviceSeconds: alone * slowdown.stretch(count), concurrency: count, aloneSeconds: alone)
    }

    /// Whether requests take as long as one by itself, as far as is known: they had nothing beside them, or fewer slots made them no quicker.
    /// That no slowdown is seen says nothing while the throughput stays as it is.
    private var isAlone: Bool { work.working <= 1 || hopelessWork != nil }

    /// What is told of an interval of `reporting` replicas, with those that wait for a slot apart from those at work.
    mutating func splitting(_ traffic: SLOTraffic, reporting: Int, lateShare: Double) -> SLOTraffic {
        work.splitting(batchWait.splitting(traffic, replicas: reporting, lateShare: lateShare))
    }

    /// Another version serves: it may take longer or less long, and have more slots. They are the best guess until then.
    mutating func startAnew() {
        work.startAnew()
        batchWait = BatchWait()
        hasBeenFull = false
        usableShare = 1
        hopelessWork = nil
    }

    /// Learns from an interval with `reporting` replicas, whose `waiting` is apart. What changes by a share does so by 2 seconds.
    mutating func learn(_ traffic: SLOTraffic, reporting: Int, lateShare: Double) {
        guard reporting > 0 else { return }
        work.learn(traffic, replicas: reporting)
        let perReplica = traffic.running / Double(reporting)
        let steps = min(30, traffic.intervalSeconds / 2)
        // Those at work by the throughput alone are a little fewer than the slots.
        if traffic.waiting >= Double(reporting), perReplica >= (traffic.isQueueKnown ? 1 : 0.5) {
            // With a queue every slot is taken: this is the number of slots.
            slots = slots.map { known in
                known + (perReplica - known) * (1 - power(perReplica > known ? 0.5 : 0.9, steps))
            }
            slots = slots ?? perReplica
            hasBeenFull = true
        } else if slots == nil {
            // What a replica does isn't the most that it can do: a restart of the operator is no reason for more replicas.
            if perReplica > 0 { slots = max(1, Self.firstGuess * perReplica) }
        } else if let known = slots, perReplica > known {
            // Where the queue isn't told, what is more than before may wait: slots are believed in slowly, and only while requests end.
            let share = traffic.isQueueKnown ? 1 : traffic.completed > 0 ? 1 - power(0.9, steps) : 0
            slots = known + (perReplica - known) * share
        } else if !hasBeenFull, traffic.late == 0, traffic.waiting == 0, perReplica > 0.8 * (slots ?? 1) {
            // Nearly full and nobody late: a little more may be possible. After a queue the slots are known, and whoever
            // goes on trying plans with slots that aren't there until the next queue.
            slots = (slots ?? 1) * power(1.002, steps)
        }
        learnShare(traffic, perReplica: perReplica, lateShare: lateShare, steps: steps)
    }

    /// Requests that are late without having waited mean that a replica slows down when all slots are used; unless half of the slots makes
    /// them no quicker.
    private mutating func learnShare(_ traffic: SLOTraffic, perReplica: Double, lateShare: Double, steps: Double) {
        let planned = (slots ?? 1) * usableShare
        let seconds = work.seconds ?? 0
        if let hopeless = hopelessWork {
            guard abs(seconds - hopeless) > work.stray * hopeless else { return }
            hopelessWork = nil
        }
        if traffic.waiting == 0, traffic.completed >= 10, traffic.late > lateShare * traffic.completed,
            perReplica > 0.7 * planned
        {
            if usableShare == 1 { workWhenFull = seconds }
            usableShare = max(Self.leastShare, usableShare * power(0.98, steps))
            if usableShare <= 0.5, let full = workWhenFull, seconds > 0.9 * full {
                (usableShare, hopelessWork) = (1, seconds)
            }
        } else if traffic.late < lateShare / 4 * traffic.completed {
            usableShare = min(1, usableShare * power(1.0005, steps))
        }
    }
}
