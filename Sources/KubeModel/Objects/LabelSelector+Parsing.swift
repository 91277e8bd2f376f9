// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension LabelSelector {
    /// Parses the query language: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>5`.
    /// - Throws: `SelectorError` that quotes what is wrong.
    public init(parsing text: String) throws(SelectorError) {
        var parser = LabelSelectorParser(text)
        self.init(requirements: try parser.requirements())
    }
}

/// Splits the query language into words and reads requirements from them.
private struct LabelSelectorParser {
    private var tokens: [String] = []
    private var position = 0

    private static let symbols: Set<Character> = ["=", "!", "(", ")", ",", ">", "<"]

    init(_ text: String) {
        var word = ""
        var iterator = Array(text)[...]
        while let character = iterator.popFirst() {
            if Self.symbols.contains(character) || character.isWhitespace {
                if !word.isEmpty { tokens.append(word) }
                word = ""
                if character.isWhitespace { continue }
                if (character == "=" || character == "!") && iterator.first == "=" {
                    iterator.removeFirst()
                    tokens.append("\(character)=")
                } else {
                    tokens.append(String(character))
                }
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { tokens.append(word) }
    }

    private var current: String? { position < tokens.count ? tokens[position] : nil }

    /// What is wrong, in the words of the API server, which users see and search for.
    private func failure(_ expected: String) -> SelectorError {
        SelectorError("unable to parse requirement: found '\(current ?? "")'\(expected)")
    }

    private func isWord(_ token: String?) -> Bool {
        guard let first = token?.first else { return false }
        return !Self.symbols.contains(first)
    }

    mutating func requirements() throws(SelectorError) -> [LabelSelector.Requirement] {
        var result: [LabelSelector.Requirement] = []
        guard let first = current else { return [] }
        guard first == "!" || isWord(first) else {
            throw SelectorError("found '\(first)', expected: !, identifier, or 'end of string'")
        }
        while true {
            result.append(try requirement())
            guard current != nil else { return result }
            guard current == "," else {
                throw SelectorError("found '\(current ?? "")', expected: ',' or 'end of string'")
            }
            position += 1
            guard current == "!" || isWord(current) else {
                throw SelectorError("found '\(current ?? "")', expected: identifier after ','")
            }
        }
    }

    private mutating func requirement() throws(SelectorError) -> LabelSelector.Requirement {
        if current == "!" {
            position += 1
            return LabelSelector.Requirement(try key(), .doesNotExist)
        }
        let name = try key()
        let comparison = current
        switch comparison {
        case nil, ",": return LabelSelector.Requirement(name, .exists)
        case "=", "==": return LabelSelector.Requirement(name, .isIn, [try afterSymbol()])
        case "!=": return LabelSelector.Requirement(name, .isNotIn, [try afterSymbol()])
        case ">", "<":
            let bound = try afterSymbol()
            guard Int64(bound) != nil else { throw SelectorError("\(name): \"\(bound)\" must be an integer") }
            return LabelSelector.Requirement(name, comparison == ">" ? .isGreaterThan : .isLessThan, [bound])
        case "in": return LabelSelector.Requirement(name, .isIn, try list())
        case "notin": return LabelSelector.Requirement(name, .isNotIn, try list())
        default: throw failure(", expected: in, notin, =, ==, !=, gt, lt")
        }
    }

    private mutating func key() throws(SelectorError) -> String {
        guard let name = current, isWord(name) else { throw failure(", expected: identifier") }
        position += 1
        guard LabelRules.isKey(name) else { throw SelectorError("\"\(name)\" is not a valid label key") }
        return name
    }

    /// The value after a comparison; an empty one is allowed (`a=`).
    private mutating func afterSymbol() throws(SelectorError) -> String {
        position += 1
        guard let current, current != "," else { return "" }
        guard isWord(current) else { throw failure(", expected: identifier") }
        return try value()
    }

    private mutating func value() throws(SelectorError) -> String {
        guard let value = current, isWord(value) else { throw failure(", expected: ',', ')' or identifier") }
        position += 1
        guard LabelRules.isValue(value) else { throw SelectorError("\"\(value)\" is not a valid label value") }
        return value
    }

    private mutating func list() throws(SelectorError) -> [String] {
        position += 1
        guard current == "(" else { throw failure(" expected: '('") }
        position += 1
        var values: [String] = []
        while true {
            if current == ")" || current == "," {
                values.append("")
            } else {
                values.append(try value())
            }
            guard current == "," || current == ")" else { throw failure(", expected: ',' or ')'") }
            position += 1
            if tokens[position - 1] == ")" { return values }
        }
    }
}

/// What labels may look like (`k8s.io/apimachinery` validation).
public enum LabelRules {
    /// Whether `text` may be a label's key: an optional DNS prefix and `/`, then a name of at most 63 characters.
    public static func isKey(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return isName(parts[0])
        case 2: return isSubdomain(parts[0]) && isName(parts[1])
        default: return false
        }
    }

    /// Whether `text` may be a label's value: empty, or a name of at most 63 characters.
    public static func isValue(_ text: String) -> Bool { text.isEmpty || isName(text[...]) }

    /// Whether `text` is a DNS subdomain of at most 253 characters in lower case, as most object names are.
    public static func isSubdomain(_ text: some StringProtocol) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 253 else { return false }
        return String(text).split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            isEdge(part.utf8.first, lowerOnly: true) && isEdge(part.utf8.last, lowerOnly: true)
                && part.utf8.allSatisfy { isEdge($0, lowerOnly: true) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isName(_ text: Substring) -> Bool {
        guard (1...63).contains(text.utf8.count) else { return false }
        return isEdge(text.utf8.first, lowerOnly: false) && isEdge(text.utf8.last, lowerOnly: false)
            && text.utf8.allSatisfy { byte in
                isEdge(byte, lowerOnly: false) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                    || byte == UInt8(ascii: ".")
            }
    }

    private static func isEdge(_ byte: UInt8?, lowerOnly: Bool) -> Bool {
        switch byte {
        case .some(UInt8(ascii: "a")...UInt8(ascii: "z")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): true
        case .some(UInt8(ascii: "A")...UInt8(ascii: "Z")): !lowerOnly
        default: false
        }
    }
}
