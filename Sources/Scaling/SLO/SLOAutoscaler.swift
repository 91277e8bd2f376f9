// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient

/// The autoscaler that keeps a latency objective: it learns what a replica can do and how the load moves, and sizes for
/// the load one cold start from now.
///
/// ```
/// traffic -> ReplicaProfile, ArrivalHistory -> DemandForecast -> Rehearsal -> SLOSizing -> decision
/// ```
public struct SLOAutoscaler: Sendable, Hashable {
    /// What is asked for; may change between two decisions.
    public var policy: SLOPolicy
    private var profile: ReplicaProfile
    private var history = ArrivalHistory()
    private var rehearsal = Rehearsal()
    private var needs = NeedMemory()
    private var orders = OrderMemory()
    private var last = SLOSizing()
    private var surplusSeconds = 0.0
    private var serving: Int?
    private var leastNeeds = SlidingExtreme(isLargest: false)
    private var largestNeeds = SlidingExtreme(isLargest: true)
    /// For which share of the time that a change settles in a small rise has to be needed.
    private static let lookShare = 0.25
    /// For how many holds it is remembered what the flow needed: a surplus of a twentieth is kept as long.
    private static let surplusHolds = 8.0

    /// An autoscaler without a memory.
    public init(policy: SLOPolicy) {
        self.policy = policy
        profile = ReplicaProfile(coldStartSeconds: policy.coldStartSeconds)
    }

    /// The cold start as learned so far, in seconds.
    public var coldStartSeconds: Double { profile.coldStartSeconds }

    /// Decides; the sizing is what to record for a replay.
    public mutating func decide(_ observation: SLOObservation) -> (decision: ScaleDecision, sizing: SLOSizing) {
        if let seconds = observation.coldStartSeconds { profile.started(after: seconds) }
        // A surplus is paid off once the count has followed, not when that was asked for: windows and rates come after this.
        if last.surplusSeconds > 0, let asked = orders.asked, asked < last.current, observation.replicas <= asked {
            surplusSeconds = 0
        }
        let sizing = makeSizing(observation)
        last = sizing
        let decision = sizing.decision()
        surplusSeconds = sizing.surplus > 0 && decision.desired <= decision.current ? sizing.surplusSeconds : 0
        let now = observation.time.seconds
        leastNeeds.add(
            Double(sizing.needed),
            now: now,
            span: Self.lookShare * SLOSizing.settling(sizing.horizonSeconds)
        )
        let need = max(sizing.needed, sizing.heldReplicas, largestNeeds.value == nil ? sizing.current : 0)
        largestNeeds.add(Double(need), now: now, span: Self.surplusHolds * SLOSizing.settling(sizing.holdSeconds))
        orders.asked(for: decision.desired, at: now)
        return (decision, sizing)
    }

    private mutating func makeSizing(_ observation: SLOObservation) -> SLOSizing {
        var sizing = last
        sizing.current = observation.replicas
        sizing.ready = observation.readyReplicas
        sizing.minReplicas = policy.minReplicas
        sizing.maxReplicas = policy.maxReplicas
        let now = observation.time.seconds
        sizing.leastNeed = Int(leastNeeds.value ?? 0)
        // What stands before the first decision counts as needed: a restart is no reason to let it go.
        sizing.largestNeed = largestNeeds.value.map { Int($0) } ?? observation.replicas
        sizing.holdSeconds = policy.holdFactor * profile.plannedColdStart
        sizing.loading = orders.loading(observation, coldStart: profile.coldStartSeconds)
        if let revision = observation.revision {
            if let serving, serving != revision { profile.startAnew() }
            serving = revision
        }
        guard let told = observation.traffic, told.isUsable, observation.reporting > 0 else {
            // Zero replicas are silent because there are none; anything else that is silent may be in trouble.
            sizing.isIncomplete = observation.readyReplicas > 0 || observation.replicas > 0
            if !sizing.isIncomplete { history.rest(until: now) }
            sizing.heldReplicas = max(needs.largest, observation.replicas)
            return sizing
        }
        let isBypassed = observation.isBypassed && observation.reportingElsewhere > 0
        let counted = observation.reportingElsewhere + (isBypassed ? 0 : observation.reporting)
        let traffic = profile.splitting(told, reporting: counted, lateShare: policy.lateShare)
        profile.learn(traffic, reporting: counted, lateShare: policy.lateShare)
        // Ready replicas that are silent count as the mean of the others, where they get requests.
        let silent = max(0, observation.readyReplicas - observation.reporting)
        let scale = isBypassed ? 1 : 1 + Double(silent) / Double(counted)
        history.add(traffic.arrived * scale, seconds: traffic.intervalSeconds, end: now)
        sizing.isIncomplete = silent > 0
        sizing.waiting = traffic.waiting * scale
        size(&sizing, now: now, seconds: traffic.intervalSeconds, arrived: traffic.arrived * scale)
        needs.add(sizing.neededByQueue, now: now, hold: sizing.holdSeconds)
        sizing.heldReplicas = max(needs.largest, sizing.replicas(for: sizing.heldRate))
        sizing.surplusSeconds = surplusSeconds + Double(sizing.surplus) * traffic.intervalSeconds
        return sizing
    }

