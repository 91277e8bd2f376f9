// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// When requests are sent: stages of a rate, one after the other, whatever becomes of the requests.
public struct LoadPlan: Sendable, Hashable {
    /// A stretch of time in which the rate is steady or changes evenly.
    public struct Stage: Sendable, Hashable {
        /// How long it lasts.
        public var duration: Duration
        /// Requests per second at its start; 0 for a pause.
        public var startRate: Double
        /// Requests per second at its end.
        public var endRate: Double

        /// A stage at one rate.
        public static func steady(_ requestsPerSecond: Double, for duration: Duration) -> Stage {
            Stage(duration: duration, startRate: requestsPerSecond, endRate: requestsPerSecond)
        }

        /// A stage from one rate to another.
        public static func ramp(from startRate: Double, to endRate: Double, for duration: Duration) -> Stage {
            Stage(duration: duration, startRate: startRate, endRate: endRate)
        }
    }

    /// How arrivals are spaced.
    public enum Spacing: Sendable, Hashable {
        /// Evenly.
        case uniform
        /// As independent users send them: a Poisson process, in which bursts happen.
        case poisson
    }

    /// The stages in their order.
    public var stages: [Stage]
    /// How arrivals are spaced.
    public var spacing: Spacing

    /// A plan.
    public init(stages: [Stage], spacing: Spacing = .poisson) {
        self.stages = stages
        self.spacing = spacing
    }

    /// One rate all the time.
    public static func constant(
        requestsPerSecond: Double,
        for duration: Duration,
        spacing: Spacing = .poisson
    ) -> LoadPlan {
        LoadPlan(stages: [.steady(requestsPerSecond, for: duration)], spacing: spacing)
    }

    /// How long all stages last together.
    public var duration: Duration { stages.reduce(.zero) { $0 + $1.duration } }
}

/// The arrival times of a plan, one after the other.
///
/// The plan's rate is integrated to a count of arrivals over time; the n-th arrival is where that count reaches n
/// (uniform), or the sum of n exponentially distributed steps (Poisson, by the time-change theorem).
struct ArrivalSchedule: Sendable {
    private let plan: LoadPlan
    private let random: any RandomSource
    private var stage = 0
    private var stageStart = 0.0
    private var countBefore = 0.0
    private var target = 0.0

    /// The arrivals of `plan`.
    init(_ plan: LoadPlan, random: any RandomSource) {
        self.plan = plan
        self.random = random
    }

    /// The next arrival, as time since the start; `nil` after the last.
    mutating func next() -> Duration? {
        switch plan.spacing {
        case .uniform: target += 1
        // 1 - unit() is in 0 < x <= 1, so the logarithm is finite.
        case .poisson: target -= naturalLogarithm(1 - random.unit())
        }
        while stage < plan.stages.count {
            let current = plan.stages[stage]
            let seconds = current.duration.inSeconds
            let start = max(0, current.startRate)
            let end = max(0, current.endRate)
            let count = (start + end) / 2 * seconds
            // A hair of tolerance, so that 10/s for 1 s is ten arrivals and not nine.
            if count > 0, target <= countBefore + count * (1 + 1e-12) + 1e-9 {
                let offset = Self.time(of: target - countBefore, start: start, end: end, seconds: seconds)
                return .seconds(stageStart + min(offset, seconds))
            }
            countBefore += count
            stageStart += seconds
            stage += 1
        }
        return nil
    }

    /// Solves `start·t + (end − start)/(2·seconds)·t² = count` for t, in the form that stays exact for a small slope.
    private static func time(of count: Double, start: Double, end: Double, seconds: Double) -> Double {
        let slope = (end - start) / seconds
        let root = max(0, start * start + 2 * slope * count).squareRoot()
        return 2 * count / (start + root)
    }
}
