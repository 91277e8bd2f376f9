// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Which objects of a kind a list or a watch is about.
struct WatchSelection: Sendable {
    /// The kind.
    var kind: StoredKind
    /// The namespace; `nil` for all.
    var namespace: String?
    /// By labels.
    var labels: LabelSelector
    /// By fields.
    var fields: FieldSelector

    /// Whether the selection has `object`.
    func matches(_ object: KubeObject) -> Bool {
        if let namespace, object.namespace != namespace { return false }
        if !labels.isEmpty, !labels.matches(object.labels) { return false }
        return fields.isEmpty || fields.matches(object)
    }

    /// What a watcher of the selection sees of `change`: an object that leaves the selection is deleted for it.
    func event(of change: StoreChange) -> WatchEvent? {
        guard change.kind == kind else { return nil }
        let before = change.old.flatMap { matches($0) ? $0 : nil }
        let after = change.new.flatMap { matches($0) ? $0 : nil }
        switch (before, after) {
        case (nil, nil): return nil
        case (nil, let object?): return .added(object)
        case (.some, let object?): return .modified(object)
        case (var object?, nil):
            object.resourceVersion = String(change.revision)
            return .deleted(object)
        }
    }
}
