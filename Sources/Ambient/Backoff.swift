// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Exponential backoff with jitter.
///
/// With the default values, without jitter:
///
/// | attempt | 1 | 2 | 3 | 5 | 8 | 12 and more |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | delay | 50 ms | 100 ms | 200 ms | 800 ms | 6.4 s | 60 s |
public struct Backoff: Sendable, Hashable {
    /// The delay after the first failure.
    public var initial: Duration
    /// The longest delay.
    public var maximum: Duration
    /// What each further failure multiplies the delay by; at least 1.
    public var factor: Double
    /// The share of the delay that is drawn at random, 0 to 1: the delay is in `(1 - jitter)...1` times the curve.
    public var jitter: Double

    /// A curve from `initial` to `maximum`.
    public init(
        initial: Duration = .milliseconds(50),
        maximum: Duration = .seconds(60),
        factor: Double = 2,
        jitter: Double = 0.2
    ) {
        self.initial = initial
        self.maximum = maximum
        self.factor = max(1, factor)
        self.jitter = min(1, max(0, jitter))
    }

    /// The delay after failure number `attempt` (from 1).
    public func delay(attempt: Int, random: any RandomSource) -> Duration {
        var curve = initial.inSeconds
        for _ in 1..<max(2, min(attempt, 64)) where attempt > 1 && curve < maximum.inSeconds { curve *= factor }
        let capped = min(curve, maximum.inSeconds)
        return .seconds(capped * (1 - jitter * random.unit()))
    }
}
