// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Carries a value that isn't `Sendable` into the one child task that uses it.
// SAFETY: the parent task makes the value, hands it to one child, waits for that child and never touches the value again,
// so no two tasks ever use it at once.
struct ExclusiveAccess<Value>: @unchecked Sendable {
    /// The value.
    let value: Value

    /// Carries `value`.
    init(_ value: Value) { self.value = value }
}
