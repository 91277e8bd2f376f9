// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// The shortest decimal that reads back as the same number: `digits` with the point before digit `point`.
struct ShortestDecimal {
    private let isNegative: Bool
    private let digits: [UInt8]
    private let point: Int
    private let value: Double

    /// The decimal of a finite double.
    init(_ value: Double) { self.init(text: value.description, value: value) }

    /// The decimal of a finite float.
    init(_ value: Float) { self.init(text: value.description, value: Double(value)) }

    private init(text: String, value: Double) {
        self.value = value
        var digits: [UInt8] = []
        var whole: Int?
        var exponent = 0
        let parts = text.split(separator: "e", maxSplits: 1)
        if parts.count == 2 { exponent = Int(parts[1]) ?? 0 }
        for byte in (parts.first ?? "").utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(byte)
            case UInt8(ascii: "."): whole = digits.count
            default: continue
            }
        }
        var point = (whole ?? digits.count) + exponent
        let leading = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(leading)
        point -= leading
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        isNegative = text.hasPrefix("-") && !digits.isEmpty
        self.digits = digits
        self.point = digits.isEmpty ? 1 : point
    }

    /// The JSON number that Kubernetes makes of it: written as Go writes floats, a whole number below 1e21 has no
    /// exponent and is then read as an integer where it fits 64 bits.
    var json: JSONValue {
        guard point >= digits.count, point <= 21 else { return .double(value) }
        let zeros = String(repeating: "0", count: point - digits.count)
        let text = (isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self) + zeros
        return Int64(text).map { .integer($0) } ?? .double(value)
    }

    /// The text that Go's `%g` gives, which is what a key becomes: with an exponent when that is below -4 or above 5.
    var keyText: String {
        let sign = isNegative ? "-" : ""
        guard !digits.isEmpty else { return "0" }
        let exponent = point - 1
        let first = String(decoding: digits.prefix(1), as: UTF8.self)
        if exponent < -4 || exponent > 5 {
            let rest = String(decoding: digits.dropFirst(), as: UTF8.self)
            let magnitude = String(abs(exponent))
            return sign + first + (rest.isEmpty ? "" : "." + rest) + "e" + (exponent < 0 ? "-" : "+")
                + (magnitude.utf8.count < 2 ? "0" : "") + magnitude
        }
        let text = String(decoding: digits, as: UTF8.self)
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + text }
        if point >= digits.count { return sign + text + String(repeating: "0", count: point - digits.count) }
        return sign + text.prefix(point) + "." + text.dropFirst(point)
    }
}
