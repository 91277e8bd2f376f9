// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Why the local cluster couldn't do something, in one line that names the thing, the reason and the next step.
public struct LocalClusterError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The line.
    public var message: String

    /// An error with this message.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
