// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One change of one object, as the history keeps it.
struct StoreChange: Sendable {
    /// The revision that the change made.
    var revision: Int64
    /// Which kind of object.
    var kind: StoredKind
    /// The object before; `nil` when it is new.
    var old: StoredObject?
    /// The object after; `nil` when it was deleted.
    var new: StoredObject?

    /// Which object.
    var key: ObjectKey { (new ?? old)?.key ?? ObjectKey(namespace: nil, name: "") }

    /// The last state of an object that went away, with the revision of that.
    var farewell: StoredObject? {
        guard let old else { return nil }
        var object = old.object
        object.resourceVersion = String(revision)
        return StoredObject(object, key: old.key)
    }
}
