// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The natural logarithm.
func naturalLogarithm(_ value: Double) -> Double { log(value) }

/// `e` to the power of `value`.
func exponential(_ value: Double) -> Double { exp(value) }

/// The natural logarithm of the gamma function for `value > 0`, by Stirling's series (Abramowitz and Stegun 6.1.41).
///
/// Below 10 the recurrence `gamma(x + 1) = x gamma(x)` comes first; the relative error is below 1e-13.
func logarithmOfGamma(_ value: Double) -> Double {
    var (shifted, product) = (value, 1.0)
    while shifted < 10 {
        product *= shifted
        shifted += 1
    }
    let square = 1 / (shifted * shifted)
    let series = (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680))) / shifted
    return (shifted - 0.5) * log(shifted) - shifted + 0.918_938_533_204_672_74 + series - log(product)
}

/// The natural logarithm of the number of ways to choose `chosen` of `count`, for `0 <= chosen <= count`.
func logarithmOfChoices(_ count: Int, _ chosen: Int) -> Double {
    guard chosen > 0, chosen < count else { return 0 }
    return logarithmOfGamma(Double(count) + 1) - logarithmOfGamma(Double(chosen) + 1)
        - logarithmOfGamma(Double(count - chosen) + 1)
}
