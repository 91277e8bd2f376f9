// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The numbers that a decision of the SLO policy is made from, after all learning: pure arithmetic from here on.
///
/// A recorded sizing gives the same count again, so a decision can be replayed and explained long after.
public struct SLOSizing: Sendable, Hashable {
    /// The replicas that are asked for.
    public var current = 0
    /// The replicas that are ready.
    public var ready = 0
    /// The fewest replicas.
    public var minReplicas = 0
    /// The most replicas.
    public var maxReplicas = 0
    /// The replicas that are starting, with the time until each is expected to be ready.
    public var loading: [Loading] = []
    /// The rate of the last minute, or what is expected one cold start from now where that is less, in requests a second.
    public var expectedRate = 0.0
    /// The capacity that the plan asks for now: what it expects one cold start from now, with its margin.
    public var safeRate = 0.0
    /// The plan in words; at most `planLimit` characters.
    public var plan = ""
    static let planLimit = 200
    /// The capacity to keep, what was asked for within the hold included.
    public var heldRate = 0.0
    /// The rate that has to be served now so that nobody waits too long.
    public var burstRate = 0.0
    /// The rate of the last 16 s, in requests a second.
    public var recentRate = 0.0
    /// The rate that the load has reached for sure, noise taken off, in requests a second.
    public var provenRate = 0.0
    /// The rate one cold start from now if it goes on rising as in the last half minute, in requests a second.
    public var risingRate = 0.0
    /// The requests that wait now.
    public var waiting = 0.0
    /// The mean seconds of work in a request.
    public var serviceSeconds = 0.0
    /// The requests that a replica works on at the same time.
    public var concurrency = 0.0
    /// The variability in the queue, as `QueueModel` has it.
    public var variability = 1.0
    /// The seconds that a request may wait and still be on time.
    public var slackSeconds = 0.0
    /// The share of requests that may be late.
    public var lateShare = 0.05
    /// What a late request costs, as a multiple of what it costs to serve one.
    public var latePrice = 10.0
    /// The seconds from a decision to a ready replica.
    public var horizonSeconds = 0.0
    /// The largest count that was needed within the hold time before now.
    public var heldReplicas = 0
    /// The least that the flow of requests needed at the decisions of the last quarter of a cold start, before this one.
    public var leastNeed = 0
    /// The most that the flow of requests needed at the decisions of the last four holds, or that was held for it, before
    /// this one. Replicas beyond were asked for to drain a backlog.
    public var largestNeed = 0
    /// What the present surplus has cost since it began, in replica-seconds.
    public var surplusSeconds = 0.0
    /// The seconds for which a surplus is kept.
    public var holdSeconds = 60.0
    /// Whether signals are missing, so that the count may hold or rise only.
    public var isIncomplete = false

    /// Replicas that were asked for at the same time and aren't ready yet.
    public struct Loading: Sendable, Hashable {
        /// How many.
        public var count: Int
        /// The seconds until they are expected to be ready.
        public var inSeconds: Double

        /// Some replicas.
        public init(count: Int, inSeconds: Double) {
            self.count = count
            self.inSeconds = inSeconds
        }
    }

    /// Nothing yet.
    public init() {}

    /// Requests a second that one replica gets done.
    var replicaRate: Double { concurrency / max(serviceSeconds, 1e-9) }

    /// The replicas for a flow of `rate`; forgives a thousandth, so that rounding asks for nobody.
    func replicas(for rate: Double) -> Int {
        Int(min(max(0, rate / max(replicaRate, 1e-9) - 1e-3).rounded(.up), 1e9))
    }

    /// The rate to expect while requests wait: never less than what arrives right now, since a slow forecast may not have
    /// seen yet why they wait. A queue that is still on time gives the time to ask for the mean of 16 s.
    private var drainRate: Double { max(expectedRate, waiting > tolerated ? provenRate : recentRate) }

