// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension Quantity {
    private struct Suffix {
        let text: String
        let format: Format
        /// The exponent of 10, or of 2 for the binary format.
        let exponent: Int
    }

    private static let suffixes: [Suffix] = [
        Suffix(text: "n", format: .decimal, exponent: -9), Suffix(text: "u", format: .decimal, exponent: -6),
        Suffix(text: "m", format: .decimal, exponent: -3), Suffix(text: "", format: .decimal, exponent: 0),
        Suffix(text: "k", format: .decimal, exponent: 3), Suffix(text: "M", format: .decimal, exponent: 6),
        Suffix(text: "G", format: .decimal, exponent: 9), Suffix(text: "T", format: .decimal, exponent: 12),
        Suffix(text: "P", format: .decimal, exponent: 15), Suffix(text: "E", format: .decimal, exponent: 18),
        Suffix(text: "Ki", format: .binary, exponent: 10), Suffix(text: "Mi", format: .binary, exponent: 20),
        Suffix(text: "Gi", format: .binary, exponent: 30), Suffix(text: "Ti", format: .binary, exponent: 40),
        Suffix(text: "Pi", format: .binary, exponent: 50), Suffix(text: "Ei", format: .binary, exponent: 60),
    ]

    /// Parses a quantity; `nil` when the text is none.
    public init?(_ text: String) {
        guard text.utf8.count <= 256 else { return nil }
        var rest = Array(text.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        let whole = Self.digits(&rest)
        var fraction: [UInt8] = []
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = Self.digits(&rest)
        }
        guard !whole.isEmpty || !fraction.isEmpty, let suffix = Self.suffix(rest) else { return nil }
        let amount = Self.scaled(digits: whole + fraction, decimals: fraction.count, by: suffix)
        self.init(nanos: isNegative ? -amount : amount, format: suffix.format)
    }

    private static func digits(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        rest = rest.dropFirst(digits.count)
        return digits.map { $0 - UInt8(ascii: "0") }
    }

    private static func suffix(_ rest: ArraySlice<UInt8>) -> Suffix? {
        let text = String(decoding: rest, as: UTF8.self)
        if let suffix = suffixes.first(where: { $0.text == text }) { return suffix }
        guard let first = text.first, first == "e" || first == "E" else { return nil }
        var digits = text.dropFirst()
        if digits.first == "+" || digits.first == "-" { digits = digits.dropFirst() }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        // An exponent too large for an Int16 is beyond every bound anyway.
        let exponent = Int16(text.dropFirst()) ?? (text.dropFirst().first == "-" ? -1000 : 1000)
        return Suffix(text: text, format: .exponent, exponent: Int(exponent))
    }

    /// The magnitude in 10⁻⁹, rounded up, cut to the largest amount.
    private static func scaled(digits: [UInt8], decimals: Int, by suffix: Suffix) -> Int128 {
        // digits · 10^power · 2^shift
        var power = 9 - decimals
        var shift = 0
        if suffix.format == .binary { shift = suffix.exponent } else { power += suffix.exponent }
        var digits = Array(digits.drop { $0 == 0 })
        while digits.last == 0 {
            digits.removeLast()
            power += 1
        }
        guard !digits.isEmpty else { return 0 }
        // More than 10^28 (and at least one digit) is beyond 2^63 units.
        if digits.count + power > 29 { return largest }
        var isInexact = false
        // Digits below 10^-24 can only matter for rounding up, also after a shift by 2^60 (about 10^18).
        while power < -24, !digits.isEmpty {
            let dropped = digits.removeLast()
            isInexact = isInexact || dropped != 0
            power += 1
        }
        if digits.isEmpty { return 1 }
        var number: UInt128 = 0
        for digit in digits {
            let (product, overflow) = number.multipliedReportingOverflow(by: 10)
            if overflow { return overflown(digits, power, shift, isInexact) }
            number = product + UInt128(digit)
        }
        let (high, low) = number.multipliedFullWidth(by: UInt128(1) << UInt128(shift))
        return quotient(high: high, low: low, power: power, isInexact: isInexact)
    }

    /// More than 38 digits: drops the last one, which can only matter for rounding up.
    private static func overflown(_ digits: [UInt8], _ power: Int, _ shift: Int, _ isInexact: Bool) -> Int128 {
        var number: UInt128 = 0
        let kept = digits.prefix(37)
        for digit in kept { number = number * 10 + UInt128(digit) }
        let (high, low) = number.multipliedFullWidth(by: UInt128(1) << UInt128(shift))
        return quotient(high: high, low: low, power: power + digits.count - kept.count, isInexact: true)
    }

    /// `(high, low) · 10^power`, rounded up.
    private static func quotient(high: UInt128, low: UInt128, power: Int, isInexact: Bool) -> Int128 {
        if power >= 0 {
            guard high == 0 else { return largest }
            var number = low
            for _ in 0..<power {
                let (product, overflow) = number.multipliedReportingOverflow(by: 10)
                if overflow { return largest }
                number = product
            }
            return number + (isInexact ? 1 : 0) > UInt128(largest) ? largest : Int128(number) + (isInexact ? 1 : 0)
        }
        var divisor: UInt128 = 1
        for _ in 0..<(-power) { divisor *= 10 }
        guard high < divisor else { return largest }
        let (quotient, remainder) = divisor.dividingFullWidth((high, low))
        if quotient >= UInt128(largest) { return largest }
        return Int128(quotient) + (remainder > 0 || isInexact ? 1 : 0)
    }

    /// The canonical text: the largest suffix that leaves a whole number.
    public var description: String {
        guard nanos != 0 else { return "0" }
        switch format {
        case .binary:
            // Below 1 Ki and in fractions the binary format is written as the decimal one.
            if nanos.magnitude < UInt128(Self.unit) * 1024 || nanos % Self.unit != 0 { return decimalText }
            var number = nanos / Self.unit
            var step = 0
            while number % 1024 == 0, step < 6 {
                number /= 1024
                step += 1
            }
            return String(number) + ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][step]
        case .decimal: return decimalText
        case .exponent:
            let (number, exponent) = decimalParts
            return exponent == 0 ? String(number) : "\(number)e\(exponent)"
        }
    }

    private var decimalText: String {
        let (number, exponent) = decimalParts
        return String(number) + (Self.suffixes.first { $0.format == .decimal && $0.exponent == exponent }?.text ?? "")
    }

    /// Number and exponent, a multiple of 3 from -9 to 18, with the smallest number that is whole.
    private var decimalParts: (number: Int128, exponent: Int) {
        var number = nanos
        var exponent = -9
        while number % 1000 == 0, exponent < 18 {
            number /= 1000
            exponent += 3
        }
        return (number, exponent)
    }
}
