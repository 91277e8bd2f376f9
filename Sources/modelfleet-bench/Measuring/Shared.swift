// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that several tasks of one measurement use.
final class Shared<Value: Sendable>: Sendable {
    private let box: Mutex<Value>

    /// Starts with `value`.
    init(_ value: Value) { box = Mutex(value) }

    /// The value now.
    var value: Value { box.withLock { $0 } }

    /// Changes the value; nobody else sees it meanwhile.
    func change(_ body: (inout Value) -> Void) { box.withLock { body(&$0) } }
}
