// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// Everything that the server's one lock guards: the store, the resources, the watchers, the Services' addresses.
struct ServerState: Sendable {
    /// What the server was made of.
    let configuration: APIServerConfiguration
    /// The objects.
    private(set) var store: Store
    /// The resources.
    var registry = ResourceRegistry()
    /// The Services' addresses.
    var addresses: ServiceAddresses
    /// The watchers of each kind, in the order in which they came.
    private var mailboxes: [StoredKind: [(id: UInt64, mailbox: WatchMailbox)]] = [:]
    private var lastMailbox: UInt64 = 0

    /// An empty state.
    init(configuration: APIServerConfiguration) {
        self.configuration = configuration
        store = Store(historyLimit: configuration.historyLimit)
        addresses = ServiceAddresses(range: configuration.serviceRange)
    }

    /// A state with the objects of a snapshot, and what follows from them: custom resources, taken addresses.
    init(configuration: APIServerConfiguration, restoring snapshot: ServerSnapshot) {
        self.init(configuration: configuration)
        store = Store(historyLimit: configuration.historyLimit, restoring: snapshot)
        for stored in store.list(.definitions, namespace: nil) ?? [] { define(stored.key.name, stored.object) }
        for stored in store.list(.services, namespace: nil) ?? [] { addresses.occupy(stored.object) }
    }

    /// The time now as objects write it.
    var timestamp: JSONValue { .string(configuration.time.now().rfc3339) }

    /// One object in the version of `resource`.
    func object(_ resource: APIResource, _ key: ObjectKey) throws(APIStatus) -> KubeObject {
        resource.fromStorage(try stored(resource, key).object)
    }

    /// One object as it is stored.
    func stored(_ resource: APIResource, _ key: ObjectKey) throws(APIStatus) -> StoredObject {
        guard let stored = store.object(resource.storage, key) else {
            throw APIStatus.notFound(resource.storage, key.name)
        }
        return stored
    }

    /// Stores an object, tells the watchers, and follows up; answers the stored form.
    @discardableResult
    mutating func put(_ kind: StoredKind, _ key: ObjectKey, _ object: KubeObject) -> StoredObject? {
        let change = store.put(kind, key, object)
        publish(change)
        if kind == .definitions { definitionChanged(change) }
        return change.new
    }

    /// Removes an object, tells the watchers, and follows up.
    mutating func remove(_ kind: StoredKind, _ key: ObjectKey) {
        guard let change = store.remove(kind, key), let old = change.old else { return }
        publish(change)
        if kind == .services { addresses.release(old.object) }
        if kind == .definitions { definitionChanged(change) }
        finishDefinition(of: kind)
        // The real server makes it anew within seconds.
        if kind == .services, key == Self.ownService { addOwnService(address: old.object["spec", "clusterIP"]?.string) }
    }

    /// Adds a watcher; answers its number.
    mutating func add(_ mailbox: WatchMailbox) -> UInt64 {
        lastMailbox += 1
        mailboxes[mailbox.selection.kind, default: []].append((lastMailbox, mailbox))
        return lastMailbox
    }

    /// Forgets a watcher.
    mutating func removeMailbox(_ id: UInt64, of kind: StoredKind) { mailboxes[kind]?.removeAll { $0.id == id } }

    /// The number of watchers.
    var watcherCount: Int { mailboxes.values.reduce(0) { $0 + $1.count } }

    /// Ends the watches of a kind that is gone; of every kind, for `nil`.
    func closeMailboxes(of kind: StoredKind? = nil) {
        let watchers = mailboxes.flatMap { watched, watchers in kind == nil || watched == kind ? watchers : [] }
        // In the order in which they came: a dictionary's own order differs in every process.
        for watcher in watchers.sorted(by: { $0.id < $1.id }) { watcher.mailbox.close() }
    }

    /// Forgets the history up to a revision.
    mutating func compact(through revision: Int64) { store.compact(through: revision) }

    private func publish(_ change: StoreChange) {
        guard let watchers = mailboxes[change.kind], !watchers.isEmpty else { return }
        var view = ChangeView(change)
        for watcher in watchers {
            if let event = watcher.mailbox.selection.event(of: &view) { watcher.mailbox.put(event) }
        }
    }
}

extension StoredKind {
    /// Custom resource definitions.
    static let definitions = StoredKind(group: "apiextensions.k8s.io", plural: "customresourcedefinitions")
    /// Services.
    static let services = StoredKind(group: "", plural: "services")
    /// Deployments.
    static let deployments = StoredKind(group: "apps", plural: "deployments")
    /// Namespaces.
    static let namespaces = StoredKind(group: "", plural: "namespaces")
    /// Pods.
    static let pods = StoredKind(group: "", plural: "pods")
    /// Nodes.
    static let nodes = StoredKind(group: "", plural: "nodes")
}
