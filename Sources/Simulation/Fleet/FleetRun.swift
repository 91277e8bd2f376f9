// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What came of one policy on one trace.
public struct RunResult: Sendable, Hashable {
    /// The policy's name.
    public var policy: String
    /// The requests that arrived.
    public var requests = 0
    /// The share of all requests that were answered within the objective, 0 to 1.
    public var attainment = 1.0
    /// Latency percentiles of the answered requests in seconds.
    public var p50 = 0.0
    /// See `p50`.
    public var p95 = 0.0
    /// See `p50`.
    public var p99 = 0.0
    /// The objective's percentile of the same latencies, in seconds.
    public var objectiveLatency = 0.0
    /// The share that was on time of those that arrived in the worst minute with at least 20 arrivals.
    public var worstMinute: Double?
    /// The requests that were turned away.
    public var rejected = 0
    /// What was paid for, from the decision to start a replica until it had drained; to the end of the load, and after it
    /// until the last of its requests was answered.
    public var replicaHours = 0.0
    /// How often the count was raised.
    public var scaleUps = 0
    /// How often it was lowered.
    public var scaleDowns = 0
    /// The most replicas at any time.
    public var peakReplicas = 0
    /// The integral of requests in the fleet over time, in request-seconds.
    public var outstandingSeconds = 0.0
    /// What a plot needs.
    public var series: FleetSeries?

    /// All changes of the count.
    public var scaleEvents: Int { scaleUps + scaleDowns }
}

/// One policy on one trace: a discrete-event simulation, the same for the same settings and seed.
public struct FleetRun: Sendable {
    private let settings: FleetSettings
    private let duration: Int64
    private var arrivals: ArrivalCursor
    private var services: FastRandom
    private var policy: any FleetPolicy
    private var fleet: Fleet
    private var starts: [Fleet.Start] = []
    private var nextScrape: Int64
    private var nextDecision: Int64
    private let scrapeStep: Int64
    private let decisionStep: Int64
    private var view = FleetView()
    private let progress: (@Sendable (Double) -> Void)?

    /// A run of `policy` over `arrivals`. `progress` is told the share that is done, about a hundred times.
    public init(
        _ settings: FleetSettings,
        arrivals plan: ArrivalPlan,
        policy: any FleetPolicy,
        progress: (@Sendable (Double) -> Void)? = nil
    ) {
        self.settings = settings
        self.policy = policy
        self.progress = progress
        duration = Int64(plan.seconds * 1e6)
        arrivals = ArrivalCursor(plan, seed: settings.seed)
        services = FastRandom(seed: settings.seed, stream: FastRandom.serviceStream)
        scrapeStep = max(50_000, Int64(policy.timing.scrapeSeconds * 1e6))
        decisionStep =
            policy.timing.decidesOnScrape ? scrapeStep : max(50_000, Int64(policy.timing.decisionSeconds * 1e6))
        var phases = FastRandom(seed: settings.seed, stream: 4)
        nextScrape = Int64(phases.unit() * Double(scrapeStep))
        nextDecision = policy.timing.decidesOnScrape ? nextScrape : Int64(phases.unit() * Double(decisionStep))
        fleet = Fleet(
            settings,
            tally: FleetTally(
                duration: duration,
                objectiveSeconds: settings.objectiveSeconds,
                percentile: settings.objectivePercentile,
                keepsRecent: policy.needsLatencies
            )
        )
    }

    /// Runs to the end: after the last arrival until every request is answered, at most a day longer.
    public mutating func run() -> RunResult {
        let limit = duration + 86_400_000_000
        let report = max(1_000_000, duration / 100)
        var nextReport = report
        var arrival = arrivals.next()
        while true {
            let completion = fleet.completions.earliest
            let control = nextControl()
            let now = min(arrival, completion, control)
            guard now < limit, arrival != .max || fleet.outstanding > 0 || now < duration else { break }
            fleet.advance(to: now)
            if completion == now {
                fleet.complete()
            } else if control == now {
                act(now)
            } else {
                fleet.arrive(now, service: settings.serviceTime.draw(&services))
                if fleet.desired == 0, let count = wake() { scale(to: count, now: now) }
                arrival = arrivals.next()
            }
            if now >= nextReport {
                progress?(min(1, Double(now) / Double(duration)))
                nextReport += report
            }
        }
        fleet.advance(to: max(duration, 0))
        fleet.tally.close()
        progress?(1)
        return result()
    }

    private func nextControl() -> Int64 {
        min(starts.first?.readyAt ?? .max, min(nextScrape, nextDecision))
    }

    private mutating func act(_ now: Int64) {
        if let start = starts.first, start.readyAt == now {
            starts.removeFirst()
            fleet.becomeReady(start, now: now)
            return
        }
        if nextScrape == now {
            nextScrape += scrapeStep
            fleet.fill(&view)
            policy.observe(view)
            if policy.needsLatencies, scrapeStep >= decisionStep { fleet.tally.clearRecent() }
            return
        }
        nextDecision += decisionStep
        fleet.fill(&view)
        if let count = policy.decide(view) { scale(to: count, now: now) }
        if policy.needsLatencies, scrapeStep < decisionStep { fleet.tally.clearRecent() }
    }

    private mutating func wake() -> Int? {
        fleet.fill(&view)
        return policy.wake(view)
    }

    private mutating func scale(to count: Int, now: Int64) {
        guard count != fleet.desired else { return }
        let begun = fleet.scale(to: count, now: now, leastLoadedFirst: policy.removesLeastLoaded)
        guard !begun.isEmpty else { return }
        starts.append(contentsOf: begun)
        starts.sort { ($0.readyAt, $0.slot) < ($1.readyAt, $1.slot) }
    }

    private func result() -> RunResult {
        var result = RunResult(policy: policy.name)
        fleet.fillResult(&result, percentile: settings.objectivePercentile)
        return result
    }
}

extension Fleet {
    /// Fills in what a report needs.
    func fillResult(_ result: inout RunResult, percentile: Double) {
        var view = FleetView()
        fill(&view)
        result.requests = view.arrived
        // A request that is still unanswered at the very end is late.
        let unanswered = view.arrived - view.completed - view.rejected
        let missed = view.late + view.rejected + unanswered
        result.attainment = view.arrived == 0 ? 1 : 1 - Double(missed) / Double(view.arrived)
        result.p50 = tally.latencies.quantile(0.5) ?? 0
        result.p95 = tally.latencies.quantile(0.95) ?? 0
        result.p99 = tally.latencies.quantile(0.99) ?? 0
        result.objectiveLatency = tally.latencies.quantile(percentile / 100) ?? 0
        result.worstMinute = tally.worstMinute
        result.rejected = view.rejected
        result.outstandingSeconds = view.outstandingSeconds
        result.replicaHours = tally.billedSeconds / 3600
        result.scaleUps = tally.scaleUps
        result.scaleDowns = tally.scaleDowns
        result.peakReplicas = tally.peakReplicas
        result.series = tally.series
    }
}
