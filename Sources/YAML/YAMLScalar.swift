// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A scalar with its type, as `kubectl` (sigs.k8s.io/yaml over go-yaml 2) reads it; checked against kubectl 1.32.
///
/// | text without quotes | type |
/// |---|---|
/// | `true` `yes` `on` `y`, `false` `no` `off` `n`, each in lower case, Capitalised and UPPER CASE | boolean |
/// | nothing, `~` `null` `Null` `NULL` | null |
/// | `12` `+12` `-1_000` `0x1F` `0b101` `0o17` `017` | integer; `017` and `0o17` are octal, `_` is left out |
/// | `1.10` `1.` `.5` `1e3` `08` | number; `1.10` is 1.1, as anyone finds out who forgets the quotes of a version |
/// | decimal integers beyond 64 bits | number, rounded |
/// | `.inf` `.nan` | number without a JSON form: an error |
/// | everything else, with `190:20:30`, `2001-12-14`, `1e400`, `0x` beyond 64 bits | string |
enum YAMLScalar: Hashable {
    /// Null.
    case null
    /// A boolean.
    case bool(Bool)
    /// An integer within `Int64`.
    case integer(Int64)
    /// Beyond `Int64`, within `UInt64`.
    case unsigned(UInt64)
    /// A number; may be infinite or NaN.
    case float(Double)
    /// A date, as its text; JSON has it as a string.
    case timestamp(String)
    /// A string.
    case string(String)

    /// The type of a scalar without quotes and without tag.
    static func resolve(_ text: String, allowsTimestamp: Bool = true) -> YAMLScalar {
        guard let first = text.utf8.first else { return .null }
        switch first {
        case UInt8(ascii: "~"): return text == "~" ? .null : .string(text)
        case UInt8(ascii: "."): return fraction(text) ?? .string(text)
        case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            if let infinity = infinities[text] { return infinity }
            if allowsTimestamp, isTimestamp(text) { return .timestamp(text) }
            return number(text) ?? .string(text)
        default: return text.utf8.count <= 5 ? words[text] ?? .string(text) : .string(text)
        }
    }

    /// The word for the type in messages: go-yaml's tags.
    var tag: String {
        switch self {
        case .null: "!!null"
        case .bool: "!!bool"
        case .integer, .unsigned: "!!int"
        case .float: "!!float"
        case .timestamp: "!!timestamp"
        case .string: "!!str"
        }
    }

    private static let words: [String: YAMLScalar] = {
        var words: [String: YAMLScalar] = [:]
        let groups: [(YAMLScalar, [String])] = [
            (.bool(true), ["y", "yes", "true", "on"]), (.bool(false), ["n", "no", "false", "off"]), (.null, ["null"]),
        ]
        for (value, texts) in groups {
            for text in texts {
                words[text] = value
                words[text.prefix(1).uppercased() + text.dropFirst()] = value
                words[text.uppercased()] = value
            }
        }
        return words
    }()

    private static let infinities: [String: YAMLScalar] = [
        "+.inf": .float(.infinity), "+.Inf": .float(.infinity), "+.INF": .float(.infinity),
        "-.inf": .float(-.infinity), "-.Inf": .float(-.infinity), "-.INF": .float(-.infinity),
    ]

    /// A text that begins with a full stop: `.5`, with `_` allowed only between digits, `.inf`, `.nan`.
    private static func fraction(_ text: String) -> YAMLScalar? {
        switch text {
        case ".inf", ".Inf", ".INF": return .float(.infinity)
        case ".nan", ".NaN", ".NAN": return .float(.nan)
        default:
            let bytes = Array(text.utf8)
            for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
                guard index + 1 < bytes.count, isDigit(bytes[index - 1]), isDigit(bytes[index + 1]) else { return nil }
            }
            return float(bytes.filter { $0 != UInt8(ascii: "_") })
        }
    }

    /// A text that begins with a digit or a sign, as an integer of any base or a float.
    private static func number(_ text: String) -> YAMLScalar? {
        let plain = text.utf8.filter { $0 != UInt8(ascii: "_") }
        var digits = plain[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            digits = digits.dropFirst()
        }
        let isSigned = digits.count < plain.count
        var radix = 10
        if digits.count > 1, digits.first == UInt8(ascii: "0") {
            switch digits[digits.startIndex + 1] {
            case UInt8(ascii: "x"), UInt8(ascii: "X"): radix = 16
            case UInt8(ascii: "b"), UInt8(ascii: "B"): radix = 2
            case UInt8(ascii: "o"), UInt8(ascii: "O"): radix = 8
            default:
                radix = 8
                digits = digits.dropFirst()
            }
            if digits.count + (isSigned ? 1 : 0) == plain.count { digits = digits.dropFirst(2) }
        }
        if let magnitude = magnitude(digits, radix: radix) {
            if isNegative {
                if magnitude <= UInt64(Int64.max) { return .integer(-Int64(magnitude)) }
                if magnitude == UInt64(Int64.max) + 1 { return .integer(.min) }
            } else if let integer = Int64(exactly: magnitude) {
                return .integer(integer)
            } else if !isSigned {
                return .unsigned(magnitude)
            }
        }
        return float(plain)
    }

    /// The number that digits without a sign stand for; `nil` where one is no digit or the number needs over 64 bits.
    private static func magnitude(_ digits: ArraySlice<UInt8>, radix: Int) -> UInt64? {
        guard !digits.isEmpty, digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else {
            return nil
        }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: radix)
    }

    /// `[-+]? (. digits | digits (. digits?)?) (e [-+]? digits)?`, within the range of a double.
    private static func float(_ bytes: [UInt8]) -> YAMLScalar? {
        var rest = bytes[...]
        func skipSign() {
            if rest.first == UInt8(ascii: "-") || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        }
        func skipDigits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest = rest.dropFirst(count)
            return count
        }
        skipSign()
        let whole = skipDigits()
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst()
            fraction = skipDigits()
        }
        guard whole + fraction > 0 else { return nil }
        if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
            rest = rest.dropFirst()
            skipSign()
            guard skipDigits() > 0 else { return nil }
        }
        guard rest.isEmpty, let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else {
            return nil
        }
        return .float(value)
    }

    /// Whether the text has the shape of a date (`2001-12-14`), alone or with a time of day after it.
    private static func isTimestamp(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.prefix(while: isDigit).count == 4 else { return false }
        var rest = bytes.dropFirst(4)
        for _ in 0..<2 {
            guard rest.first == UInt8(ascii: "-") else { return false }
            rest = rest.dropFirst()
            let count = rest.prefix(while: isDigit).count
            guard count == 1 || count == 2 else { return false }
            rest = rest.dropFirst(count)
        }
        guard let separator = rest.first else { return true }
        return separator == UInt8(ascii: "T") || separator == UInt8(ascii: "t") || separator == UInt8(ascii: " ")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
