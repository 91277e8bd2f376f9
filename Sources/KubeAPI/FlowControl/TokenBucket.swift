// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient

/// A rate limit with bursts: it holds at most `burst` tokens, gains `rate` a second, and a request takes one.
///
/// A request that finds none takes the one that comes next and is told how long to wait for it, so that requests go in the
/// order in which they asked.
struct TokenBucket: Sendable {
    private let rate: Double
    private let burst: Double
    /// Below 0 when tokens that don't exist yet were given away.
    private var tokens: Double
    private var filled: WallTime

    /// A full bucket.
    init(rate: Double, burst: Int, now: WallTime) {
        self.rate = rate
        self.burst = Double(burst)
        tokens = Double(burst)
        filled = now
    }

    /// Takes a token; answers how long to wait before it may be used.
    mutating func take(now: WallTime) -> Duration {
        if now > filled {
            tokens = min(burst, tokens + (now - filled).seconds * rate)
            filled = now
        }
        tokens -= 1
        return tokens >= 0 ? .zero : .seconds(-tokens / rate)
    }

    /// Takes back a token that wasn't used.
    mutating func giveBack() { tokens = min(burst, tokens + 1) }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
