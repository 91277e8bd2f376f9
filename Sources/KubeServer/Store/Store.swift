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
    private var tables: [StoredKind: ObjectTable] = [:]
    private var history: Deque<StoreChange> = []
    private let historyLimit: Int

    /// An empty store that remembers up to `historyLimit` changes.
    init(historyLimit: Int) { self.historyLimit = max(1, historyLimit) }

    /// A store with the objects of a snapshot and no history.
    init(historyLimit: Int, restoring snapshot: ServerSnapshot) {
        self.init(historyLimit: historyLimit)
        revision = snapshot.revision
        compacted = snapshot.revision
        tables = snapshot.tables
    }

    /// The present state, without history.
    var snapshot: ServerSnapshot { ServerSnapshot(revision: revision, tables: tables) }

    /// One object.
    func object(_ kind: StoredKind, _ key: ObjectKey) -> StoredObject? { tables[kind]?[key.description] }

    /// The number of objects of a kind.
    func count(_ kind: StoredKind) -> Int { tables[kind]?.objects.count ?? 0 }

    /// Stores a new or changed object with the next revision as its resource version.
    mutating func put(_ kind: StoredKind, _ key: ObjectKey, _ object: KubeObject) -> StoreChange {
        revision += 1
        var versioned = object
        versioned.resourceVersion = String(revision)
        let stored = StoredObject(versioned, key: key)
        let old = tables[kind, default: ObjectTable()].put(stored)
        return remember(StoreChange(revision: revision, kind: kind, old: old, new: stored))
    }

    /// Removes an object; `nil` when there is none.
    mutating func remove(_ kind: StoredKind, _ key: ObjectKey) -> StoreChange? {
        guard let old = tables[kind]?.remove(key.description) else { return nil }
        revision += 1
        return remember(StoreChange(revision: revision, kind: kind, old: old, new: nil))
    }

    /// The objects of a kind, in the order of the text `namespace/name`, as they were at `revision` (now, when `nil`).
    ///
    /// `nil` when that revision is forgotten.
    func list(_ kind: StoredKind, namespace: String?, at wanted: Int64? = nil) -> ArraySlice<StoredObject>? {
        guard let wanted, wanted < revision else { return (tables[kind] ?? ObjectTable()).slice(namespace: namespace) }
        guard wanted >= compacted else { return nil }
        var table = tables[kind] ?? ObjectTable()
        for change in history.reversed() {
            guard change.revision > wanted else { break }
            guard change.kind == kind else { continue }
            if let old = change.old { _ = table.put(old) } else { _ = change.new.map { table.remove($0.place) } }
        }
        return table.slice(namespace: namespace)
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

    /// Refuses a client that knows of a later state than there is.
    func requireRevision(_ wanted: Int64, isRetriable: Bool = true) throws(APIStatus) {
        guard wanted > revision else { return }
        throw .tooLargeResourceVersion(wanted, current: revision, isRetriable: isRetriable)
    }

    /// Forgets the changes up to and including `revision`, as etcd's compaction does.
    mutating func compact(through revision: Int64) {
        while let first = history.first, first.revision <= revision { history.removeFirst() }
        compacted = max(compacted, min(revision, self.revision))
    }

    private mutating func remember(_ change: StoreChange) -> StoreChange {
        history.append(change)
        while history.count > historyLimit, let first = history.popFirst() { compacted = first.revision }
        return change
    }
}
