// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a JSON text, and where.
public struct JSONError: Error, Equatable, CustomStringConvertible {
    /// What is wrong, as a clause: `expected a value`.
    public var message: String
    /// The offset in bytes at which reading stopped.
    public var offset: Int

    /// An error at `offset`.
    public init(_ message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }

    /// One line with the offset.
    public var description: String { "invalid JSON at byte \(offset): \(message)" }
}

/// Bounds on what a JSON text may hold; a text beyond them is refused, not cut.
public struct JSONLimits: Sendable, Hashable {
    /// The deepest nesting of arrays and objects (a recursion bound; Kubernetes objects stay below 50).
    public var depth: Int
    /// The largest text in bytes.
    public var bytes: Int

    /// Limits that any Kubernetes object and list keeps to.
    public init(depth: Int = 512, bytes: Int = 256 << 20) {
        self.depth = depth
        self.bytes = bytes
    }
}
