// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Errors in the words of the real server's JSON parser, which users see and search for.
enum GoWording {
    /// What is wrong with a JSON text.
    static func text(_ error: JSONError, _ bytes: [UInt8]) -> String {
        guard error.offset < bytes.count else { return "unexpected end of JSON input" }
        let byte = bytes[error.offset]
        let shown = byte < 0x20 || byte > 0x7e ? "\\u00" + hex(byte) : String(UnicodeScalar(byte))
        if byte == UInt8(ascii: "o"), error.offset == 1, bytes[0] == UInt8(ascii: "n") {
            return "invalid character 'o' in literal null (expecting 'u')"
        }
        return "invalid character '\(shown)' looking for beginning of \(place(bytes, error.offset))"
    }

    /// The start of a body as error messages quote it.
    static func summary(_ bytes: [UInt8]) -> String {
        let limit = 30
        if bytes.isEmpty { return "<empty>" }
        let start = Array(bytes.prefix(limit))
        let end = bytes.count > limit ? " ..." : ""
        if bytes[0] == UInt8(ascii: "{") { return String(decoding: start, as: UTF8.self) + end }
        return start.map(hex).joined() + end
    }

    /// A number as Go's JSON writer has it: with an exponent below 1e-6 and from 1e21 on.
    static func number(_ json: JSONValue) -> String {
        let text = json.jsonText
        guard let mark = text.firstIndex(of: "e"), let exponent = Int(text[text.index(after: mark)...]) else {
            return text
        }
        let sign = text.hasPrefix("-") ? "-" : ""
        let mantissa = text[..<mark].filter { $0 != "-" }
        guard (-6..<21).contains(exponent) else {
            return "\(sign)\(mantissa)e\(exponent < 0 ? "-" : "+")\(exponent.magnitude)"
        }
        let digits = mantissa.filter { $0 != "." }
        func zeros(_ count: Int) -> String { String(repeating: "0", count: max(0, count)) }
        if exponent < 0 { return "\(sign)0.\(zeros(-exponent - 1))\(digits)" }
        let fraction = digits.dropFirst(exponent + 1)
        return sign + digits.prefix(exponent + 1) + zeros(exponent + 1 - digits.count)
            + (fraction.isEmpty ? "" : ".\(fraction)")
    }

    /// A value as Go prints it with `%+v`: `map[a:1 b:<nil> c:[x y]]`.
    static func value(_ json: JSONValue) -> String {
        if let members = json.object {
            return "map[" + members.map { "\($0.key):\(value($0.value))" }.joined(separator: " ") + "]"
        }
        if let elements = json.array { return "[" + elements.map(value).joined(separator: " ") + "]" }
        return json.isNull ? "<nil>" : json.string ?? json.jsonText
    }

    /// A value as Go prints it with `%#v`: `map[string]interface {}{"a":1, "b":interface {}(nil)}`.
    static func syntax(_ json: JSONValue) -> String {
        if let members = json.object {
            let parts = members.map { "\(JSONValue.string($0.key).jsonText):\(syntax($0.value))" }
            return "\(type(json)){\(parts.joined(separator: ", "))}"
        }
        if let elements = json.array { return "\(type(json)){\(elements.map(syntax).joined(separator: ", "))}" }
        return json.isNull ? "interface {}(nil)" : json.jsonText
    }

    /// The type that Go has for a value.
    static func type(_ json: JSONValue) -> String {
        switch json {
        case .null: "<nil>"
        case .bool: "bool"
        case .integer: "int64"
        case .double: "float64"
        case .string: "string"
        case .array: "[]interface {}"
        case .object: "map[string]interface {}"
        }
    }

    private static func place(_ bytes: [UInt8], _ offset: Int) -> String {
        let before = bytes[..<offset].last { ![9, 10, 13, 32].contains($0) }
        return before == UInt8(ascii: "{") ? "object key string" : "value"
    }

    private static func hex(_ byte: UInt8) -> String {
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
    }
}
