// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension JSONReader {
    // MARK: Strings

    /// Reads a string; names share their storage with equal ones that came lately.
    mutating func string(isName: Bool = false) throws(JSONError) -> String {
        position += 1
        let start = position
        var all: UInt8 = 0
        while position < count {
            let byte = unsafe bytes[position]
            if byte == UInt8(ascii: "\"") {
                let length = position - start
                position += 1
                return try text(start, length, isPlain: all < 0x80, isName: isName)
            }
            if byte == UInt8(ascii: "\\") || byte < 0x20 { break }
            all |= byte
            position += 1
        }
        return try escapedString(from: start)
    }

    private mutating func text(_ start: Int, _ length: Int, isPlain: Bool, isName: Bool) throws(JSONError) -> String {
        let buffer = unsafe UnsafeBufferPointer(start: bytes + start, count: length)
        // Up to 15 bytes lie in the string itself.
        guard isName, length > 15 else {
            if isPlain { return unsafe String(decoding: buffer, as: UTF8.self) }
            guard let text = unsafe String(validating: buffer, as: UTF8.self) else {
                throw failure("a string isn't valid UTF-8")
            }
            return text
        }
        var hash = UInt(truncatingIfNeeded: length)
        for index in stride(from: 0, to: length, by: 3) { hash = unsafe hash &* 31 &+ UInt(buffer[index]) }
        let place = Int(hash % UInt(known.count))
        if let text = known[place], unsafe text.utf8.count == length && text.utf8.elementsEqual(buffer) { return text }
        guard let text = unsafe String(validating: buffer, as: UTF8.self) else {
            throw failure("a string isn't valid UTF-8")
        }
        known[place] = text
        return text
    }

    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var unescaped = unsafe Array(UnsafeBufferPointer(start: bytes + start, count: position - start))
        while true {
            switch current {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: unescaped, as: UTF8.self) else {
                    throw failure("a string isn't valid UTF-8")
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &unescaped)
            case .some(let byte) where byte >= 0x20:
                unescaped.append(byte)
                position += 1
            case .some: throw failure("a control character in a string must be escaped")
            case nil: throw failure("a string has no end")
            }
        }
    }

    private mutating func escape(into unescaped: inout [UInt8]) throws(JSONError) {
        guard let byte = current else { throw failure("a string has no end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): unescaped.append(byte)
        case UInt8(ascii: "b"): unescaped.append(0x08)
        case UInt8(ascii: "f"): unescaped.append(0x0c)
        case UInt8(ascii: "n"): unescaped.append(0x0a)
        case UInt8(ascii: "r"): unescaped.append(0x0d)
        case UInt8(ascii: "t"): unescaped.append(0x09)
        case UInt8(ascii: "u"): unescaped.append(contentsOf: String(try unicodeEscape()).utf8)
        default: throw failure("unknown escape")
        }
    }

    /// Four hexadecimal digits, or two such escapes of a surrogate pair; a lone surrogate becomes U+FFFD as in Go.
    private mutating func unicodeEscape() throws(JSONError) -> Character {
        let high = try hexadecimal()
        guard (0xd800...0xdbff).contains(high) else { return Character(Unicode.Scalar(high) ?? "\u{fffd}") }
        let mark = position
        if current == UInt8(ascii: "\\"), position + 1 < count, unsafe bytes[position + 1] == UInt8(ascii: "u") {
            position += 2
            let low = try hexadecimal()
            if (0xdc00...0xdfff).contains(low) {
                let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00))
                return Character(scalar ?? "\u{fffd}")
            }
            position = mark
        }
        return "\u{fffd}"
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        guard position + 4 <= count else { throw failure("a \\u escape needs four hexadecimal digits") }
        var number: UInt32 = 0
        for index in position..<position + 4 {
            guard let digit = unsafe Character(Unicode.Scalar(bytes[index])).hexDigitValue else {
                throw failure("a \\u escape needs four hexadecimal digits")
            }
            number = number << 4 | UInt32(digit)
        }
        position += 4
        return number
    }

    // MARK: Numbers

    /// Whether a byte is a decimal digit.
    func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

    /// Reads a number.
    mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        let isNegative = current == UInt8(ascii: "-")
        if isNegative { position += 1 }
        guard let first = current, isDigit(first) else { throw failure("expected a digit") }
        var digits: UInt64 = 0
        var significant = 0
        if first == UInt8(ascii: "0") { position += 1 } else { readDigits(&digits, &significant) }
        if let next = current, isDigit(next) { throw failure("a number may not begin with 0") }
        var exponent = 0
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            let mark = position
            readDigits(&digits, &significant)
            exponent = mark - position
            if exponent == 0 { throw failure("expected a digit") }
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            exponent += try writtenExponent()
        }
        if significant <= 19 {
            if isWhole, !(isNegative && digits == 0) {
                if !isNegative, let integer = Int64(exactly: digits) { return .integer(integer) }
                if isNegative, digits <= UInt64(Int64.max) + 1 {
                    return .integer(Int64(truncatingIfNeeded: 0 &- digits))
                }
            }
            let decimal = DecimalNumber(digits: digits, exponent: exponent, isNegative: isNegative)
            if let double = decimal.nearestDouble { return .double(double) }
        }
        let text = unsafe String(
            decoding: UnsafeBufferPointer(start: bytes + start, count: position - start),
            as: UTF8.self
        )
        guard let double = Double(text), double.isFinite else {
            position = start
            throw failure("the number \(text) is out of range")
        }
        return .double(double)
    }

    /// Reads digits onto `digits`; `significant` counts them from the first that isn't 0. Beyond 19 the number is no good.
    private mutating func readDigits(_ digits: inout UInt64, _ significant: inout Int) {
        while position < count, isDigit(unsafe bytes[position]) {
            digits = unsafe digits &* 10 &+ UInt64(bytes[position] &- UInt8(ascii: "0"))
            if digits != 0 || significant > 0 { significant += 1 }
            position += 1
        }
    }

    private mutating func writtenExponent() throws(JSONError) -> Int {
        position += 1
        let isNegative = current == UInt8(ascii: "-")
        if isNegative || current == UInt8(ascii: "+") { position += 1 }
        guard let first = current, isDigit(first) else { throw failure("expected a digit") }
        var exponent = 0
        while let byte = current, isDigit(byte) {
            exponent = min(exponent * 10 + Int(byte - UInt8(ascii: "0")), 1_000_000)
            position += 1
        }
        return isNegative ? -exponent : exponent
    }

    // MARK: What isn't kept

    /// Passes over a value, however deep it is: its strings and brackets are followed, nothing else is looked at.
    mutating func skipValue() throws(JSONError) {
        var open = 0
        while position < count {
            switch unsafe bytes[position] {
            case UInt8(ascii: "\""):
                try skipString()
                if open == 0 { return }
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                open += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if open == 0 { return }
                open -= 1
                position += 1
                if open == 0 { return }
            case UInt8(ascii: ",") where open == 0: return
            default: position += 1
            }
        }
        throw failure("unexpected end of the text")
    }

    private mutating func skipString() throws(JSONError) {
        position += 1
        while position < count {
            switch unsafe bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        throw failure("a string has no end")
    }
}
