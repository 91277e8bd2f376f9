// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Counts what was injected into a simulated world: a fault that never strikes proves nothing.
public final class FaultTally: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    /// Nothing so far.
    public init() {}

    /// Counts one more of `what`.
    public func note(_ what: String) { counts.withLock { $0[what, default: 0] += 1 } }

    /// How often each thing happened.
    public var all: [String: Int] { counts.withLock { $0 } }
}
