// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Quantities as the API server writes them: `1000m` as `1`, `0.5Gi` as `512Mi`.
enum CanonicalQuantity {
    private static let decimal: [(suffix: String, exponent: Int)] = [
        ("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9),
    ]
    private static let binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    /// The unit of the arithmetic: nothing is finer than a billionth.
    private static let one: Int128 = 1_000_000_000

    /// The canonical form of a quantity; what isn't one stays as it is.
    static func of(_ value: JSONValue) -> JSONValue {
        guard let text = value.string ?? (value.double == nil ? nil : value.jsonText) else { return value }
        return of(text).map(JSONValue.string) ?? value
    }

    /// The canonical form of `text`; `nil` when it isn't a quantity.
    static func of(_ text: String) -> String? {
        let digits = text.prefix { "0123456789.+-".contains($0) }
        let suffix = String(text.dropFirst(digits.count))
        guard let (mantissa, fraction) = number(digits) else { return nil }
        if let power = binary.firstIndex(of: suffix), power > 0 {
            let (scaled, overflow) = mantissa.multipliedReportingOverflow(by: one << Int128(10 * power))
            guard !overflow else { return text }
            let amount = divided(scaled, by: powerOfTen(fraction))
            return amount % one == 0 && abs(amount / one) >= 1024 ? writtenBinary(amount / one) : written(amount)
        }
        var exponent = decimal.first { $0.suffix == suffix }?.exponent
        if exponent == nil, let first = suffix.first, first == "e" || first == "E" {
            exponent = Int(suffix.dropFirst())
        }
        guard let exponent, abs(exponent) <= 18 else { return exponent == nil ? nil : text }
        let shift = exponent - fraction + 9
        guard shift > -30 else { return text }
        if shift < 0 { return written(divided(mantissa, by: powerOfTen(-shift))) }
        let (amount, overflow) = mantissa.multipliedReportingOverflow(by: powerOfTen(shift))
        return overflow ? text : written(amount)
    }

    /// The digits without the point, and how many stood after it.
    private static func number(_ text: Substring) -> (Int128, Int)? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count == 2 ? parts[1] : ""
        guard fraction.utf8.count <= 18, fraction.utf8.allSatisfy({ (48...57).contains($0) }),
            text.utf8.contains(where: { (48...57).contains($0) }), text.utf8.count <= 30,
            let mantissa = Int128(String(parts.first ?? "") + fraction)
        else { return nil }
        return (mantissa, fraction.utf8.count)
    }

    private static func powerOfTen(_ exponent: Int) -> Int128 {
        var power: Int128 = 1
        for _ in 0..<min(exponent, 36) { power *= 10 }
        return power
    }

    /// Rounds away from zero, as the API server does.
    private static func divided(_ amount: Int128, by divisor: Int128) -> Int128 {
        let (quotient, remainder) = amount.quotientAndRemainder(dividingBy: divisor)
        return remainder == 0 ? quotient : quotient + (amount < 0 ? -1 : 1)
    }

    private static func written(_ amount: Int128) -> String {
        if amount == 0 { return "0" }
        for (suffix, exponent) in decimal {
            let unit = powerOfTen(exponent + 9)
            if amount % unit == 0 { return "\(amount / unit)\(suffix)" }
        }
        return "\(amount)n"
    }

    private static func writtenBinary(_ amount: Int128) -> String {
        var rest = amount
        var power = 0
        while power < binary.count - 1, rest % 1024 == 0 {
            rest /= 1024
            power += 1
        }
        return "\(rest)\(binary[power])"
    }
}
