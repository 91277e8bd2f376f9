// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Which objects are meant, by a few of their fields: `metadata.name=a,status.phase!=Running`.
public struct FieldSelector: Sendable, Hashable, CustomStringConvertible {
    /// One term; a selector matches where all of its terms hold.
    public struct Term: Sendable, Hashable {
        /// The field's path: `metadata.name`.
        public var field: String
        /// What to compare with.
        public var value: String
        /// Whether the field must be equal (`=`, `==`) or not (`!=`).
        public var isEqual: Bool

        /// A term.
        public init(_ field: String, _ value: String, isEqual: Bool = true) {
            self.field = field
            self.value = value
            self.isEqual = isEqual
        }
    }

    /// The terms, all of which must hold.
    public var terms: [Term]

    /// Matches every object.
    public static let everything = FieldSelector(terms: [])

    /// A selector of terms.
    public init(terms: [Term]) { self.terms = terms }

    /// The one object named `name`.
    public init(name: String) { terms = [Term("metadata.name", name)] }

    /// Parses `a.b=c,d!=e`; a backslash keeps a comma, an equals sign or a backslash in a value.
    /// - Throws: `SelectorError` that quotes the term that is wrong.
    public init(parsing text: String) throws(SelectorError) {
        terms = []
        for part in Self.split(text) where !part.isEmpty {
            guard let term = Self.term(part) else {
                // In the words of the API server, which users see and search for.
                throw SelectorError("invalid selector: '\(text)'; can't understand '\(String(part))'")
            }
            terms.append(term)
        }
    }

    /// Whether `object` is meant. A field that is missing counts as an empty text.
    public func matches(_ object: KubeObject) -> Bool {
        terms.allSatisfy { term in
            let value = object.json.value(at: term.field.split(separator: ".").map(String.init))
            return (Self.text(of: value) == term.value) == term.isEqual
        }
    }

    /// Whether every object is meant.
    public var isEmpty: Bool { terms.isEmpty }

    /// The selector as in `fieldSelector=`.
    public var queryText: String {
        terms.map { "\($0.field)\($0.isEqual ? "=" : "!=")\(Self.escaped($0.value))" }.joined(separator: ",")
    }

    /// The query text.
    public var description: String { queryText }

    private static func text(of value: JSONValue?) -> String {
        switch value {
        case .string(let text): text
        case nil, .null, .array, .object: ""
        case .some(let other): other.jsonText
        }
    }

    private static func split(_ text: String) -> [[Character]] {
        var parts: [[Character]] = [[]]
        var isEscaped = false
        for character in text {
            if character == ",", !isEscaped {
                parts.append([])
            } else {
                parts[parts.count - 1].append(character)
            }
            isEscaped = character == "\\" && !isEscaped
        }
        return parts
    }

    /// Reads one term; `nil` when it isn't one.
    private static func term(_ text: [Character]) -> Term? {
        guard let mark = text.firstIndex(of: "="), mark > 0 else { return nil }
        let isEqual = text[mark - 1] != "!"
        let field = String(text[..<(isEqual ? mark : mark - 1)])
        guard !field.isEmpty else { return nil }
        var rest = text[(mark + 1)...]
        if isEqual, rest.first == "=" { rest = rest.dropFirst() }
        var value = ""
        while let character = rest.popFirst() {
            if character == "\\" {
                guard let next = rest.popFirst(), ["\\", ",", "="].contains(next) else { return nil }
                value.append(next)
            } else if character == "=" {
                return nil
            } else {
                value.append(character)
            }
        }
        return Term(field, value, isEqual: isEqual)
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value {
            if ["\\", ",", "="].contains(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }
}
