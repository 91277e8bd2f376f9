// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a metrics page, and in which line.
public struct ExpositionError: Error, Hashable, CustomStringConvertible {
    /// The line, from 1.
    public var line: Int
    /// What is wrong.
    public var message: String

    /// An error.
    public init(line: Int, message: String) {
        self.line = line
        self.message = message
    }

    /// One line with the number, in the words of Prometheus' own parser.
    public var description: String { "text format parsing error in line \(line): \(message)" }
}
