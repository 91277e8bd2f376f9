// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The natural logarithm of a positive number.
func naturalLogarithm(_ value: Double) -> Double { log(value) }

/// e to the power of `value`.
func exponential(_ value: Double) -> Double { exp(value) }

/// The sine of an angle in radians.
func sine(_ value: Double) -> Double { sin(value) }

/// The share of a standard normal distribution at or below `value`.
func normalShare(below value: Double) -> Double { erfc(-value / 2.0.squareRoot()) / 2 }

/// A reproducible stream of random numbers as a plain value (SplitMix64, Steele et al., OOPSLA 2014).
///
/// `Ambient.SeededRandom` is the same generator behind a lock; this one is for loops that draw millions of numbers.
public struct FastRandom: Sendable, Hashable {
    /// The stream that a run draws the work of its requests from, one draw for each arrival.
    static let serviceStream: UInt64 = 2
    private var state: UInt64

    /// Starts the sequence of `seed`; streams of the same seed with different `stream` numbers are independent.
    public init(seed: UInt64, stream: UInt64 = 0) {
        state = seed
        state = next() ^ (stream &* 0xd134_2543_de82_ef95)
    }

    /// 64 uniformly distributed bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number in `0..<1`.
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A number in `0..<bound`, for a `bound` of at least 1 (Lemire's multiplication, bias below 2⁻³²).
    public mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(1, bound))).high)
    }

    /// An exponentially distributed number with mean 1.
    public mutating func exponentialGap() -> Double { -naturalLogarithm(1 - unit()) }

    /// A normally distributed number with mean 0 and deviation 1 (Marsaglia's polar method).
    public mutating func normal() -> Double {
        for _ in 0..<1024 {
            let x = 2 * unit() - 1
            let y = 2 * unit() - 1
            let square = x * x + y * y
            if square < 1, square > 0 { return x * (-2 * naturalLogarithm(square) / square).squareRoot() }
        }
        return 0
    }

    /// A gamma distributed number with mean 1 and the given shape, more than 0 (Marsaglia and Tsang, 2000).
    public mutating func gamma(shape: Double) -> Double {
        if shape == 1 { return exponentialGap() }
        if shape < 1 {
            // X(shape) = X(shape + 1) U^(1 / shape); the means differ by the factor (shape + 1) / shape.
            let power = exponential(naturalLogarithm(max(unit(), 0x1p-60)) / shape)
            return gamma(shape: shape + 1) * power * (shape + 1) / shape
        }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        for _ in 0..<1024 {
            let x = normal()
            let v = 1 + c * x
            guard v > 0 else { continue }
            let cube = v * v * v
            let u = max(unit(), 0x1p-60)
            if naturalLogarithm(u) < 0.5 * x * x + d * (1 - cube + naturalLogarithm(cube)) { return d * cube / shape }
        }
        return 1
    }

    /// A whole number near `value`, at most 10¹⁵: its fraction is the chance of the larger neighbour.
    public mutating func rounded(_ value: Double) -> Int {
        let floor = min(value.rounded(.down), 1e15)
        return Int(floor) + (unit() < value - floor ? 1 : 0)
    }

    /// How many of `count` events happen when each does so with the chance `share`.
    public mutating func thinned(_ count: Int, share: Double) -> Int {
        guard share < 1 else { return count }
        let threshold = UInt64(max(0, share) * 0x1p53)
        var kept = 0
        for _ in 0..<max(0, count) where next() >> 11 < threshold { kept += 1 }
        return kept
    }
}
