// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One change of one object, as the history keeps it.
struct StoreChange: Sendable {
    /// The revision that the change made.
    var revision: Int64
    /// Which kind of object.
    var kind: StoredKind
    /// Which object.
    var key: ObjectKey
    /// The object before; `nil` when it is new.
    var old: KubeObject?
    /// The object after; `nil` when it was deleted.
    var new: KubeObject?
}
