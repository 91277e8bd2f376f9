// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A decimal number of at most 19 digits, and the double that is nearest to it.
struct DecimalNumber: Sendable {
    /// The digits.
    var digits: UInt64
    /// The power of ten they are multiplied with.
    var exponent: Int
    /// Whether it is below 0.
    var isNegative: Bool

    /// The nearest double, rounded half to even; `nil` where this has no quick exact way.
    ///
    /// Two ways are exact: with up to 2^53 and a power of ten that a double holds, one division or multiplication rounds
    /// once (Clinger); with more digits a division of 128 bits by a power of five keeps 54 bits and what is left.
    var nearestDouble: Double? {
        if digits == 0 { return isNegative ? -0.0 : 0.0 }
        if digits <= 1 << 53, (-22...22).contains(exponent) {
            let power = Self.powersOfTen[abs(exponent)]
            let value = exponent < 0 ? Double(digits) / power : Double(digits) * power
            return isNegative ? -value : value
        }
        guard digits > 1 << 53, (-27...0).contains(exponent) else { return nil }
        let divisor = Self.powersOfFive[-exponent]
        let high = digits / divisor
        let (low, rest) = divisor.dividingFullWidth((digits % divisor, 0))
        let value = Self.rounded(high, low, isExact: rest == 0, exponent: exponent - 64)
        return isNegative ? -value : value
    }

    /// The double nearest to (`high` * 2^64 + `low` + something below 1, nothing if `isExact`) * 2^`exponent`.
    private static func rounded(_ high: UInt64, _ low: UInt64, isExact: Bool, exponent: Int) -> Double {
        let whole = UInt128(high) << 64 | UInt128(low)
        let extra = 128 - whole.leadingZeroBitCount - 53  // Positive: there are 54 bits at least.
        var mantissa = UInt64(truncatingIfNeeded: whole >> UInt128(extra))
        let cut = whole & ((1 << UInt128(extra)) - 1)
        let half = UInt128(1) << UInt128(extra - 1)
        if cut > half || (cut == half && (!isExact || mantissa & 1 == 1)) { mantissa += 1 }
        return Double(sign: .plus, exponent: exponent + extra, significand: Double(mantissa))
    }

    private static let powersOfTen: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20,
        1e21, 1e22,
    ]

    /// 5^0 to 5^27, the last one below 2^64.
    private static let powersOfFive: [UInt64] = (0...27).map { power in (0..<power).reduce(1) { five, _ in five * 5 } }
}
