// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One share that is compared between the tracks, with the evidence for both directions.
public struct TrackComparison: Sendable, Hashable, Codable {
    /// What has been bet on, since the canary's first request that counted.
    public internal(set) var totals = PairedCounts()
    /// What waits until both tracks have enough requests.
    public internal(set) var pending = PairedCounts()
    /// The evidence that the canary is worse.
    public internal(set) var worse = OddsRatioTest.start
    /// The evidence of this step that it isn't worse by more than the margin.
    public internal(set) var notWorse = MarginTest.start
    /// How much more the canary differs from the stable track, from block to block, than by chance.
    public internal(set) var dispersion = Dispersion()
    /// How much more one half of the stable track's pods differs from the other half, from look to look, than by chance.
    public internal(set) var stableDispersion = Dispersion()

    /// No evidence.
    public init() {}

    /// By how much the evidence is divided, at least 1: the larger of what the canary's blocks and what the stable track's halves say.
    ///
    /// The canary has few hits, and most of its blocks look the same with and without clumps until the first clump falls on it: then it
    /// is too late. The halves of the stable track are two tracks that are no worse than each other, with more of everything: they
    /// show clumps at once, also while the canary warms up, and what happens on all pods together is no surprise between them either.
    public var designEffect: Double { max(dispersion.designEffect, stableDispersion.designEffect) }

    /// Learns from one look of the stable track, after it was bet on.
    mutating func watch(half: HitCount?, of all: HitCount) {
        guard let half, half.trials <= all.trials, half.hits <= all.hits else { return }
        let rest = HitCount(trials: all.trials - half.trials, hits: all.hits - half.hits)
        stableDispersion.learn(PairedCounts(canary: half, stable: rest))
    }

    /// Everything that was counted.
    public var counted: PairedCounts { totals + pending }

    /// Adds what happened on both over the same time, and bets as soon as both have enough.
    ///
    /// A block begins with a look in which both had requests: what one track did while the other had none is no comparison.
    mutating func add(_ counts: PairedCounts, atLeast minimum: Int, margin: MarginTest) {
        guard (pending + counts).fewest > 0 else { return }
        pending = pending + counts
        guard pending.fewest >= minimum else { return }
        let effect = designEffect
        OddsRatioTest.settle(pending, designEffect: effect, &worse)
        margin.settle(pending, past: totals, designEffect: effect, &notWorse)
        dispersion.learn(pending)
        close()
    }

    /// Ends the block: weights change, and shares before and after must not be mixed (Simpson's paradox).
    mutating func endStep() {
        // Too few requests to look at stay out of the evidence; whether they do depends on their number alone.
        close()
        notWorse = MarginTest.start
    }

    private mutating func close() {
        totals = totals + pending
        pending = PairedCounts()
    }
}

/// A bound of the latency histogram at which the tracks are compared.
public struct BoundComparison: Sendable, Hashable, Codable {
    /// The percentile of the stable track that the bound is nearest to.
    public var percentile: Double
    /// The bound in seconds.
    public var bound: Double
    /// The share of requests that took longer.
    public internal(set) var comparison = TrackComparison()
}

/// An absolute limit on a share of the canary's requests.
public struct LimitEvidence: Sendable, Hashable, Codable {
    /// What has been bet on.
    public internal(set) var total = HitCount()
    /// What waits until there is enough.
    public internal(set) var pending = HitCount()
    /// The evidence that the limit is broken.
    public internal(set) var broken = LimitTest.start

    /// Adds what happened, and bets as soon as there is enough.
    mutating func add(_ count: HitCount, atLeast minimum: Int, limit: Double, designEffect: Double) {
        pending = pending + count
        guard pending.trials >= minimum else { return }
        LimitTest.settle(pending, limit: limit, designEffect: designEffect, &broken)
        total = total + pending
        pending = HitCount()
    }
}

/// The evidence on one category of the outputs: larger or smaller than allowed.
public struct DriftEvidence: Sendable, Hashable, Codable {
    /// What has been bet on.
    public internal(set) var totals = PairedCounts()
    /// The evidence that the canary's share is larger by more than `maxDrift`.
    public internal(set) var larger = MarginTest.start
    /// The evidence that it is smaller by more than that.
    public internal(set) var smaller = MarginTest.start
    /// How much more the blocks vary than by chance.
    public internal(set) var dispersion = Dispersion()
}

/// All that the judge remembers: small enough for an object's status, and enough to go on after a restart.
public struct JudgeState: Sendable, Hashable, Codable {
    /// All requests of both tracks; the hits aren't used.
    public internal(set) var seen = PairedCounts()
    /// The error ratios.
    public internal(set) var errors = TrackComparison()
    /// The durations, at bounds that were chosen before the canary's requests counted.
    public internal(set) var latency: [BoundComparison] = []
    /// The stable track's durations, until the bounds are chosen.
    public internal(set) var stableLatency: BucketCounts?
    /// The outputs, by category.
    public internal(set) var drift: [DriftEvidence] = []
    /// What each category of the outputs is called; `nil` where nobody said.
    public internal(set) var outputNames: [String]?
    /// What of the outputs waits until there is enough, canary and stable by category.
    public internal(set) var pendingOutputs: [PairedCounts] = []
    /// The limit on errors.
    public internal(set) var errorLimit = LimitEvidence()
    /// The limit on latency.
    public internal(set) var latencyLimit = LimitEvidence()
    /// The largest capital that was ever reached against "the canary is no worse".
    public internal(set) var peak = 1.0
    /// Which measure led when it was reached, as a sentence with the counts of that moment.
    public internal(set) var peakReason: String?
    /// The tracks without readable errors or durations at the last look, as clauses.
    public internal(set) var remarks: [String] = []

    /// No evidence.
    public init() {}

    /// Names the categories that have no name yet: each track may answer what the other never does.
    mutating func name(outputs names: [String]) {
        guard !names.isEmpty else { return }
        guard let known = outputNames, known.count == names.count else { return outputNames = names }
        outputNames = zip(known, names).map { $0.isEmpty ? $1 : $0 }
    }

    /// Begins a step: weights have changed. Evidence against the canary stays, evidence for it has to be found again.
    public mutating func beginStep() {
        errors.endStep()
        for index in latency.indices { latency[index].comparison.endStep() }
        pendingOutputs = []
    }
}
