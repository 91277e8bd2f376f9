// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What single bytes mean in a metrics page.
enum ExpositionBytes {
    /// Ends a line.
    static let lineFeed = UInt8(ascii: "\n")
    /// Separates the parts of a line.
    static let space = UInt8(ascii: " ")
    /// Separates too, in Prometheus text.
    static let tab = UInt8(ascii: "\t")
    /// Surrounds label values, and names of UTF-8.
    static let quote = UInt8(ascii: "\"")
    /// Begins an escape.
    static let backslash = UInt8(ascii: "\\")
    /// Begins a comment, or an exemplar.
    static let hash = UInt8(ascii: "#")
    /// Begins the labels.
    static let braceOpen = UInt8(ascii: "{")
    /// Ends the labels.
    static let braceClose = UInt8(ascii: "}")
    /// Stands between a label's name and value.
    static let equals = UInt8(ascii: "=")
    /// Stands between labels.
    static let comma = UInt8(ascii: ",")
    /// May be in a metric's name and not in a label's.
    static let colon = UInt8(ascii: ":")

    /// A bit for each byte below 64 that may be in a label's name: the digits.
    private static let low: UInt64 = 0x03ff << 48
    /// A bit for each byte from 64 to 127 that may be in a name: letters and the underscore.
    private static let high: UInt64 = 0x07ff_fffe << 32 | 0x87ff_fffe

    /// Whether `byte` may be in a label's name behind its first byte.
    @inline(__always) static func isLabelByte(_ byte: UInt8) -> Bool {
        let bits = byte < 64 ? low : byte < 128 ? high : 0
        return bits >> UInt64(byte & 63) & 1 != 0
    }

    /// Whether `byte` may be in a metric's name behind its first byte.
    @inline(__always) static func isNameByte(_ byte: UInt8) -> Bool { isLabelByte(byte) || byte == colon }

    /// Whether `byte` is a digit.
    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }

    /// The position behind blanks.
    @inline(__always) static func skipBlanks(_ bytes: Span<UInt8>, _ position: inout Int) {
        while bytes[position] == space || bytes[position] == tab { position += 1 }
    }

    /// The position of the next blank or line feed.
    @inline(__always) static func endOfToken(_ bytes: Span<UInt8>, _ start: Int) -> Int {
        var end = start
        while bytes[end] != space, bytes[end] != tab, bytes[end] != lineFeed { end += 1 }
        return end
    }

    /// Whether `start..<end` is valid UTF-8 (RFC 3629: no surrogates, nothing beyond U+10FFFF, no overlong forms).
    static func isUTF8(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        var position = start
        while position < end {
            let lead = bytes[position]
            position += 1
            guard lead >= 0x80 else { continue }
            let following: Int
            var range: ClosedRange<UInt8> = 0x80...0xBF
            switch lead {
            case 0xC2...0xDF: following = 1
            case 0xE0: (following, range) = (2, 0xA0...0xBF)
            case 0xED: (following, range) = (2, 0x80...0x9F)
            case 0xE1...0xEF: following = 2
            case 0xF0: (following, range) = (3, 0x90...0xBF)
            case 0xF1...0xF3: following = 3
            case 0xF4: (following, range) = (3, 0x80...0x8F)
            default: return false
            }
            for _ in 0..<following {
                guard position < end, range.contains(bytes[position]) else { return false }
                range = 0x80...0xBF
                position += 1
            }
        }
        return true
    }

    /// The text at `start..<end`, with bytes that are no UTF-8 as `\xNN`; for messages, so at most 200 bytes of it.
    static func shown(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> String {
        let end = min(end, start + 200)
        guard start < end else { return "" }
        let isText = isUTF8(bytes, start, end)
        var text: [UInt8] = []
        for position in start..<end {
            let byte = bytes[position]
            if byte >= 32 && byte < 127 || isText && byte >= 0x80 {
                text.append(byte)
            } else {
                text += Array("\\x".utf8) + Array((byte < 16 ? "0" : "").utf8) + Array(String(byte, radix: 16).utf8)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
