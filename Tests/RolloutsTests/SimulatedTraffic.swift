// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

@testable import Rollouts

/// Requests with known truth, one look at a time.
struct SimulatedTrack {
    /// The share of requests that fail.
    var errorRatio: Double
    /// What every duration is multiplied by.
    var slowness = 1.0

    /// The bounds of the histogram in seconds; durations are uniform on a curve whose median is 0.1 s.
    static let bounds: [Double] = [0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, .infinity]

    /// What happens in one look with `requests` requests.
    func look(_ requests: Int, _ random: some RandomSource) -> TrackIncrement {
        var errors = 0
        var counts = [Double](repeating: 0, count: Self.bounds.count)
        for _ in 0..<requests {
            if random.unit() < errorRatio { errors += 1 }
            // Log-logistic with shape 4: the quantile function is explicit.
            let unit = max(random.unit(), 1e-9)
            let duration = 0.1 * slowness * exponential(naturalLogarithm(unit / (1 - unit)) / 4)
            counts[Self.bounds.firstIndex { duration <= $0 } ?? 0] += 1
        }
        for index in counts.indices.dropFirst() { counts[index] += counts[index - 1] }
        return TrackIncrement(
            answers: HitCount(trials: requests, hits: errors),
            latency: BucketCounts(bounds: Self.bounds, counts: counts)
        )
    }
}

/// Looks until there is a verdict or no look is left.
struct SimulatedAnalysis {
    var judge = Judge()
    var canary: SimulatedTrack
    var stable: SimulatedTrack
    var canaryRequests = 50
    var stableRequests = 450
    var looks = 100

    /// Whether the canary was ever found worse, and the look at which.
    func lookOfRollback(seed: UInt64) -> Int? {
        let random = SeededRandom(seed: seed)
        var state = JudgeState()
        for look in 0..<looks {
            let ours = canary.look(canaryRequests, random)
            let theirs = stable.look(stableRequests, random)
            if judge.look(&state, canary: ours, stable: theirs).verdict == .worse { return look }
        }
        return nil
    }

    /// The first verdict that ends an analysis, with its reason.
    func outcome(seed: UInt64) -> Judgement {
        let random = SeededRandom(seed: seed)
        var state = JudgeState()
        for _ in 0..<looks {
            let ours = canary.look(canaryRequests, random)
            let judgement = judge.look(&state, canary: ours, stable: stable.look(stableRequests, random))
            if judgement.verdict == .worse || judgement.verdict == .notWorse { return judgement }
        }
        return judge.judgement(state)
    }
}
