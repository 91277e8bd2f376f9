// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How long a replica works on a request.
public struct ServiceTime: Sendable, Hashable {
    /// The shape of the distribution.
    public enum Shape: Sendable, Hashable {
        /// Always the mean.
        case deterministic
        /// Memoryless: many short ones, some long ones; coefficient of variation 1.
        case exponential
        /// Skewed, with the given coefficient of variation.
        case lognormal(variation: Double)
        /// Drawn from this table of equally likely values in seconds, ascending.
        case empirical([Double])
    }

    /// The shape.
    public var shape: Shape
    /// The mean in seconds, more than 0.
    public var meanSeconds: Double

    /// A distribution; a mean that isn't positive counts as one microsecond.
    public init(_ shape: Shape = .deterministic, meanSeconds: Double) {
        self.shape = shape
        self.meanSeconds = meanSeconds > 0 && meanSeconds.isFinite ? meanSeconds : 1e-6
    }

    /// The distribution of the observed `seconds`, as they are; `nil` without a usable value.
    public init?(samples seconds: [Double]) {
        let usable = seconds.filter { $0 > 0 && $0.isFinite }.sorted()
        guard !usable.isEmpty else { return nil }
        self.init(.empirical(usable), meanSeconds: usable.reduce(0, +) / Double(usable.count))
    }

    /// The distribution behind a cumulative histogram, as Prometheus has it: upper bounds in seconds and how many were at
    /// or below. Inside a bucket values count as evenly spread; those above the last finite bound count as that bound.
    public init?(upperBounds: [Double], cumulative: [Double], resolution: Int = 1000) {
        guard upperBounds.count == cumulative.count, let total = cumulative.last, total > 0 else { return nil }
        var values: [Double] = []
        values.reserveCapacity(resolution)
        var bucket = 0
        for step in 0..<max(1, resolution) {
            let rank = (Double(step) + 0.5) / Double(max(1, resolution)) * total
            while bucket < cumulative.count - 1, cumulative[bucket] < rank { bucket += 1 }
            let low = bucket == 0 ? 0 : upperBounds[bucket - 1]
            let high = upperBounds[bucket]
            guard high.isFinite else {
                values.append(low)
                continue
            }
            let before = bucket == 0 ? 0 : cumulative[bucket - 1]
            let inside = max(cumulative[bucket] - before, 1e-12)
            values.append(low + (high - low) * min(1, max(0, (rank - before) / inside)))
        }
        self.init(samples: values)
    }

    /// The squared coefficient of variation.
    public var squaredVariation: Double {
        switch shape {
        case .deterministic: return 0
        case .exponential: return 1
        case .lognormal(let variation): return variation * variation
        case .empirical(let values):
            let squares = values.reduce(0) { $0 + ($1 - meanSeconds) * ($1 - meanSeconds) }
            return squares / Double(max(1, values.count)) / (meanSeconds * meanSeconds)
        }
    }

    /// The share of requests, 0 to 1, that takes at most `seconds`.
    func share(within seconds: Double) -> Double {
        guard seconds > 0 else { return 0 }
        switch shape {
        case .deterministic: return meanSeconds <= seconds * (1 + 1e-12) ? 1 : 0
        case .exponential: return 1 - exponential(-seconds / meanSeconds)
        case .lognormal(let variation):
            let square = naturalLogarithm(1 + variation * variation)
            guard square > 0 else { return meanSeconds <= seconds ? 1 : 0 }
            return normalShare(below: (naturalLogarithm(seconds / meanSeconds) + square / 2) / square.squareRoot())
        case .empirical(let values):
            return Double(values.count { $0 <= seconds }) / Double(max(1, values.count))
        }
    }

    /// One draw in microseconds, at least 1.
    func draw(_ random: inout FastRandom) -> Int64 {
        let seconds: Double
        switch shape {
        case .deterministic: seconds = meanSeconds
        case .exponential: seconds = meanSeconds * random.exponentialGap()
        case .lognormal(let variation):
            let square = naturalLogarithm(1 + variation * variation)
            seconds = meanSeconds * exponential(random.normal() * square.squareRoot() - square / 2)
        case .empirical(let values): seconds = values[random.below(values.count)]
        }
        return max(1, Int64(min(seconds, 1e6) * 1e6))
    }
}
