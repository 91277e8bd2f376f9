// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Plays all plans beside the real one on the load as it comes, and follows those that would have been cheapest of late.
///
/// What arrives doesn't depend on how many replicas there are, so it is known of every plan what it would have cost: its
/// replica-seconds, those of cold starts included, and the requests that would have been late in a queue played forward in
/// the flow of a fluid. So a margin, a hold or a base isn't guessed from a distribution of errors but is the one that would have
/// paid. Which of the plans that are nearly as cheap as the cheapest leads is chance; so the answer is the mean of them all,
/// weighted by the exponential of what they cost (the exponentially weighted average forecaster of Cesa-Bianchi and Lugosi,
/// "Prediction, Learning, and Games", chapter 2). The memory fades, so that another load gets other plans.
struct Rehearsal: Sendable, Hashable {
    /// What the plans that are followed ask for, on the mean.
    struct Answer: Sendable, Hashable {
        /// The cheapest plan.
        var plan: ScalingPlan
        /// How many plans are nearly as cheap.
        var others: Int
        /// What they expect without a margin, in requests a second.
        var rate: Double
        /// The capacity that they ask for now, in requests a second.
        var capacity: Double
        /// The capacity that they keep, what they asked for within their holds included.
        var held: Double

        /// In words: `60 s mean x 1.2, averaged with 17 plans nearly as cheap`.
        var text: String {
            switch others {
            case ...0: plan.text
            case 1: plan.text + ", averaged with a plan nearly as cheap"
            default: plan.text + ", averaged with \(others) plans nearly as cheap"
            }
        }
    }

    /// A plan that is followed.
    struct Share: Sendable, Hashable {
        /// Its position in `ScalingPlan.all`.
        var index: Int
        /// Its weight in the mean, 0 to 1.
        var weight: Double
    }

    /// What is learned from and decided for.
    struct Step: Sendable, Hashable {
        /// The time, in seconds.
        var now: Double
        /// The seconds since the step before.
        var seconds: Double
        /// The requests that arrived in these seconds.
        var arrived: Double
        /// The requests a second that a replica gets done.
        var replicaRate: Double
        /// The seconds that a request may wait.
        var slack: Double
        /// The seconds from a decision to a ready replica.
        var coldStart: Double
        /// The seconds for which a surplus is kept.
        var hold: Double
        /// What a late request costs, as a multiple of what it costs to serve one.
        var price: Double
        /// The fewest replicas.
        var minReplicas: Double
    }

    /// Half of what is remembered is younger than this, in seconds: the constants here are round numbers that did well on
    /// `TrainingLoad`, as docs/scaling.md has it.
    private static let halfLife = 7200.0
    /// For how many seconds of load the opinions count that it starts with.
    private static let priorSeconds = 300.0
    /// How much of its replicas a plan may use while it is played: what a fluid doesn't know of queues, delays and rounding.
    private static let usable = 0.95
    /// A plan that is dearer than the cheapest by this share counts 1/e as much.
    private static let indifference = 0.02
    /// For how many cold starts after the first request late ones are no plan's fault: what serves then was there before there was
    /// a load to plan for. Charged for it, plans with large margins would lead for hours after a load that came up in its first minute.
    private static let startColdStarts = 3.0
    /// A plan that counts less than this, as a share of the cheapest, is left out.
    private static let leastWeight = 0.0025

    private var tops: [SlidingExtreme]
    private var lows: [SlidingExtreme]
    private var levels = LevelDistribution()
    private var baseRates = Array(repeating: 0.0, count: ScalingPlan.bases.count)
    /// Of each plan: the requests that wait, the replicas that drain them, the requests that what was paid for could have
    /// served, and the requests that were late.
    private var queues: [Double]
    private var drains: [Double]
    private var costs: [Double]
    private var lates: [Double]
    private var followed = [Share(index: ScalingPlan.first, weight: 1)]
    private var steps = 0
    /// When the first request came, in seconds.
    private var firstArrival: Double?

    /// Nothing played yet.
    init() {
        let count = ScalingPlan.all.count
        let series = DemandForecast.names.count * ScalingPlan.holds.count
        tops = Array(repeating: SlidingExtreme(isLargest: true), count: series)
        lows = Array(repeating: SlidingExtreme(isLargest: false), count: series)
        queues = Array(repeating: 0, count: count)
        drains = queues
        costs = queues
        lates = queues
    }

    /// Learns from what came, and answers for the forecasts `rates`.
    mutating func step(_ step: Step, rates: [Double]) -> Answer {
        if steps == 0 { believe(step, rate: rates[DemandForecast.first]) }
        if firstArrival == nil, step.arrived > 0 { firstArrival = step.now }
        levels.add(rates[DemandForecast.recent], seconds: step.seconds, halfLife: Self.halfLife)
        if steps % 16 == 0 {
            baseRates = levels.quantiles(ScalingPlan.bases)
            baseRates[0] = 0
        }
        play(step, rates: rates)
        if steps % 8 == 0 { weigh(step) }
        steps += 1
        return answer(rates)
    }

