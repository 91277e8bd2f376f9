// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How strings are written: plain where they read back as the same string, in quotes or as a block otherwise.
enum YAMLText {
    /// The string on one line.
    static func inline(_ string: String) -> String {
        guard string.unicodeScalars.allSatisfy(isPrintable) else { return doubleQuoted(string) }
        if hasPlainSyntax(string) { return readsAsString(string) ? string : doubleQuoted(string) }
        return "'" + string.unicodeScalars.reduce(into: "") { $0 += $1 == "'" ? "''" : String($1) } + "'"
    }

    /// The string as a literal block without the line break at its end; `nil` where a block can't hold it or where it
    /// has one line only.
    static func literal(_ string: String, indent: Int) -> String? {
        guard string.utf8.contains(0x0a), let first = string.utf8.first, first != 0x0a, first != 0x20, first != 0x09,
            string.unicodeScalars.allSatisfy({ isPrintable($0) || $0 == "\n" || $0 == "\t" })
        else { return nil }
        var lines = string.split(separator: "\n", omittingEmptySubsequences: false)
        // A line of white space alone could be taken for indentation.
        guard lines.allSatisfy({ line in line.isEmpty || line.utf8.contains { $0 != 0x20 && $0 != 0x09 } }) else {
            return nil
        }
        let trailing = lines.reversed().prefix(while: \.isEmpty).count
        lines.removeLast(trailing)
        let spaces = String(repeating: " ", count: indent)
        var text = trailing == 0 ? "|-" : trailing == 1 ? "|" : "|+"
        for line in lines { text += line.isEmpty ? "\n" : "\n" + spaces + line }
        return text + String(repeating: "\n", count: max(trailing - 1, 0))
    }

    /// The string in double quotes, with everything escaped that isn't printable.
    static func doubleQuoted(_ string: String) -> String {
        var text = "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where isPrintable(scalar): text.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
                text += "\\" + letter + String(repeating: "0", count: width - digits.utf8.count) + digits
            }
        }
        return text + "\""
    }

    /// Whether the string without quotes is one scalar and nothing else, in a block context.
    private static func hasPlainSyntax(_ string: String) -> Bool {
        let bytes = Array(string.utf8)
        guard let first = bytes.first, let last = bytes.last else { return false }
        guard !#" -?:,[]{}#&*!|>'"%@`"#.utf8.contains(first) || isLeadingDash(bytes) else { return false }
        guard first != 0x09, last != 0x20, last != 0x09, last != UInt8(ascii: ":") else { return false }
        guard !string.hasPrefix("---"), !string.hasPrefix("...") else { return false }
        for (byte, next) in zip(bytes, bytes.dropFirst()) {
            if byte == UInt8(ascii: ":") && next == 0x20 { return false }
            if byte == 0x20 && next == UInt8(ascii: "#") { return false }
        }
        return true
    }

    private static func isLeadingDash(_ bytes: [UInt8]) -> Bool {
        guard bytes.count > 1, bytes[0] == UInt8(ascii: "-") else { return false }
        return bytes[1] > 0x20 && !#",[]{}"#.utf8.contains(bytes[1])
    }

    /// Whether the text without quotes is a string for every reader: for us, and for those that have numbers in base 60
    /// (YAML 1.1) or of any size.
    private static func readsAsString(_ text: String) -> Bool {
        guard case .string = YAMLScalar.resolve(text) else { return false }
        if text == "<<" || text == "=" { return false }
        guard let first = text.utf8.first else { return false }
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) || "+-.".utf8.contains(first) else { return true }
        // A dash within (a UUID, a date) can only be an exponent's sign in a number.
        for (byte, next) in zip(text.utf8, text.utf8.dropFirst()) {
            if next == UInt8(ascii: "-") && byte | 0x20 != UInt8(ascii: "e") { return true }
        }
        return !text.utf8.allSatisfy { "0123456789+-.:_eExXoObBaAcCdDfF".utf8.contains($0) }
    }

    /// Printable in the sense of YAML 1.1, without line breaks and the byte order mark.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x20...0x7e, 0xa0...0x2027, 0x202a...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd, 0x10000...0x10ffff: true
        default: false
        }
    }
}
