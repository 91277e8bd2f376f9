// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Why something with a key, a certificate or a TLS session failed.
public struct SecurityError: Error, Equatable, CustomStringConvertible {
    /// One sentence with the reason and, where there is one, the next step.
    public var message: String

    /// An error with its sentence.
    public init(_ message: String) { self.message = message }

    /// The sentence.
    public var description: String { message }
}
