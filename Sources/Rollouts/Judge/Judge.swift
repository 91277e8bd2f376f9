// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Judges a canary beside the stable track, valid at every look.
///
/// Two questions, each with its own error rate:
///
/// - *Is it worse?* For each measure a `BettingCapital` against "the canary is no worse": `OddsRatioTest` for errors and for the shares of
///   requests slower than the stable track's p50, p95 and p99, `MarginTest` for outputs, `LimitTest` for limits. Their weighted
///   mean is one capital against "no worse in any of them", so one `falseRollbackRate` covers all measures and all
///   looks: a canary that is no worse is rolled back with at most that probability, however long it is watched.
/// - *Is it good enough?* `MarginTest` against "worse by the margin or more", for errors and for each bound. All must be refuted, each at
///   `falsePromotionRate`; that the rate isn't divided is right, since a canary that is worse in one measure passes only if that one
///   errs (an intersection-union test: Berger, Technometrics 1982). This evidence begins anew with each step.
///
/// | requests of either track | worse refuted | margins refuted | a limit looks broken | verdict |
/// | --- | --- | --- | --- | --- |
/// | none | any | any | any | noData |
/// | some | yes | any | any | worse |
/// | some | no | all | no | notWorse |
/// | some | no | all | yes | inconclusive |
/// | some | no | not all | any | inconclusive |
public struct Judge: Sendable, Hashable {
    /// How it judges.
    public var settings: JudgeSettings

    /// A judge.
    public init(_ settings: JudgeSettings = JudgeSettings()) { self.settings = settings }

    /// How many of the stable track's requests must be known before bounds are chosen: its p99 has one of them above it.
    static let requestsForBounds = 100

    /// Looks once more.
    /// - Parameters:
    ///   - state: what the judge remembers, and will.
    ///   - canary: what happened on the canary since the last look.
    ///   - stable: what happened on the stable track over the same time.
    public func look(_ state: inout JudgeState, canary: TrackIncrement, stable: TrackIncrement) -> Judgement {
        let minimum = settings.minimumRequests
        state.remarks = Array((canary.remarks + stable.remarks).prefix(TrackIncrement.mostRemarks))
        state.seen = state.seen + Self.seen(canary, stable)
        // What a look says of clumps counts from the next bet on.
        let effect = state.errors.designEffect
        if let ours = canary.answers, let theirs = stable.answers {
            let counts = PairedCounts(canary: ours, stable: theirs)
            state.errors.add(counts, atLeast: minimum, margin: errorMargin)
        }
        if let theirs = stable.answers { state.errors.watch(half: stable.half?.answers, of: theirs) }
        if let limit = settings.maxErrorRatio, let answers = canary.answers {
            state.errorLimit.add(answers, atLeast: minimum, limit: limit, designEffect: effect)
        }
        lookAtLatency(&state, canary.latency, stable.latency, half: stable.half?.latency)
        if let drift = settings.maxDrift {
            lookAtOutputs(&state, canary.outputs, stable.outputs, drift)
            state.name(outputs: canary.outputNames)
            state.name(outputs: stable.outputNames)
        }
        remember(&state)
        return judgement(state)
    }

    /// The requests that each track has had, by whichever metric says.
    private static func seen(_ canary: TrackIncrement, _ stable: TrackIncrement) -> PairedCounts {
        PairedCounts(
            canary: HitCount(trials: canary.answers?.trials ?? canary.latency?.total ?? 0),
            stable: HitCount(trials: stable.answers?.trials ?? stable.latency?.total ?? 0)
        )
    }

    private var errorMargin: MarginTest { MarginTest(side: .atLeast, offset: settings.errorMargin, expected: 0.01) }

    private func latencyMargin(_ percentile: Double) -> MarginTest {
        MarginTest(side: .atLeast, offset: settings.latencyMargin, expected: 1 - percentile / 100)
    }

    private func lookAtLatency(
        _ state: inout JudgeState,
        _ canary: BucketCounts?,
        _ stable: BucketCounts?,
        half: BucketCounts?
    ) {
        if let limit = settings.maxLatency, let canary, let bound = canary.bounds.first(where: { $0 >= limit.seconds }),
            let slower = canary.slower(than: bound)
        {
            let share = 1 - limit.percentile / 100
            let known = state.latency.last?.comparison ?? TrackComparison()
            state.latencyLimit.add(
                slower,
                atLeast: settings.minimumRequests,
                limit: share,
                designEffect: known.designEffect
            )
        }
        guard !state.latency.isEmpty else {
            // The requests that the bounds are chosen by aren't compared at them.
            guard let stable else { return }
            let known = state.stableLatency.flatMap { $0.adding(stable) } ?? stable
            state.stableLatency = known
            if known.total >= Self.requestsForBounds { chooseBounds(&state, known) }
            return
        }
        for index in state.latency.indices {
            let bound = state.latency[index].bound
            guard let theirs = stable?.slower(than: bound) else { continue }
            if let ours = canary?.slower(than: bound) {
                state.latency[index].comparison.add(
                    PairedCounts(canary: ours, stable: theirs),
                    atLeast: settings.minimumRequests,
                    margin: latencyMargin(state.latency[index].percentile)
                )
            }
            state.latency[index].comparison.watch(half: half?.slower(than: bound), of: theirs)
        }
    }

    private func chooseBounds(_ state: inout JudgeState, _ known: BucketCounts) {
        for percentile in JudgeSettings.percentiles {
            guard let bound = known.bound(nearest: 1 - percentile / 100) else { continue }
            if state.latency.contains(where: { $0.bound == bound }) { continue }
            state.latency.append(BoundComparison(percentile: percentile, bound: bound))
        }
        if !state.latency.isEmpty { state.stableLatency = nil }
    }

    private func lookAtOutputs(_ state: inout JudgeState, _ canary: [Int]?, _ stable: [Int]?, _ most: Double) {
        guard let canary, let stable, canary.count == stable.count, !canary.isEmpty else { return }
        let (ours, theirs) = (canary.reduce(0, +), stable.reduce(0, +))
        if state.drift.count != canary.count {
            guard state.drift.isEmpty else { return }
            state.drift = canary.map { _ in DriftEvidence() }
        }
        let counts = zip(canary, stable).map {
            PairedCounts(canary: HitCount(trials: ours, hits: $0), stable: HitCount(trials: theirs, hits: $1))
        }
        let pending = state.pendingOutputs
        state.pendingOutputs = pending.count == counts.count ? zip(pending, counts).map { $0 + $1 } : counts
        guard state.pendingOutputs[0].fewest >= settings.minimumRequests else { return }
        let expected = 1 / Double(canary.count)
        for (index, block) in state.pendingOutputs.enumerated() {
            let past = state.drift[index].totals
            let effect = state.drift[index].dispersion.designEffect
            MarginTest(side: .atMost, offset: most, expected: expected)
                .settle(block, past: past, designEffect: effect, &state.drift[index].larger)
            MarginTest(side: .atLeast, offset: -most, expected: expected)
                .settle(block, past: past, designEffect: effect, &state.drift[index].smaller)
            state.drift[index].dispersion.learn(block)
            state.drift[index].totals = past + block
        }
        state.pendingOutputs = []
    }
}
