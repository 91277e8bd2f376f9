// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A rate limit: so many at once, then so many a second. Pure; each reservation answers how long it has to wait.
public struct TokenBucket: Sendable, Hashable {
    /// The most that may happen at once.
    public let burst: Double
    /// How many may happen a second in the long run.
    public let perSecond: Double
    private var tokens: Double
    private var refilled: WallTime?

    /// A full bucket; the defaults are client-go's for retries (10 a second, 100 at once).
    public init(perSecond: Double = 10, burst: Double = 100) {
        self.perSecond = max(0.001, perSecond)
        self.burst = max(1, burst)
        tokens = self.burst
    }

    /// Takes a token, and answers when it is there: at once, or after the reservations before it.
    public mutating func reserve(now: WallTime) -> Duration {
        let passed = refilled.map { (now - $0).inSeconds } ?? 0
        tokens = min(burst, tokens + max(0, passed) * perSecond) - 1
        refilled = now
        return tokens >= 0 ? .zero : .seconds(-tokens / perSecond)
    }
}
