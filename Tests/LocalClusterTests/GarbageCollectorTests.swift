// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Logging
import Testing

@testable import LocalCluster

@Suite("The garbage collector")
struct GarbageCollectorTests {
    /// The watch of the owner's type may come later than the dependent's, and the owner may go in between.
    @Test("An owner that goes before its watch ever showed it takes its dependents along all the same")
    func unseenOwner() async throws {
        let client = KubeClient(exchange: APIServer())
        let owner = try await client.create(.configMaps, KubeObject(.configMaps, namespace: "default", name: "owner"))
        let uid = try #require(owner.uid)
        var draft = KubeObject(.configMaps, namespace: "default", name: "dependent")
        draft.ownerReferences = [try #require(OwnerReference(controller: owner))]
        let dependent = try await client.create(.configMaps, draft)
        let collector = GarbageCollector(
            client: client,
            time: ManualTime(),
            random: SeededRandom(seed: 1),
            logger: Logger(label: "test")
        )
        let change = try #require(collector.graph.store(for: .configMaps).store.put(dependent))
        #expect(collector.graph.observe(change, type: .configMaps).contains(uid))

        let outcome = try await collector.reconcile(ObjectKey(namespace: nil, name: uid))
        #expect(outcome == .requeue(after: GarbageCollector.unseenDelay))
        #expect(try await client.find(.configMaps, dependent.key) != nil)

        try await client.delete(.configMaps, owner.key)
        #expect(try await collector.reconcile(ObjectKey(namespace: nil, name: uid)) == .awaitChange)
        #expect(try await client.find(.configMaps, dependent.key) == nil)
    }

    private static func collector(_ client: KubeClient) -> GarbageCollector {
        GarbageCollector(
            client: client,
            time: ManualTime(),
            random: SeededRandom(seed: 1),
            logger: Logger(label: "test")
        )
    }

    private static func map(_ name: String, owners: [KubeObject] = []) -> KubeObject {
        var map = KubeObject(.configMaps, namespace: "default", name: name)
        map.ownerReferences = owners.compactMap { owner in
            OwnerReference(controller: owner).map { reference in
                var reference = reference
                reference.isController = false
                return reference
            }
        }
        return map
    }

    @Test("An owner that goes after its dependents leaves those that another one still owns")
    func sharedDependent() async throws {
        let client = KubeClient(exchange: APIServer())
        let owners = [
            try await client.create(.configMaps, Self.map("going")),
            try await client.create(.configMaps, Self.map("staying")),
        ]
        let shared = try await client.create(.configMaps, Self.map("shared", owners: owners))
        let own = try await client.create(.configMaps, Self.map("own", owners: [owners[0]]))
        try await client.delete(.configMaps, owners[0].key, options: DeleteOptions(propagation: .foreground))
        let collector = Self.collector(client)
        for object in [try await client.get(.configMaps, owners[0].key), owners[1], shared, own] {
            _ = collector.graph.store(for: .configMaps).store.put(object).map {
                collector.graph.observe($0, type: .configMaps)
            }
        }
        _ = try await collector.reconcile(ObjectKey(namespace: nil, name: try #require(owners[0].uid)))
        let left = try #require(try await client.find(.configMaps, shared.key))
        #expect(!left.isBeingDeleted && left.ownerReferences.map(\.name) == ["staying"])
        #expect(try await client.find(.configMaps, own.key).map(\.isBeingDeleted) ?? true)
    }

    @Test("Two owners that both wait for their dependents keep none of them")
    func bothWaiting() async throws {
        let client = KubeClient(exchange: APIServer())
        let owners = [
            try await client.create(.configMaps, Self.map("one")),
            try await client.create(.configMaps, Self.map("two")),
        ]
        let shared = try await client.create(.configMaps, Self.map("shared", owners: owners))
        let collector = Self.collector(client)
        for owner in owners {
            try await client.delete(.configMaps, owner.key, options: DeleteOptions(propagation: .foreground))
        }
        for object in [try await client.get(.configMaps, owners[0].key), shared] {
            _ = collector.graph.store(for: .configMaps).store.put(object).map {
                collector.graph.observe($0, type: .configMaps)
            }
        }
        _ = try await collector.reconcile(ObjectKey(namespace: nil, name: try #require(owners[0].uid)))
        #expect(try await client.find(.configMaps, shared.key).map(\.isBeingDeleted) ?? true)
    }

    @Test("An object of the whole cluster that names an owner in a namespace is left alone")
    func misplaced() async throws {
        let client = KubeClient(exchange: APIServer())
        let owner = try await client.create(.configMaps, Self.map("owner"))
        let uid = try #require(owner.uid)
        var draft = KubeObject(.namespaces, namespace: nil, name: "dependent")
        draft.ownerReferences = [try #require(OwnerReference(controller: owner))]
        let dependent = try await client.create(.namespaces, draft)
        let collector = Self.collector(client)
        _ = collector.graph.store(for: .configMaps)
        let change = try #require(collector.graph.store(for: .namespaces).store.put(dependent))
        #expect(collector.graph.observe(change, type: .namespaces).contains(uid))
        #expect(try await collector.reconcile(ObjectKey(namespace: nil, name: uid)) == .awaitChange)
        #expect(try await client.get(.namespaces, dependent.key).isBeingDeleted == false)
    }
}
