// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One page of a list.
struct ListPage: Sendable {
    /// The objects, as they are stored.
    var objects: [StoredObject]
    /// The state that they are of.
    var revision: Int64
    /// Where the list goes on; `nil` on the last page.
    var next: String?
    /// How many objects follow; `nil` when that isn't known.
    var remaining: Int?
}

extension ServerState {
    /// What a list or a watch of `resource` is about.
    func selection(_ resource: APIResource, namespace: String?, _ query: ListQuery) -> WatchSelection {
        WatchSelection(
            kind: resource.storage,
            namespace: namespace,
            labels: query.labels,
            fields: query.fields
        )
    }

    /// One page of the objects of a resource.
    func list(_ resource: APIResource, namespace: String?, _ query: ListQuery) throws(APIStatus) -> ListPage {
        var wanted: Int64?
        var last: String?
        if let next = query.next {
            let token = try ContinueToken(parsing: next)
            wanted = token.revision == ContinueToken.anyRevision ? nil : token.revision
            last = token.last
        } else if let revision = query.revision, revision > 0 {
            try store.requireRevision(revision, isRetriable: !query.isExact)
            if query.isExact { wanted = revision }
        }
        guard let all = store.list(resource.storage, namespace: namespace, at: wanted) else {
            throw last.map(APIStatus.expiredPage) ?? .expired("The resourceVersion for the provided list is too old.")
        }
        let selection = selection(resource, namespace: namespace, query)
        let rest = last.map { last in all.drop { Self.position($0, namespace) <= last } } ?? all
        let matching = selection.hasNoSelector ? Array(rest) : rest.filter(selection.matches)
        let revision = wanted ?? store.revision
        // A list that is content with any state is answered whole, as by the real server's cache.
        let isUnlimited = query.limit == 0 || (query.revision == 0 && query.next == nil)
        guard !isUnlimited, matching.count > query.limit else {
            return ListPage(objects: matching, revision: revision)
        }
        let page = Array(matching.prefix(query.limit))
        let token = page.last.map { ContinueToken(revision: revision, last: Self.position($0, namespace)).text }
        return ListPage(
            objects: page,
            revision: revision,
            next: token,
            remaining: selection.hasNoSelector ? matching.count - query.limit : nil
        )
    }

    /// The text that orders objects in a list as the store does.
    private static func position(_ object: StoredObject, _ namespace: String?) -> String {
        namespace == nil ? object.place : object.key.name
    }

    /// The events that a watch starts with, before those that are still to come; and after which revision those are.
    func start(of selection: WatchSelection, _ query: ListQuery) -> (events: [ServerEvent], after: Int64) {
        let revision = query.revision ?? 0
        let now = store.revision
        if revision > now {
            // A plain watch waits for that revision; one that is to start with a state not older can't be answered.
            guard query.sendsInitialEvents == true else { return ([], revision) }
            return ([.error(.tooLargeResourceVersion(revision, current: now))], now)
        }
        if query.sendsInitialEvents ?? (revision == 0) {
            var events = (store.list(selection.kind, namespace: selection.namespace) ?? [])
                .filter(selection.matches).map { ServerEvent.added($0, now) }
            if query.sendsInitialEvents == true, query.allowsBookmarks {
                events.append(.bookmark(now, endsInitialList: true))
            }
            return (events, now)
        }
        guard revision > 0 else { return ([], now) }
        guard let changes = store.changes(selection.kind, after: revision) else {
            return ([.error(.expired("too old resource version: \(revision) (\(store.compacted + 1))"))], now)
        }
        let events = changes.compactMap { change in
            var view = ChangeView(change)
            return selection.event(of: &view)
        }
        return (events, now)
    }
}
