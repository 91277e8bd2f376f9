// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A place in a YAML text.
public struct YAMLMark: Sendable, Hashable, CustomStringConvertible {
    /// The line, counted from 1.
    public var line: Int
    /// The column in characters, counted from 1.
    public var column: Int

    /// A place.
    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    /// `line 3, column 7`
    public var description: String { "line \(line), column \(column)" }
}

/// What is wrong with a YAML text, and where.
public struct YAMLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong, as a clause: `the key "a" is given twice`.
    public var message: String
    /// The line, counted from 1.
    public var line: Int
    /// The column in characters, counted from 1.
    public var column: Int

    /// An error at `mark`.
    public init(_ message: String, at mark: YAMLMark) {
        self.message = message
        line = mark.line
        column = mark.column
    }

    /// The place.
    public var mark: YAMLMark { YAMLMark(line: line, column: column) }

    /// One line: `invalid YAML at line 3, column 7: …`
    public var description: String { "invalid YAML at \(mark): \(message)" }
}