    /// The rate to expect one cold start from now while requests wait. A rise goes on until it is seen to end: who drains a
    /// queue for the load of now while the load rises keeps it, and everybody in it is late.
    private var surgeRate: Double { waiting > tolerated ? max(drainRate, risingRate) : drainRate }

    /// The requests that will wait when a replica that is started now gets ready, if the expected rate comes.
    ///
    /// Walks through the horizon, in which the rate goes straight from the one of now to the one of then: loading replicas
    /// join when they are expected. What may wait and still be on time doesn't count.
    var backlog: Double {
        var queue = waiting
        var time = 0.0
        var capacity = Double(ready) * replicaRate
        let slope = (surgeRate - drainRate) / max(horizonSeconds, 1e-9)
        for arrival in loading.sorted(by: { $0.inSeconds < $1.inSeconds }) + [
            Loading(count: 0, inSeconds: horizonSeconds)
        ] {
            let until = min(horizonSeconds, max(time, arrival.inSeconds))
            let rate = drainRate + slope * (time + until) / 2
            queue = max(0, queue + (rate - capacity) * (until - time))
            time = until
            capacity += Double(arrival.count) * replicaRate
        }
        return max(0, queue - tolerated)
    }

    /// The requests that may wait and still be on time.
    private var tolerated: Double { tolerated(by: ready) }

    /// The requests that may wait for `count` replicas and still be on time.
    private func tolerated(by count: Int) -> Double { Double(count) * replicaRate * slackSeconds }

    /// Whether so many wait for `count` replicas that it isn't just noise: more than a quarter of what may. They show what
    /// is too little long before anybody is late.
    private func isNotable(_ waiting: Double, for count: Int) -> Bool { waiting > 0.25 * tolerated(by: count) }

    /// How long to take to drain a backlog.
    ///
    /// Replicas for it cost their cold start and the drain itself, so fewer for longer is cheaper; but all that arrives
    /// meanwhile is late. The sum is smallest at the square root below.
    private func drainSeconds(_ backlog: Double) -> Double {
        let seconds = (backlog * horizonSeconds / (latePrice * max(surgeRate, 1e-9))).squareRoot()
        return max(1, min(horizonSeconds, seconds))
    }

    /// What each consideration asks for, in the order of the trace.
    var proposals: [ScaleProposal] {
        let backlog = isNotable(waiting, for: ready) ? backlog : 0
        let drain = drainSeconds(backlog)
        let byBacklog = backlog > 0 ? replicas(for: surgeRate + backlog / drain) : 0
        let text = TargetTracking.text
        return [
            proposal(
                "Forecast",
                replicas(for: safeRate),
                safeRate,
                "\(text(expectedRate)) requests/s now, ready in \(text(horizonSeconds)) s for \(text(safeRate)) "
                    + "(\(plan)), at \(text(replicaRate)) per replica"
            ),
            proposal(
                "QueueModel",
                neededByQueue,
                expectedRate,
                "so that no more than \(text(lateShare * 100)) % wait longer than \(text(slackSeconds)) s"
            ),
            proposal(
                "Backlog",
                byBacklog,
                backlog,
                "\(text(backlog)) requests will wait when a new replica is ready, to be drained in \(text(drain)) s"
            ),
        ]
    }

    private func proposal(_ source: String, _ replicas: Int, _ value: Double, _ note: String) -> ScaleProposal {
        ScaleProposal(
            source: source,
            replicas: replicas,
            value: value,
            target: replicaRate,
            age: nil,
            isIncomplete: isIncomplete,
            note: note
        )
    }

    /// What the flow of requests needs, before any memory and any bound; a backlog is drained once and isn't remembered.
    var needed: Int { serviceSeconds > 0 ? max(replicas(for: safeRate), neededByQueue) : current }

    /// What the steady noise needs.
    var neededByQueue: Int { serviceSeconds > 0 ? neededByQueue(at: expectedRate) : current }

    private func neededByQueue(at rate: Double) -> Int {
        QueueModel(rate: rate, serviceSeconds: serviceSeconds, variability: variability)
            .replicas(concurrency: concurrency, waitSeconds: slackSeconds, late: lateShare)
    }

