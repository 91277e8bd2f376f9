// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What to do when an analysis ends without an answer.
public enum AnalysisFallback: String, Sendable, Hashable, Codable, CaseIterable {
    /// Stay at this step until there is an answer or a person decides.
    case wait = "Wait"
    /// Go on as if the canary were fine.
    case promote = "Promote"
    /// Give the canary up.
    case rollback = "Rollback"
}

/// A limit on a latency percentile.
public struct LatencyLimit: Sendable, Hashable, Codable {
    /// The percentile, above 0 and below 100.
    public var percentile: Double
    /// What it may be, in seconds; judged at the histogram's next bound above it.
    public var seconds: Double

    /// A limit.
    public init(percentile: Double, seconds: Double) {
        self.percentile = percentile
        self.seconds = seconds
    }
}

/// How a canary is judged.
public struct JudgeSettings: Sendable, Hashable, Codable {
    /// The largest probability that a canary which is no worse is ever rolled back, over all metrics and looks; 0.01 by default.
    public var falseRollbackRate: Double
    /// The largest probability that a step lets a canary pass that is worse by the margins or more; 0.05 by default.
    public var falsePromotionRate: Double
    /// By how much the canary's error ratio may be larger and still pass, as a difference; 0.01, one percentage point, by default.
    public var errorMargin: Double
    /// By how much the share of the canary's requests that are slower than the stable track's percentiles may be larger and still
    /// pass, as a difference; 0.05 by default: where 5 % of the stable track's are slower than its p95, fewer than 10 % of the canary's.
    public var latencyMargin: Double
    /// How many requests each track must have answered before they are looked at; 20 by default, at least 4.
    public var minimumRequests: Int
    /// The largest error ratio that the canary may have, whatever the stable track's is; `nil` for none.
    public var maxErrorRatio: Double?
    /// The largest latency that the canary may have, whatever the stable track's is; `nil` for none.
    public var maxLatency: LatencyLimit?
    /// By how much the share of any category among the outputs may differ; `nil` compares no outputs.
    public var maxDrift: Double?

    /// Settings; numbers out of range are brought into it.
    public init(
        falseRollbackRate: Double = 0.01,
        falsePromotionRate: Double = 0.05,
        errorMargin: Double = 0.01,
        latencyMargin: Double = 0.05,
        minimumRequests: Int = 20,
        maxErrorRatio: Double? = nil,
        maxLatency: LatencyLimit? = nil,
        maxDrift: Double? = nil
    ) {
        self.falseRollbackRate = Self.clamp(falseRollbackRate, 1e-9, 0.5)
        self.falsePromotionRate = Self.clamp(falsePromotionRate, 1e-9, 0.5)
        self.errorMargin = Self.clamp(errorMargin, 1e-5, 0.9)
        self.latencyMargin = Self.clamp(latencyMargin, 1e-5, 0.9)
        self.minimumRequests = min(max(4, minimumRequests), 1_000_000)
        self.maxErrorRatio = maxErrorRatio.map { Self.clamp($0, 0, 1) }
        self.maxLatency = maxLatency.flatMap { limit in
            limit.percentile > 0 && limit.percentile < 100 && limit.seconds > 0 ? limit : nil
        }
        self.maxDrift = maxDrift.map { Self.clamp($0, 0.001, 0.99) }
    }

    /// The percentiles of the stable track beside which the canary's durations are held.
    static let percentiles: [Double] = [50, 95, 99]

    private static func clamp(_ value: Double, _ low: Double, _ high: Double) -> Double {
        value.isNaN ? low : min(max(value, low), high)
    }
}

/// The one rule for what an analysis step does.
///
/// | verdict | the step's time is over | action |
/// | --- | --- | --- |
/// | worse | any | rollBack |
/// | notWorse | any | advance |
/// | inconclusive | no | wait |
/// | inconclusive | yes | what `onInconclusive` says |
/// | noData | no | wait |
/// | noData | yes | what `onNoData` says |
public enum AnalysisRule {
    /// What to do.
    public enum Action: Sendable, Hashable {
        /// Stay.
        case wait
        /// The step is done.
        case advance
        /// Give the canary up.
        case rollBack
    }

    /// The action for a verdict.
    public static func action(
        _ verdict: Judgement.Verdict,
        isOver: Bool,
        onNoData: AnalysisFallback,
        onInconclusive: AnalysisFallback
    ) -> Action {
        let fallback: AnalysisFallback
        switch verdict {
        case .worse: return .rollBack
        case .notWorse: return .advance
        case .inconclusive: fallback = onInconclusive
        case .noData: fallback = onNoData
        }
        guard isOver else { return .wait }
        switch fallback {
        case .wait: return .wait
        case .promote: return .advance
        case .rollback: return .rollBack
        }
    }
}
