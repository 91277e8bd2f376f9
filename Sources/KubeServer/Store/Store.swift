// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import KubeModel

/// Every object, with a bounded history of changes: a pure value, the heart of the server.
///
/// One counter numbers all changes; a past state is the present one with the later changes undone.
struct Store: Sendable {
    /// The number of the last change.
    private(set) var revision: Int64 = 1
    /// Changes up to and including this one are forgotten.
    private(set) var compacted: Int64 = 0
    private var objects: [StoredKind: [ObjectKey: KubeObject]] = [:]
    private var history: Deque<StoreChange> = []
    private let historyLimit: Int

    /// An empty store that remembers up to `historyLimit` changes.
    init(historyLimit: Int) { self.historyLimit = max(1, historyLimit) }

    /// One object.
    func object(_ kind: StoredKind, _ key: ObjectKey) -> KubeObject? { objects[kind]?[key] }

    /// Whether there is an object of the kind in the namespace.
    func holdsObjects(inNamespace namespace: String) -> Bool {
        objects.values.contains { $0.keys.contains { $0.namespace == namespace } }
    }

    /// Stores a new or changed object with the next revision as its resource version.
    mutating func put(_ kind: StoredKind, _ key: ObjectKey, _ object: KubeObject) -> StoreChange {
        revision += 1
        var stored = object
        stored.resourceVersion = String(revision)
        let old = objects[kind, default: [:]].updateValue(stored, forKey: key)
        return remember(StoreChange(revision: revision, kind: kind, key: key, old: old, new: stored))
    }

    /// Removes an object; `nil` when there is none.
    mutating func remove(_ kind: StoredKind, _ key: ObjectKey) -> StoreChange? {
        guard let old = objects[kind]?.removeValue(forKey: key) else { return nil }
        revision += 1
        return remember(StoreChange(revision: revision, kind: kind, key: key, old: old, new: nil))
    }

    /// The objects of a kind, in the order of the text `namespace/name`, as they were at `revision` (now, when `nil`).
    ///
    /// `nil` when that revision is forgotten.
    func list(_ kind: StoredKind, namespace: String?, at wanted: Int64? = nil) -> [KubeObject]? {
        var found = objects[kind] ?? [:]
        if let wanted, wanted < revision {
            guard wanted >= compacted else { return nil }
            for change in history.reversed() {
                guard change.revision > wanted else { break }
                if change.kind == kind { found[change.key] = change.old }
            }
        }
        let kept = namespace.map { namespace in found.filter { $0.key.namespace == namespace } } ?? found
        return kept.map { (place: $0.key.description, object: $0.value) }.sorted { $0.place < $1.place }.map(\.object)
    }

    /// The changes of a kind after `revision`, in their order; `nil` when some of them are forgotten.
    func changes(_ kind: StoredKind, after wanted: Int64) -> [StoreChange]? {
        guard wanted >= compacted else { return nil }
        var found: [StoreChange] = []
        for change in history.reversed() {
            guard change.revision > wanted else { break }
            if change.kind == kind { found.append(change) }
        }
        return found.reversed()
    }

    private mutating func remember(_ change: StoreChange) -> StoreChange {
        history.append(change)
        while history.count > historyLimit, let first = history.popFirst() { compacted = first.revision }
        return change
    }
}
