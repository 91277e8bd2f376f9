// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import Testing

/// What lists and watches promise; the names are those of etcd's watch guarantees.
@Suite("Contract: lists and watches", .timeLimit(.minutes(5)))
struct ContractWatchTests {
    private func fill(_ client: KubeClient, _ namespace: String, _ count: Int) async throws {
        for number in 0..<count {
            var object = ContractObjects.configMap("item-\(number)", in: namespace)
            object.labels = ["parity": number % 2 == 0 ? "even" : "odd"]
            try await client.create(.configMaps, object)
        }
    }

    /// Only what these tests make: every namespace of a real cluster holds a config map of its own.
    private func mine(_ text: String = "parity") throws -> LabelSelector { try LabelSelector(parsing: text) }

    @Test("pages of a list are one consistent state")
    func pages() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 7)
            let options = ListOptions(labelSelector: try mine(), limit: 3)
            let first = try await client.page(.configMaps, namespace: namespace, options: options)
            #expect(first.items.count == 3)
            let token = try #require(first.continueToken)
            try await client.delete(.configMaps, ObjectKey(namespace: namespace, name: "item-6"))
            let second = try await client.page(
                .configMaps,
                namespace: namespace,
                options: options,
                continueToken: token
            )
            let lastToken = try #require(second.continueToken)
            let third = try await client.page(
                .configMaps,
                namespace: namespace,
                options: options,
                continueToken: lastToken
            )
            let names = (first.items + second.items + third.items).map(\.name)
            #expect(names == (0..<7).map { "item-\($0)" })
            #expect(third.continueToken == nil)
        }
    }

    @Test("selectors choose by label and by field")
    func selectors() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 4)
            let even = try await client.list(
                .configMaps,
                namespace: namespace,
                options: ListOptions(labelSelector: try mine("parity in (even)"))
            )
            #expect(even.items.map(\.name) == ["item-0", "item-2"])
            let named = try await client.list(
                .configMaps,
                namespace: namespace,
                options: ListOptions(fieldSelector: try FieldSelector(parsing: "metadata.name=item-3"))
            )
            #expect(named.items.map(\.name) == ["item-3"])
        }
    }

    @Test("Ordered, Unique, Reliable: a watch from a list's version sees each later change once, in order")
    func everyChange() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 1)
            let list = try await client.list(.configMaps, namespace: namespace)
            let watch = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(labelSelector: try mine(), resourceVersion: list.resourceVersion)
            )
            let key = ObjectKey(namespace: namespace, name: "item-0")
            for value in 1...20 {
                try await client.patch(.configMaps, key, .merge(["data": ["a": .string("v\(value)")]]))
            }
            try await client.delete(.configMaps, key)
            var seen: [String] = []
            loop: for try await event in watch {
                switch event {
                case .modified(let object): seen.append(object["data", "a"]?.string ?? "")
                case .deleted: break loop
                case .added, .bookmark: break
                case .unreadable(let object): Issue.record("\(object.key) can't be read: \(object.reason)")
                case .error(let status): Issue.record("the watch failed: \(status)")
                }
            }
            #expect(seen == (1...20).map { "v\($0)" })
        }
    }

    @Test("Resumable: a second watch from an event's version goes on right after it")
    func resumable() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 1)
            let key = ObjectKey(namespace: namespace, name: "item-0")
            var versions: [String] = []
            for value in 1...5 {
                let changed = try await client.patch(
                    .configMaps,
                    key,
                    .merge(["data": ["a": .string("v\(value)")]])
                )
                versions.append(changed.resourceVersion ?? "")
            }
            let watch = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(labelSelector: try mine(), resourceVersion: versions[1])
            )
            var seen: [String] = []
            for try await event in watch {
                if case .modified(let object) = event { seen.append(object["data", "a"]?.string ?? "") }
                if seen.count == 3 { break }
            }
            #expect(seen == ["v3", "v4", "v5"])
        }
    }

    @Test("an object that leaves the selection is deleted for the watch, one that enters is added")
    func selectionChanges() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 2)
            let list = try await client.list(.configMaps, namespace: namespace)
            let watch = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(
                    labelSelector: try mine("parity=even"),
                    resourceVersion: list.resourceVersion
                )
            )
            let even = ObjectKey(namespace: namespace, name: "item-0")
            let odd = ObjectKey(namespace: namespace, name: "item-1")
            try await client.patch(.configMaps, even, .merge(["metadata": ["labels": ["parity": "odd"]]]))
            try await client.patch(.configMaps, odd, .merge(["metadata": ["labels": ["parity": "even"]]]))
            var seen: [String] = []
            for try await event in watch {
                switch event {
                case .deleted(let object): seen.append("deleted \(object.name)")
                case .added(let object): seen.append("added \(object.name)")
                case .modified, .unreadable, .bookmark, .error: continue
                }
                if seen.count == 2 { break }
            }
            #expect(seen == ["deleted item-0", "added item-1"])
        }
    }

    @Test("Bookmarkable: a streamed list ends with a bookmark from which a watch resumes")
    func streamedList() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            try await fill(client, namespace, 3)
            let watch = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(labelSelector: try mine(), sendsInitialEvents: true)
            )
            var names: Set<String> = []
            var version = ""
            loop: for try await event in watch {
                switch event {
                case .added(let object): names.insert(object.name)
                case .bookmark(let resourceVersion, let endsInitialList):
                    version = resourceVersion
                    if endsInitialList { break loop }
                case .error(let status) where !ContractCluster.isEmbedded && status.message.contains("storage feature"):
                    // A server on an etcd before 3.4.25 or 3.5.8 can't stream lists, and says so in these words.
                    print("not checked: this cluster streams no lists: \(status.message)")
                    return
                case .modified, .deleted, .unreadable, .error: Issue.record("unexpected event \(event)")
                }
            }
            #expect(names == ["item-0", "item-1", "item-2"])
            let resumed = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(labelSelector: try mine(), resourceVersion: version)
            )
            try await client.delete(.configMaps, ObjectKey(namespace: namespace, name: "item-1"))
            for try await event in resumed {
                if case .deleted(let object) = event {
                    #expect(object.name == "item-1")
                    break
                }
            }
        }
    }

    @Test("a watch ends by itself when its time is over")
    func timeout() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let list = try await client.list(.configMaps, namespace: namespace)
            let watch = try await client.watch(
                .configMaps,
                namespace: namespace,
                options: WatchOptions(resourceVersion: list.resourceVersion, timeout: .seconds(1))
            )
            for try await event in watch {
                if case .error(let status) = event { Issue.record("the watch failed: \(status)") }
            }
        }
    }
}
