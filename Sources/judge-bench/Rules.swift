// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Rollouts

/// A rule that may roll a canary back.
protocol RollbackRule {
    /// Looks at ten more seconds; whether the canary is rolled back.
    mutating func isWorse(after slice: Slice) -> Bool
}

/// Ours.
struct JudgeRule: RollbackRule {
    private let judge: Judge
    private var state = JudgeState()

    init(rate: Double) { judge = Judge(JudgeSettings(falseRollbackRate: rate)) }

    mutating func isWorse(after slice: Slice) -> Bool {
        judge.look(&state, canary: slice.canary, stable: slice.stable).verdict == .worse
    }
}

/// What a track did in one minute.
struct Minute {
    private var answers = (trials: 0, hits: 0)
    private var counts = [Double](repeating: 0, count: Scenario.bounds.count)

    mutating func add(_ increment: TrackIncrement) {
        answers.trials += increment.answers?.trials ?? 0
        answers.hits += increment.answers?.hits ?? 0
        guard let latency = increment.latency else { return }
        for index in latency.counts.indices { counts[index] += Double(latency.counts[index]) }
        counts[counts.count - 1] += Double(latency.total)
    }

    /// The error ratio; `nil` without a request.
    var errorRatio: Double? { answers.trials > 0 ? Double(answers.hits) / Double(answers.trials) : nil }

    /// PromQL's `histogram_quantile`.
    func quantile(_ share: Double) -> Double? {
        guard let total = counts.last, total > 0 else { return nil }
        let rank = share * total
        let index = counts.firstIndex { $0 >= rank } ?? counts.count - 1
        guard Scenario.bounds[index].isFinite else { return Scenario.bounds[index - 1] }
        let (low, below) = index > 0 ? (Scenario.bounds[index - 1], counts[index - 1]) : (0, 0)
        return low + (Scenario.bounds[index] - low) * (rank - below) / max(1e-12, counts[index] - below)
    }
}

/// Flagger's: once a minute the canary's success ratio and p99 beside fixed thresholds; a number of failed checks rolls back.
/// Failed checks add up over the whole analysis (`pkg/controller/scheduler.go`), they needn't follow each other.
struct ThresholdRule: RollbackRule {
    let maxErrorRatio: Double
    let maxSeconds: Double
    let threshold: Int
    private var minute = Minute()
    private var slices = 0
    private var failed = 0

    init(maxErrorRatio: Double, maxSeconds: Double, threshold: Int) {
        self.maxErrorRatio = maxErrorRatio
        self.maxSeconds = maxSeconds
        self.threshold = threshold
    }

    mutating func isWorse(after slice: Slice) -> Bool {
        minute.add(slice.canary)
        slices += 1
        guard slices % 6 == 0 else { return false }
        // "no values found" halts the advancement and counts as a failed check.
        let ratio = minute.errorRatio ?? 1
        if ratio > maxErrorRatio || minute.quantile(0.99) ?? .infinity > maxSeconds { failed += 1 }
        minute = Minute()
        return failed >= threshold
    }
}

/// Kayenta's: a value a minute for each track and metric, and at each interval a Mann-Whitney test over all minutes so far.
///
/// The 98 % confidence interval of the Hodges-Lehmann estimate must lie above a quarter of the estimate (`MannWhitneyClassifier`,
/// `NetflixACAJudge`). With two metrics, error ratio and p95, one that fails gives a score of 50, below the usual marginal score of 75, which ends
/// the canary at once. Only increases count; the removal of outliers is left out.
struct MannWhitneyRule: RollbackRule {
    let intervalMinutes: Int
    private var canary = Minute()
    private var stable = Minute()
    private var slices = 0
    private var series: [(canary: [Double], stable: [Double])] = [([], []), ([], [])]

    init(intervalMinutes: Int) { self.intervalMinutes = intervalMinutes }

    mutating func isWorse(after slice: Slice) -> Bool {
        canary.add(slice.canary)
        stable.add(slice.stable)
        slices += 1
        guard slices % 6 == 0 else { return false }
        if let value = canary.errorRatio { series[0].canary.append(value) }
        if let value = stable.errorRatio { series[0].stable.append(value) }
        if let value = canary.quantile(0.95) { series[1].canary.append(value) }
        if let value = stable.quantile(0.95) { series[1].stable.append(value) }
        (canary, stable) = (Minute(), Minute())
        guard slices % (6 * intervalMinutes) == 0 else { return false }
        return series.contains { Self.isHigh($0.canary, $0.stable) }
    }

    private static func isHigh(_ canary: [Double], _ stable: [Double]) -> Bool {
        guard canary.count > 1, stable.count > 1, canary != stable else { return false }
        let differences = canary.flatMap { value in stable.map { value - $0 } }.sorted()
        let (first, second) = (Double(canary.count), Double(stable.count))
        // Ties narrow the distribution, as in R's wilcox.test.
        let values = (canary + stable).sorted()
        var (ties, start) = (0.0, 0)
        for index in values.indices where index + 1 == values.count || values[index + 1] != values[index] {
            let size = Double(index + 1 - start)
            ties += size * size * size - size
            start = index + 1
        }
        let all = first + second
        let variance = first * second / 12 * (all + 1 - ties / (all * (all - 1)))
        let rank = first * second / 2 - 2.326_347_87 * variance.squareRoot()
        guard rank >= 1 else { return false }
        let estimate = differences[differences.count / 2]
        return differences[Int(rank) - 1] > 0.25 * abs(estimate)
    }
}
