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
    private var mailboxes: [UInt64: WatchMailbox] = [:]
    private var lastMailbox: UInt64 = 0

    /// An empty state.
    init(configuration: APIServerConfiguration) {
        self.configuration = configuration
        store = Store(historyLimit: configuration.historyLimit)
        addresses = ServiceAddresses(range: configuration.serviceRange)
    }

    /// The time now as objects write it.
    var timestamp: JSONValue { .string(configuration.time.now().rfc3339) }

    /// One object in the version of `resource`.
    func object(_ resource: APIResource, _ key: ObjectKey) throws(APIStatus) -> KubeObject {
        guard let stored = store.object(resource.storage, key) else {
            throw APIStatus.notFound(resource.storage, key.name)
        }
        return resource.fromStorage(stored)
    }

    /// Stores an object, tells the watchers, and follows up; answers the stored form.
    @discardableResult
    mutating func put(_ kind: StoredKind, _ key: ObjectKey, _ object: KubeObject) -> KubeObject {
        let change = store.put(kind, key, object)
        publish(change)
        if kind == .definitions { definitionChanged(change) }
        return change.new ?? object
    }

    /// Removes an object, tells the watchers, and follows up.
    mutating func remove(_ kind: StoredKind, _ key: ObjectKey) {
        guard let change = store.remove(kind, key), let old = change.old else { return }
        publish(change)
        if kind == .services { addresses.release(old) }
        if kind == .definitions { definitionChanged(change) }
        finishDefinition(of: kind)
    }

    /// Adds a watcher; answers its number.
    mutating func add(_ mailbox: WatchMailbox) -> UInt64 {
        lastMailbox += 1
        mailboxes[lastMailbox] = mailbox
        return lastMailbox
    }

    /// Forgets a watcher.
    mutating func removeMailbox(_ id: UInt64) { mailboxes[id] = nil }

    /// The number of watchers.
    var watcherCount: Int { mailboxes.count }

    /// Ends the watches of a kind that is gone.
    mutating func closeMailboxes(of kind: StoredKind) {
        for mailbox in mailboxes.values where mailbox.selection.kind == kind { mailbox.close() }
    }

    private func publish(_ change: StoreChange) {
        for mailbox in mailboxes.values {
            if let event = mailbox.selection.event(of: change) { mailbox.put(event) }
        }
    }
}

extension StoredKind {
    /// Custom resource definitions.
    static let definitions = StoredKind(group: "apiextensions.k8s.io", plural: "customresourcedefinitions")
    /// Services.
    static let services = StoredKind(group: "", plural: "services")
    /// Namespaces.
    static let namespaces = StoredKind(group: "", plural: "namespaces")
    /// Pods.
    static let pods = StoredKind(group: "", plural: "pods")
    /// Nodes.
    static let nodes = StoredKind(group: "", plural: "nodes")
}
