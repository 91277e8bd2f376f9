// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Reads the numbers of metrics pages: what Go's `strconv.ParseFloat` reads, without hexadecimal digits and underscores.
///
/// Up to 19 digits with a decimal exponent of -22 to 22 are read with integers alone, correctly rounded; anything longer
/// takes the way over the C library's `strtod`.
enum ExpositionNumber {
    /// Powers of ten that are exact as a `Double` (Clinger's fast path).
    private static let exactPowers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// The number at `start..<end`; `nil` where it isn't one, or is beyond the range of a `Double`.
    @inline(__always)
    static func parse(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Double? {
        var position = start
        var mantissa: UInt64 = 0
        // Most values are small whole numbers, some with `.0` behind (Python).
        while position < end, position - start < 15, ExpositionBytes.isDigit(bytes[position]) {
            mantissa = mantissa &* 10 &+ UInt64(bytes[position] &- 48)
            position += 1
        }
        if position > start {
            if position == end { return Double(mantissa) }
            if position + 2 == end, bytes[position] == UInt8(ascii: "."), bytes[position + 1] == UInt8(ascii: "0") {
                return Double(mantissa)
            }
        }
        return parseAny(bytes, start, end)
    }

    @inline(never)
    private static func parseAny(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Double? {
        var position = start
        guard position < end else { return nil }
        let isNegative = bytes[position] == UInt8(ascii: "-")
        let hasSign = isNegative || bytes[position] == UInt8(ascii: "+")
        if hasSign { position += 1 }
        guard position < end else { return nil }
        guard ExpositionBytes.isDigit(bytes[position]) || bytes[position] == UInt8(ascii: ".") else {
            return word(bytes, position, end, hasSign: hasSign, isNegative: isNegative)
        }
        guard let decimal = Decimal(bytes, position, end) else { return nil }
        if let value = decimal.value() { return isNegative ? -value : value }
        var text: [UInt8] = []
        for index in position..<end { text.append(bytes[index]) }
        if text.first == UInt8(ascii: ".") { text.insert(UInt8(ascii: "0"), at: 0) }
        guard let value = Double(String(decoding: text, as: UTF8.self)), value.isFinite else { return nil }
        return isNegative ? -value : value
    }

    /// `inf`, `infinity` and, without a sign, `nan`, in any case.
    private static func word(
        _ bytes: Span<UInt8>,
        _ start: Int,
        _ end: Int,
        hasSign: Bool,
        isNegative: Bool
    ) -> Double? {
        func matches(_ word: StaticString) -> Bool {
            guard end - start == word.utf8CodeUnitCount else { return false }
            var text = ""
            for index in start..<end { text.unicodeScalars.append(Unicode.Scalar(bytes[index] | 0x20)) }
            return text == word.description
        }
        if matches("inf") || matches("infinity") { return isNegative ? -.infinity : .infinity }
        return !hasSign && matches("nan") ? .nan : nil
    }

    /// A decimal number in parts.
    struct Decimal {
        /// The digits as a number; the first 19 significant ones.
        var mantissa: UInt64 = 0
        /// The power of ten.
        var exponent = 0
        /// Whether digits didn't fit into `mantissa`.
        var isTruncated = false

        /// Reads digits, a point and an exponent; `nil` where the text is none.
        init?(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) {
            var position = start
            var significant = 0
            var digits = 0
            var isFraction = false
            while position < end {
                let byte = bytes[position]
                if ExpositionBytes.isDigit(byte) {
                    digits += 1
                    if significant < 19 {
                        mantissa = mantissa &* 10 &+ UInt64(byte &- 48)
                        if mantissa != 0 { significant += 1 }
                        if isFraction { exponent -= 1 }
                    } else {
                        isTruncated = true
                        if !isFraction { exponent += 1 }
                    }
                } else if byte == UInt8(ascii: "."), !isFraction {
                    isFraction = true
                } else {
                    break
                }
                position += 1
            }
            guard digits > 0 else { return nil }
            guard position < end else { return }
            guard bytes[position] | 0x20 == UInt8(ascii: "e") else { return nil }
            position += 1
            guard position < end else { return nil }
            let isNegative = bytes[position] == UInt8(ascii: "-")
            if isNegative || bytes[position] == UInt8(ascii: "+") { position += 1 }
            guard position < end else { return nil }
            var power = 0
            while position < end {
                guard ExpositionBytes.isDigit(bytes[position]) else { return nil }
                // Beyond any Double; capped so that it can't overflow.
                power = min(power * 10 + Int(bytes[position] &- 48), 100_000)
                position += 1
            }
            exponent += isNegative ? -power : power
        }

        /// The nearest `Double`; `nil` where that needs the long way.
        func value() -> Double? {
            if mantissa == 0 { return isTruncated ? nil : 0 }
            guard !isTruncated, exponent >= -22, exponent <= 22 else { return nil }
            if mantissa <= 1 << 53 {
                let power = exactPowers[abs(exponent)]
                return exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
            }
            guard exponent >= -19, exponent <= 0 else { return nil }
            return Self.quotient(mantissa, exponent: -exponent)
        }

        /// `mantissa` divided by a power of ten up to 10^19, rounded to the nearest, ties to even.
        ///
        /// The quotient is computed to at least 63 bits with a sticky bit for the rest, so rounding to 53 bits is exact.
        private static func quotient(_ mantissa: UInt64, exponent: Int) -> Double {
            var divisor: UInt64 = 1
            for _ in 0..<exponent { divisor &*= 10 }
            let shift = mantissa.leadingZeroBitCount + 63
            let (quotient, remainder) = (UInt128(mantissa) << UInt128(shift)).quotientAndRemainder(
                dividingBy: UInt128(divisor)
            )
            let excess = max(0, 64 - quotient.leadingZeroBitCount)
            let isInexact = remainder != 0 || (excess > 0 && quotient & (1 << UInt128(excess) - 1) != 0)
            let top = UInt64(truncatingIfNeeded: quotient >> UInt128(excess)) | (isInexact ? 1 : 0)
            return Double(sign: .plus, exponent: excess - shift, significand: Double(top))
        }
    }
}
