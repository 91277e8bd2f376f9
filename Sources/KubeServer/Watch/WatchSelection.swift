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

    /// Whether every object of the kind is meant, or every one of the namespace.
    var hasNoSelector: Bool { labels.isEmpty && fields.isEmpty }

    /// Whether the selection has an object.
    func matches(_ stored: StoredObject) -> Bool {
        guard matchesCheaply(stored) else { return false }
        return !needsValue || fields.matches(stored.object)
    }

    /// What a watcher of the selection sees of a change: an object that leaves the selection is deleted for it.
    func event(of view: inout ChangeView) -> ServerEvent? {
        let change = view.change
        guard change.kind == kind else { return nil }
        var before = change.old.map(matchesCheaply) ?? false
        var after = change.new.map(matchesCheaply) ?? false
        if needsValue {
            if before, let old = view.oldValue { before = fields.matches(old) }
            if after, let new = view.newValue { after = fields.matches(new) }
        }
        switch (before, after) {
        case (false, false): return nil
        case (false, true): return change.new.map { .added($0, change.revision) }
        case (true, true): return change.new.map { .modified($0, change.revision) }
        case (true, false): return view.farewell.map { .deleted($0, change.revision) }
        }
    }

    /// Looks at what is known without reading the object.
    private func matchesCheaply(_ stored: StoredObject) -> Bool {
        if let namespace, stored.key.namespace != namespace { return false }
        if !labels.isEmpty, !labels.matches(stored.labels) { return false }
        return fields.terms.allSatisfy { term in
            switch term.field {
            case "metadata.name": (stored.key.name == term.value) == term.isEqual
            case "metadata.namespace": ((stored.key.namespace ?? "") == term.value) == term.isEqual
            default: true
            }
        }
    }

    /// Whether the object has to be read for the fields.
    private var needsValue: Bool {
        fields.terms.contains { $0.field != "metadata.name" && $0.field != "metadata.namespace" }
    }
}

/// A change with what several watchers need of it, made once.
struct ChangeView {
    /// The change.
    let change: StoreChange
    /// The object before, read.
    private(set) lazy var oldValue: KubeObject? = change.old?.object
    /// The object after, read.
    private(set) lazy var newValue: KubeObject? = change.new?.object
    /// The last state of an object that went away or left the selection.
    private(set) lazy var farewell: StoredObject? = change.farewell

    /// A view of `change`.
    init(_ change: StoreChange) { self.change = change }
}

/// One event of a watch, with the object as it is stored.
enum ServerEvent: Sendable {
    /// The object appeared, by the change of this revision.
    case added(StoredObject, Int64)
    /// The object changed.
    case modified(StoredObject, Int64)
    /// The object went away.
    case deleted(StoredObject, Int64)
    /// Everything up to this revision was sent; `endsInitialList` closes a streamed list.
    case bookmark(Int64, endsInitialList: Bool)
    /// The watch failed.
    case error(APIStatus)

    /// The revision of the change; `nil` for what is none.
    var revision: Int64? {
        switch self {
        case .added(_, let revision), .modified(_, let revision), .deleted(_, let revision): revision
        case .bookmark, .error: nil
        }
    }
}