    /// The decision.
    public func decision() -> ScaleDecision {
        let proposals = serviceSeconds > 0 ? proposals : []
        var decision = ScaleDecision(
            current: current,
            desired: current,
            reason: ScaleReason(
                "MissingData",
                "hold: no request has been answered yet, so a replica's rate isn't known"
            ),
            proposals: proposals,
            steps: proposals.map {
                ScaleStep(rule: $0.source, before: current, after: $0.replicas ?? current, note: $0.note)
            }
        )
        if let winner = proposals.max(by: { ($0.replicas ?? 0) < ($1.replicas ?? 0) }), let count = winner.replicas {
            let code = count == current ? "WithinTolerance" : winner.source
            decision.desired = count
            decision.reason = ScaleReason(code, "\(winner.note): needs \(count)")
        }
        if decision.desired < current, heldReplicas > decision.desired {
            let held = min(current, heldReplicas)
            apply("Hold", &decision, held, "keep what was needed within one cold start: starting anew costs as much")
        }
        steady(&decision)
        serve(&decision)
        if isIncomplete, decision.desired < current {
            apply("MissingData", &decision, current, "hold: signals are missing, and missing is not zero")
        }
        let bounded = min(maxReplicas, max(minReplicas, decision.desired))
        if bounded != decision.desired {
            let isLow = bounded > decision.desired
            apply(
                "Bounds",
                &decision,
                bounded,
                isLow
                    ? "never below minReplicas \(minReplicas)"
                    : "\(decision.reason.message); limited by maxReplicas \(maxReplicas)"
            )
            decision.reason.code = isLow ? "MinReplicas" : "MaxReplicas"
        }
        return decision
    }

    /// Goes down only as far as is safe for what arrives and waits now, whatever is expected.
    private func serve(_ decision: inout ScaleDecision) {
        guard decision.desired < current, serviceSeconds > 0 else { return }
        if isNotable(waiting, for: decision.desired) {
            let text = TargetTracking.text(waiting)
            apply("Draining", &decision, current, "keep all until the \(text) waiting requests are done")
        }
        let arriving = min(current, max(replicas(for: burstRate), neededByQueue(at: recentRate)))
        if arriving > decision.desired {
            let text = TargetTracking.text(max(burstRate, recentRate))
            apply("Arriving", &decision, arriving, "keep what the \(text) requests/s of now need")
        }
    }

    /// Spares changes that are hardly worth one: a small rise has to be needed for a quarter of a cold start, and a surplus
    /// goes when keeping it has cost as much as a change (break-even, as for a cold start). What was asked for to drain a
    /// backlog goes with the backlog: it isn't needed again before the next one.
    private func steady(_ decision: inout ScaleDecision) {
        if decision.desired > current, Double(decision.desired) < 1.1 * Double(current) + 1, leastNeed <= current,
            waiting <= tolerated
        {
            apply("SecondLook", &decision, current, "a rise of a tenth has to be needed for a quarter of a cold start")
        }
        let kept = min(current, max(largestNeed, decision.desired))
        if kept > max(minReplicas, decision.desired), surplusSeconds < changeSeconds {
            apply("Together", &decision, kept, "a surplus is kept until it has cost as much as a change")
        }
    }

    /// The replicas beyond what is needed now; those that are held count, since they cost as much as the others.
    var surplus: Int { max(0, current - max(minReplicas, needed)) }

    /// What a change of the count may cost, in replica-seconds: as much as two fifths of all replicas for one hold.
    private var changeSeconds: Double { 0.4 * Double(current) * holdSeconds }

    private func apply(_ rule: String, _ decision: inout ScaleDecision, _ after: Int, _ note: String) {
        guard after != decision.desired else { return }
        decision.steps.append(ScaleStep(rule: rule, before: decision.desired, after: after, note: note))
        decision.desired = after
        decision.reason = ScaleReason(rule, note)
    }
}
