// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import YAML

/// What is wrong with a template or with what it was given, and where.
public struct TemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The template's name: `deployment.yaml`.
    public var template: String
    /// What is wrong, as a clause.
    public var message: String
    /// The line, counted from 1.
    public var line: Int
    /// The column in characters, counted from 1.
    public var column: Int

    /// An error at `mark` of a template.
    public init(_ message: String, in template: String, at mark: YAMLMark) {
        self.template = template
        self.message = message
        line = mark.line
        column = mark.column
    }

    /// An error of all that a template makes; it is said to be at its beginning.
    public init(_ message: String, inAllOf template: String) {
        self.init(message, in: template, at: YAMLMark(line: 1, column: 1))
    }

    /// The error that a template isn't YAML.
    init(_ error: YAMLError, in template: String) { self.init(error.message, in: template, at: error.mark) }

    /// One line: `template deployment.yaml, line 3, column 7: …`
    public var description: String { "template \(template), line \(line), column \(column): \(message)" }
}