    private mutating func size(_ sizing: inout SLOSizing, now: Double, seconds: Double, arrived: Double) {
        let objective = policy.objective.milliseconds / 1000
        guard let replica = profile.plan(within: objective) else { return }
        let slack = profile.slack(within: objective, seconds: replica.serviceSeconds)
        let burst = history.burstRate(slack: slack)
        let horizon = profile.plannedColdStart + seconds
        let dispersion = history.dispersion()
        let rates = DemandForecast.rates(history, burstRate: burst, dispersion: dispersion, horizon: horizon)
        let answer = rehearsal.step(
            Rehearsal.Step(
                now: now,
                seconds: seconds,
                arrived: arrived,
                replicaRate: replica.concurrency / replica.serviceSeconds,
                slack: slack,
                coldStart: horizon,
                hold: sizing.holdSeconds,
                price: policy.latePrice,
                minReplicas: Double(max(policy.minReplicas, 1))
            ),
            rates: rates
        )
        sizing.serviceSeconds = replica.serviceSeconds
        sizing.leastSeconds = (replica.aloneSeconds ?? 0) * profile.leastFactor(late: policy.lateShare)
        sizing.concurrency = replica.concurrency
        sizing.variability = (min(dispersion, 10) + profile.serviceVariation) / 2
        sizing.slackSeconds = slack
        sizing.lateShare = policy.lateShare
        sizing.horizonSeconds = horizon
        sizing.expectedRate = min(answer.rate, history.rate(60))
        sizing.safeRate = answer.capacity
        sizing.heldRate = answer.held
        sizing.plan = answer.text
        sizing.latePrice = policy.latePrice
        sizing.burstRate = burst
        sizing.recentRate = rates[DemandForecast.recent]
        sizing.provenRate = history.provenRate(dispersion: dispersion)
        sizing.risingRate = rates[DemandForecast.rise]
    }
}

/// When more replicas were asked for, so that it is known when those that are loading will come.
struct OrderMemory: Sendable, Hashable {
    private struct Order: Sendable, Hashable {
        var time: Double
        var count: Int
    }

    private static let limit = 1024
    private var orders: [Order] = []
    /// What the last decision asked for.
    private(set) var asked: Int?

    /// A decision was made.
    mutating func asked(for count: Int, at time: Double) {
        if let asked, count > asked { orders.append(Order(time: time, count: count - asked)) }
        if orders.count > Self.limit { orders.removeFirst(orders.count - Self.limit) }
        asked = count
    }

    /// The replicas that aren't ready yet, the newest orders first, with the time until each is expected.
    ///
    /// What the orders don't explain was asked for by somebody else and counts as just begun.
    mutating func loading(_ observation: SLOObservation, coldStart: Double) -> [SLOSizing.Loading] {
        var rest = max(0, observation.replicas - observation.readyReplicas)
        var loading: [SLOSizing.Loading] = []
        let now = observation.time.seconds
        var kept = orders.count
        for order in orders.reversed() where rest > 0 {
            let count = min(rest, order.count)
            loading.append(SLOSizing.Loading(count: count, inSeconds: max(0, order.time + coldStart - now)))
            rest -= count
            kept -= 1
        }
        if rest > 0 { loading.append(SLOSizing.Loading(count: rest, inSeconds: coldStart)) }
        orders.removeFirst(max(0, kept))
        return loading
    }
}

/// The counts that were needed of late.
struct NeedMemory: Sendable, Hashable {
    private struct Entry: Sendable, Hashable {
        var time: Double
        var count: Int
    }

    private static let limit = 4096
    private var entries: [Entry] = []

    /// The largest count within the hold time.
    var largest: Int { entries.first?.count ?? 0 }

    /// Adds a count; those older than `hold` seconds are forgotten. Kept descending, so the first is the largest.
    mutating func add(_ count: Int, now: Double, hold: Double) {
        while let last = entries.last, last.count <= count { entries.removeLast() }
        entries.append(Entry(time: now, count: count))
        entries.removeAll { $0.time < now - hold }
        if entries.count > Self.limit { entries.removeFirst(entries.count - Self.limit) }
    }
}
