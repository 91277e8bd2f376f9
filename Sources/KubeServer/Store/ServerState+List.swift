// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// One page of a list.
struct ListPage: Sendable {
    /// The objects, in the version of the request.
    var objects: [KubeObject]
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
            wanted = token.revision
            last = token.last
        } else if let revision = query.revision, revision > 0 {
            guard revision <= store.revision else {
                throw .tooLargeResourceVersion(revision, current: store.revision)
            }
            let isExact = query.match == "Exact" || (query.match == nil && query.limit > 0)
            if isExact { wanted = revision }
        }
        guard let all = store.list(resource.storage, namespace: namespace, at: wanted) else {
            throw .expired(
                query.next == nil
                    ? "The resourceVersion for the provided list is too old."
                    : "The provided continue parameter is too old to display a consistent list result. You can start a "
                        + "new list without the continue parameter."
            )
        }
        let selection = selection(resource, namespace: namespace, query)
        let rest = all.drop { object in last.map { Self.position(object, namespace) <= $0 } ?? false }
        let revision = wanted ?? store.revision
        let isFiltered = !query.labels.isEmpty || !query.fields.isEmpty
        let matching = rest.filter(selection.matches)
        guard query.limit > 0, matching.count > query.limit else {
            return ListPage(objects: matching.map(resource.fromStorage), revision: revision)
        }
        let page = matching.prefix(query.limit)
        let token = page.last.map { ContinueToken(revision: revision, last: Self.position($0, namespace)).text }
        return ListPage(
            objects: page.map(resource.fromStorage),
            revision: revision,
            next: token,
            remaining: isFiltered ? nil : matching.count - query.limit
        )
    }

    /// The text that orders objects in a list as the store does.
    private static func position(_ object: KubeObject, _ namespace: String?) -> String {
        namespace == nil ? (object.namespace.map { $0 + "/" } ?? "") + object.name : object.name
    }

    /// The events that a watch starts with, before those that are still to come.
    func initialEvents(_ selection: WatchSelection, _ query: ListQuery) -> [WatchEvent] {
        let isNew = query.sendsInitialEvents == true || query.revision == nil || query.revision == 0
        if let revision = query.revision, revision > store.revision {
            return [.error(.tooLargeResourceVersion(revision, current: store.revision))]
        }
        if isNew, query.sendsInitialEvents != false {
            var events = (store.list(selection.kind, namespace: selection.namespace) ?? [])
                .filter(selection.matches).map(WatchEvent.added)
            if query.sendsInitialEvents == true, query.allowsBookmarks {
                events.append(.bookmark(resourceVersion: String(store.revision), endsInitialList: true))
            }
            return events
        }
        guard let revision = query.revision, revision > 0 else { return [] }
        guard let changes = store.changes(selection.kind, after: revision) else {
            return [.error(.expired("too old resource version: \(revision) (\(store.compacted + 1))"))]
        }
        return changes.compactMap(selection.event)
    }
}
