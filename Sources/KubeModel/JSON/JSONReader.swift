// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Parses one JSON text (RFC 8259).
    ///
    /// Of members with one name the last wins; `duplicates` receives their paths (`spec.replicas`), as the API server's
    /// field validation reports them.
    /// - Throws: `JSONError` with the offset.
    public init(
        parsing bytes: [UInt8],
        limits: JSONLimits = JSONLimits(),
        duplicates: inout [String]
    ) throws(JSONError) {
        guard bytes.count <= limits.bytes else {
            throw JSONError("the text has \(bytes.count) bytes, the limit is \(limits.bytes)", offset: limits.bytes)
        }
        var reader = JSONReader(bytes: bytes, maximumDepth: limits.depth)
        self = try reader.document()
        duplicates = reader.duplicates
    }

    /// Parses one JSON text (RFC 8259); of members with one name the last wins.
    /// - Throws: `JSONError` with the offset.
    public init(parsing bytes: [UInt8], limits: JSONLimits = JSONLimits()) throws(JSONError) {
        var duplicates: [String] = []
        try self.init(parsing: bytes, limits: limits, duplicates: &duplicates)
    }

    /// Parses one JSON text (RFC 8259); of members with one name the last wins.
    /// - Throws: `JSONError` with the offset.
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        try self.init(parsing: Array(text.utf8), limits: limits)
    }
}

/// A recursive-descent reader over whole bytes; depth is bounded.
struct JSONReader {
    /// One step of the path to the value that is being read.
    private enum Step {
        case member(String)
        case element(Int)
    }

    private let bytes: [UInt8]
    private let maximumDepth: Int
    private var position = 0
    private var depth = 0
    private var path: [Step] = []
    private(set) var duplicates: [String] = []

    init(bytes: [UInt8], maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
    }

    mutating func document() throws(JSONError) -> JSONValue {
        skipSpace()
        let result = try value()
        skipSpace()
        guard position == bytes.count else { throw failure("expected the end of the text") }
        return result
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func failure(_ message: String) -> JSONError { JSONError(message, offset: position) }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        switch current {
        case UInt8(ascii: "{"): return try nested { (reader) throws(JSONError) in try reader.object() }
        case UInt8(ascii: "["): return try nested { (reader) throws(JSONError) in try reader.array() }
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(let byte) where byte == UInt8(ascii: "-") || isDigit(byte): return try number()
        case nil: throw failure("unexpected end of the text")
        case .some: throw failure("expected a value")
        }
    }

    private mutating func nested(
        _ body: (inout JSONReader) throws(JSONError) -> JSONValue
    ) throws(JSONError) -> JSONValue {
        depth += 1
        guard depth <= maximumDepth else { throw failure("nested more than \(maximumDepth) levels deep") }
        let result = try body(&self)
        depth -= 1
        return result
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in "\(text)".utf8 {
            guard current == byte else { throw failure("expected \(text)") }
            position += 1
        }
        return value
    }

    private mutating func object() throws(JSONError) -> JSONValue {
        position += 1
        var pairs: [(String, JSONValue)] = []
        skipSpace()
        if current == UInt8(ascii: "}") {
            position += 1
            return .emptyObject
        }
        while true {
            guard current == UInt8(ascii: "\"") else { throw failure("expected a member name in quotes") }
            let key = try string()
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw failure("expected a colon after \"\(key)\"") }
            position += 1
            skipSpace()
            path.append(.member(key))
            pairs.append((key, try value()))
            path.removeLast()
            skipSpace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipSpace()
            case UInt8(ascii: "}"):
                position += 1
                let members = JSONObject(pairs: pairs)
                if members.count < pairs.count { noteDuplicates(pairs) }
                return .object(members)
            default: throw failure("expected a comma or }")
            }
        }
    }

    private mutating func noteDuplicates(_ pairs: [(String, JSONValue)]) {
        var seen: Set<String> = []
        var noted: Set<String> = []
        for (key, _) in pairs where !seen.insert(key).inserted && noted.insert(key).inserted {
            duplicates.append(text(of: path + [.member(key)]))
        }
    }

    /// `spec.containers[0].name`
    private func text(of path: [Step]) -> String {
        var text = ""
        for step in path {
            switch step {
            case .member(let key): text += text.isEmpty ? key : ".\(key)"
            case .element(let index): text += "[\(index)]"
            }
        }
        return text
    }

    private mutating func array() throws(JSONError) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            path.append(.element(elements.count))
            elements.append(try value())
            path.removeLast()
            skipSpace()
            switch current {
            case UInt8(ascii: ","):
                position += 1
                skipSpace()
            case UInt8(ascii: "]"):
                position += 1
                return .array(elements)
            default: throw failure("expected a comma or ]")
            }
        }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        guard let first = current, isDigit(first) else { throw failure("expected a digit") }
        position += 1
        if first != UInt8(ascii: "0") { skipDigits() }
        if let next = current, isDigit(next) { throw failure("a number may not begin with 0") }
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            try requireDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try requireDigits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, text != "-0", let integer = Int64(text) { return .integer(integer) }
        guard let double = Double(text), double.isFinite else {
            position = start
            throw failure("the number \(text) is out of range")
        }
        return .double(double)
    }

    private mutating func requireDigits() throws(JSONError) {
        guard let byte = current, isDigit(byte) else { throw failure("expected a digit") }
        skipDigits()
    }

    private mutating func skipDigits() {
        while let byte = current, isDigit(byte) { position += 1 }
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
            position += 1
        }
        if current == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var unescaped = Array(bytes[start..<position])
        while true {
            switch current {
            case UInt8(ascii: "\""):
                position += 1
                return try text(unescaped[...])
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

    private func text(_ slice: ArraySlice<UInt8>) throws(JSONError) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw failure("a string isn't valid UTF-8")
        }
        return text
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
        if current == UInt8(ascii: "\\"), position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: "u") {
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
        guard position + 4 <= bytes.count else { throw failure("a \\u escape needs four hexadecimal digits") }
        var number: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("a \\u escape needs four hexadecimal digits")
            }
            number = number << 4 | UInt32(digit)
        }
        position += 4
        return number
    }
}
