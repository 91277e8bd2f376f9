// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The query of a request, decoded.
package struct QueryItems: Sendable {
    private var items: [(name: String, value: String)] = []

    /// Decodes `a=1&b=%20`; a plus sign is a space.
    package init(_ query: Substring) {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            items.append(
                (
                    PercentCoding.decoded(parts[0], plusIsSpace: true),
                    parts.count > 1 ? PercentCoding.decoded(parts[1], plusIsSpace: true) : ""
                )
            )
        }
    }

    /// The first value of a name.
    package subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }

    /// All values of a name.
    func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    /// The number that a name has; `nil` without one.
    func number(_ name: String) throws(APIStatus) -> Int64? {
        guard let text = self[name], !text.isEmpty else { return nil }
        if let number = Int64(text) { return number }
        let digits = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
        let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { (48...57).contains($0) }
        let why = isNumber ? "value out of range" : "invalid syntax"
        throw .badRequest("strconv.ParseInt: parsing \"\(text)\": \(why)")
    }

    /// Whether a flag is set: `1`, `true`, or present without a value, as Kubernetes reads it.
    func flag(_ name: String) -> Bool {
        guard let value = self[name] else { return false }
        return value != "0" && value.lowercased() != "false"
    }
}

/// Percent-encoding in URLs (RFC 3986).
enum PercentCoding {
    /// The text with `%41` and the like decoded; a broken escape stays as it is.
    static func decoded(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let high = digit(bytes[index + 1]),
                let low = digit(bytes[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
                continue
            }
            result.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            index += 1
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The text with everything escaped but letters, digits and `-._~`.
    static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(Unicode.Scalar(byte))
            let isPlain = byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character))
            return isPlain ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}
