// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Rollouts

/// How the tracks behave in one scenario.
struct Scenario {
    /// The stable track's error ratio.
    var errorRatio: Double
    /// What the canary's error ratio is multiplied by.
    var errorFactor = 1.0
    /// What the canary's durations are multiplied by.
    var latencyFactor = 1.0
    /// Requests a second over both tracks.
    var rate: Double
    /// The canary's share of them.
    var weight = 0.1
    /// How much the error ratio of both tracks together goes up and down from minute to minute: the standard deviation of its logarithm.
    var bursts = 0.0
    /// How many requests in a row fail together, on one track.
    var clump = 1

    /// The histogram bounds of our own server, in seconds.
    static let bounds: [Double] = [
        0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10,
        .infinity,
    ]
    /// The median duration in seconds, and the standard deviation of its logarithm: p95 is 228 ms, p99 is 320 ms.
    static let (median, sigma) = (0.1, 0.5)

    /// The share of durations at or below each bound, for durations multiplied by `factor`.
    static func shares(_ factor: Double) -> [Double] {
        bounds.map { $0.isFinite ? 0.5 * erfc(-log($0 / (median * factor)) / sigma / 2.0.squareRoot()) : 1 }
    }
}

/// What both tracks did in ten seconds.
struct Slice {
    var canary: TrackIncrement
    var stable: TrackIncrement

    static let seconds = 10.0
}

/// The traffic of one run.
struct Traffic {
    private let scenario: Scenario
    private let canaryShares: [Double]
    private let stableShares = Scenario.shares(1)
    private var draws: Draws
    private var slices = 0
    private var level = 1.0

    init(_ scenario: Scenario, seed: UInt64) {
        self.scenario = scenario
        canaryShares = Scenario.shares(scenario.latencyFactor)
        draws = Draws(seed: seed)
    }

    mutating func next() -> Slice {
        if scenario.bursts > 0, slices % 6 == 0 { level = exp(scenario.bursts * draws.normal()) }
        slices += 1
        let requests = Int(scenario.rate * Slice.seconds)
        let ours = draws.binomial(requests, scenario.weight)
        let ratio = min(0.9, scenario.errorRatio * level)
        return Slice(
            canary: track(ours, min(0.95, ratio * scenario.errorFactor), canaryShares),
            stable: pods(requests - ours, ratio)
        )
    }

    /// The stable track's pods in two halves.
    private mutating func pods(_ requests: Int, _ ratio: Double) -> TrackIncrement {
        let some = draws.binomial(requests, 0.5)
        let (half, rest) = (track(some, ratio, stableShares), track(requests - some, ratio, stableShares))
        var sum = rest
        if let first = half.answers, let second = rest.answers {
            sum.answers = HitCount(trials: first.trials + second.trials, hits: first.hits + second.hits)
        }
        if let first = half.latency, let second = rest.latency {
            let counts = zip(first.counts, second.counts).map { Double($0 + $1) }
            sum.latency = BucketCounts(bounds: Scenario.bounds, counts: counts + [Double(requests)])
        }
        sum.half = HalfIncrement(answers: half.answers, latency: half.latency)
        return sum
    }

    private mutating func track(_ requests: Int, _ ratio: Double, _ shares: [Double]) -> TrackIncrement {
        let errors = min(requests, draws.binomial(max(1, requests / scenario.clump), ratio) * scenario.clump)
        var counts: [Double] = []
        var (left, below, sum) = (requests, 0.0, 0)
        for share in shares {
            let found = share >= 1 ? left : draws.binomial(left, (share - below) / (1 - below))
            (left, sum, below) = (left - found, sum + found, share)
            counts.append(Double(sum))
        }
        return TrackIncrement(
            answers: HitCount(trials: requests, hits: errors),
            latency: BucketCounts(bounds: Scenario.bounds, counts: counts)
        )
    }
}
