// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import YAML

/// A piece of a scalar: literal text, or a reference.
enum TemplatePiece: Hashable, Sendable {
    /// Text as it is.
    case text(String)
    /// `${…}`
    case reference(TemplateReference)
}

/// What stands between `${` and `}`: a path, and what to take when it is nothing.
struct TemplateReference: Hashable, Sendable {
    /// The member names: `["model", "name"]`.
    var path: [String]
    /// The value of `| default(x)`; `nil` without one.
    var fallback: JSONValue?
    /// Where it begins in the scalar, in characters.
    var offset: Int

    /// The path as it is written.
    var pathText: String { path.joined(separator: ".") }
}

/// What is wrong with a scalar's text, and how many characters from its beginning.
struct TemplateSyntaxError: Error, Hashable {
    /// What is wrong, as a clause.
    var message: String
    /// Where, in characters from the beginning of the scalar.
    var offset: Int
}

/// Takes a scalar's text apart. `$${` stands for `${` itself.
struct TemplateScanner {
    private let characters: [Character]
    private var position = 0

    /// A scanner at the start of `text`.
    init(_ text: String) { characters = Array(text) }

    /// All pieces in order; no two texts follow each other.
    static func pieces(of text: String) throws(TemplateSyntaxError) -> [TemplatePiece] {
        guard text.contains("${") else { return text.isEmpty ? [] : [.text(text)] }
        var scanner = TemplateScanner(text)
        return try scanner.pieces()
    }

    private mutating func pieces() throws(TemplateSyntaxError) -> [TemplatePiece] {
        var pieces: [TemplatePiece] = []
        var text = ""
        while position < characters.count {
            if starts(with: "$${") {
                text += "${"
                position += 3
            } else if starts(with: "${") {
                if !text.isEmpty { pieces.append(.text(text)) }
                text = ""
                pieces.append(.reference(try reference()))
            } else {
                text.append(characters[position])
                position += 1
            }
        }
        if !text.isEmpty { pieces.append(.text(text)) }
        return pieces
    }

    private func starts(with prefix: String) -> Bool { characters[position...].starts(with: prefix) }

    private mutating func skipSpace() {
        while position < characters.count, characters[position].isWhitespace { position += 1 }
    }

    private mutating func skip(_ text: String) -> Bool {
        guard starts(with: text) else { return false }
        position += text.count
        return true
    }

    private mutating func reference() throws(TemplateSyntaxError) -> TemplateReference {
        let start = position
        position += 2
        var reference = TemplateReference(path: [], offset: start)
        repeat {
            skipSpace()
            reference.path.append(try name())
            skipSpace()
        } while skip(".")
        if skip("|") {
            skipSpace()
            guard skip("default(") else { throw failure("after | only default(…) is allowed") }
            reference.fallback = try fallback()
            skipSpace()
        }
        guard skip("}") else { throw failure("expected } after ${\(reference.pathText)") }
        return reference
    }

    /// A member name: letters, digits, `_` and `-`; or any text in double quotes, for names with dots.
    private mutating func name() throws(TemplateSyntaxError) -> String {
        let start = position
        if skip("\"") {
            while position < characters.count, characters[position] != "\"" { position += 1 }
            let text = String(characters[(start + 1)..<position])
            guard skip("\""), !text.isEmpty else { throw failure("a name in quotes has no end") }
            return text
        }
        while position < characters.count, Self.isNameCharacter(characters[position]) { position += 1 }
        guard position > start else { throw failure("expected a name such as model.name between ${ and }") }
        return String(characters[start..<position])
    }

    /// Whether a name without quotes may have the character.
    static func isNameCharacter(_ character: Character) -> Bool {
        character == "_" || character == "-" || (character.isASCII && (character.isLetter || character.isNumber))
    }

    /// The YAML value up to the closing parenthesis; one within quotes or parentheses doesn't close it.
    private mutating func fallback() throws(TemplateSyntaxError) -> JSONValue {
        let start = position
        var depth = 1
        var quote: Character?
        while position < characters.count {
            let character = characters[position]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == "(" {
                depth += 1
            } else if character == ")" {
                depth -= 1
                if depth == 0 { break }
            }
            position += 1
        }
        let text = String(characters[start..<position])
        guard skip(")") else { throw failure("default( has no closing parenthesis") }
        do {
            return try YAMLReader().documents(in: text).first?.json() ?? .null
        } catch {
            throw TemplateSyntaxError(message: "the value of default(…) can't be read: \(error.message)", offset: start)
        }
    }

    private func failure(_ message: String) -> TemplateSyntaxError {
        TemplateSyntaxError(message: message, offset: position)
    }
}