    /// The mean of the plans that are followed.
    private func answer(_ rates: [Double]) -> Answer {
        let first = followed.max { $0.weight < $1.weight }?.index ?? ScalingPlan.first
        var answer = Answer(plan: ScalingPlan.all[first], others: followed.count - 1, rate: 0, capacity: 0, held: 0)
        for share in followed {
            let plan = ScalingPlan.all[share.index]
            let margin = ScalingPlan.margins[plan.margin]
            let top = tops[plan.forecast * ScalingPlan.holds.count + plan.hold].value ?? 0
            let base = baseRates[plan.base]
            answer.rate += share.weight * rates[plan.forecast]
            answer.capacity += share.weight * max(rates[plan.forecast] * margin, base)
            answer.held += share.weight * max(top * margin, base)
        }
        return answer
    }

    /// Opinions to start with: what a margin costs, that few requests are late with a large one, and that the last minute is a
    /// good guess.
    private mutating func believe(_ step: Step, rate: Double) {
        let load = max(rate, step.replicaRate) * Self.priorSeconds
        for (index, plan) in ScalingPlan.all.enumerated() {
            let margin = ScalingPlan.margins[plan.margin]
            let doubt =
                (plan.forecast == DemandForecast.first ? 0 : 0.1) + 0.1 * Double(plan.base) + 0.1 * Double(plan.hold)
            costs[index] = load * (margin + doubt)
            lates[index] = min(1, 0.06 * exponential(-6 * (margin - 1))) * load
        }
    }

    /// Moves all plans on by one step.
    ///
    /// A replica that was asked for serves after a cold start, and the newest goes first: what serves is the least that was
    /// asked for within one cold start. Both extremes are the same for all margins.
    private mutating func play(_ step: Step, rates: [Double]) {
        let keep = exponential(-naturalLogarithm(2) * step.seconds / Self.halfLife)
        let isStart = step.now - (firstArrival ?? step.now) < Self.startColdStarts * step.coldStart
        var index = 0
        for forecast in rates.indices {
            for hold in ScalingPlan.holds.indices {
                let series = forecast * ScalingPlan.holds.count + hold
                let top = tops[series].value ?? rates[forecast]
                lows[series].add(top, now: step.now, span: step.coldStart)
                let low = lows[series].value ?? top
                for base in baseRates {
                    for margin in ScalingPlan.margins {
                        let wanted = Self.replicas(max(top * margin, base), step)
                        let ready = Self.replicas(max(low * margin, base), step)
                        play(
                            index,
                            step,
                            rate: rates[forecast],
                            wanted: wanted,
                            ready: ready,
                            keep: keep,
                            isStart: isStart
                        )
                        index += 1
                    }
                }
                tops[series].add(rates[forecast], now: step.now, span: step.hold * ScalingPlan.holds[hold])
            }
        }
    }

    private static func replicas(_ rate: Double, _ step: Step) -> Double {
        max(step.minReplicas, (rate / step.replicaRate).rounded(.up))
    }

    /// Moves the plan at `index` on by one step in which `ready` replicas serve and `wanted` are paid for; at the load's start late
    /// requests aren't counted.
    @inline(__always)
    private mutating func play(
        _ index: Int,
        _ step: Step,
        rate: Double,
        wanted: Double,
        ready: Double,
        keep: Double,
        isStart: Bool
    ) {
        let capacity = (ready + drains[index]) * step.replicaRate * Self.usable
        let allowed = capacity * step.slack
        let before = queues[index]
        let after = max(0, before + step.arrived - capacity * step.seconds)
        let (low, high) = (min(before, after), max(before, after))
        // The queue grows or shrinks straight on: late is what comes while it is too long.
        let share = high <= allowed ? 0 : low >= allowed ? 1 : (high - allowed) / (high - low)
        var drain = 0.0
        if after > allowed {
            // As `SLOSizing` does, but that what is asked for comes gradually.
            let over = after - allowed
            let seconds = (over * step.coldStart / (step.price * max(rate, 1e-9))).squareRoot()
            drain = over / (max(1, min(step.coldStart, seconds)) * step.replicaRate)
        }
        queues[index] = after
        drains[index] += (drain - drains[index]) * min(1, step.seconds / max(step.coldStart, 1e-3))
        // In requests that could have been served, so that what was paid before a replica's rate was known counts as much.
        let paid = (wanted + max(drain, drains[index])) * step.replicaRate
        costs[index] = costs[index] * keep + paid * step.seconds
        lates[index] = lates[index] * keep + (isStart ? 0 : step.arrived * share)
    }

    /// Picks the plans to follow.
    private mutating func weigh(_ step: Step) {
        followed = Self.shares(of: costs.indices.map { costs[$0] + lates[$0] * step.price })
    }

    /// The weights of plans with these costs, the sum of all 1: the cheapest and those that are nearly as cheap.
    static func shares(of costs: [Double]) -> [Share] {
        let least = max(costs.min() ?? 0, .leastNormalMagnitude)
        let limit = least * (1 - indifference * naturalLogarithm(leastWeight))
        var shares: [Share] = []
        var sum = 0.0
        for (index, cost) in costs.enumerated() where cost <= limit {
            let weight = exponential((1 - cost / least) / indifference)
            shares.append(Share(index: index, weight: weight))
            sum += weight
        }
        for index in shares.indices { shares[index].weight /= sum }
        return shares
    }
}
