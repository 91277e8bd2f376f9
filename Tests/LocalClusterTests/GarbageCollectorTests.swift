// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
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
        let change = try #require(collector.graph.store(for: .configMaps).put(dependent))
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
            _ = collector.graph.store(for: .configMaps).put(object).map {
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
            _ = collector.graph.store(for: .configMaps).put(object).map {
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
        let change = try #require(collector.graph.store(for: .namespaces).put(dependent))
        #expect(collector.graph.observe(change, type: .namespaces).contains(uid))
        #expect(try await collector.reconcile(ObjectKey(namespace: nil, name: uid)) == .awaitChange)
        #expect(try await client.get(.namespaces, dependent.key).isBeingDeleted == false)
    }

    private static let widgets = ResourceType(
        group: "test.modelfleet.dev",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        isNamespaced: true
    )

    private static func definition() -> KubeObject {
        var definition = KubeObject(.customResourceDefinitions, namespace: nil, name: "widgets.test.modelfleet.dev")
        definition["spec"] = [
            "group": "test.modelfleet.dev", "scope": "Namespaced",
            "names": ["kind": "Widget", "plural": "widgets", "singular": "widget"],
            "versions": [
                [
                    "name": "v1", "served": true, "storage": true,
                    "schema": ["openAPIV3Schema": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]],
                ]
            ],
        ]
        return definition
    }

    @Test("The watch of a type ends with its definition, and begins again when that comes back")
    func definitionGone() async throws {
        let client = KubeClient(exchange: APIServer())
        let collector = Self.collector(client)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await collector.run() }
            for round in 1...2 {
                let definition = try await client.create(.customResourceDefinitions, Self.definition())
                try await until("the definition's type is watched") { collector.watchedTypes.contains(Self.widgets) }
                let owner = try await client.create(
                    Self.widgets,
                    KubeObject(Self.widgets, namespace: "default", name: "owner")
                )
                let dependent = try await client.create(.configMaps, Self.map("dependent-\(round)", owners: [owner]))
                try await client.delete(.customResourceDefinitions, definition.key)
                try await until("its watch has ended") { !collector.watchedTypes.contains(Self.widgets) }
                try await until("what its object owned is gone") {
                    try await client.find(.configMaps, dependent.key) == nil
                }
            }
            group.cancelAll()
        }
    }

    @Test("A group that went since the groups were listed has no types, and is no failure")
    func groupGone() async throws {
        let server = APIServer()
        let client = KubeClient(exchange: server)
        let definition = try await client.create(.customResourceDefinitions, Self.definition())
        let path = "/apis/\(Self.widgets.group)/v1"
        // It goes at the moment at which it is asked for.
        let late = ClosureExchange { request in
            if request.path == path { try await client.delete(.customResourceDefinitions, definition.key) }
            return await server.exchange(request)
        }
        let before = try await APIDiscovery(client: client).findings()
        #expect(before.types.contains(Self.widgets))
        let found = try await APIDiscovery(client: KubeClient(exchange: late)).findings()
        #expect(found.types == before.types.filter { $0 != Self.widgets } && found.absentGroups.isEmpty)
    }

    @Test("Of a type that is gone the objects count as gone, unless another version of its kind took over")
    func forgottenType() throws {
        var owned = KubeObject(Self.widgets, namespace: "default", name: "owned")
        owned["metadata", "uid"] = "2"
        var owner = KubeObject(.configMaps, namespace: "default", name: "owner")
        owner["metadata", "uid"] = "1"
        owned.ownerReferences = [try #require(OwnerReference(controller: owner))]
        var newer = Self.widgets
        newer.version = "v2"
        for isReplaced in [false, true] {
            let graph = OwnershipGraph()
            let change = try #require(graph.store(for: Self.widgets).put(owned))
            _ = graph.observe(change, type: Self.widgets)
            if isReplaced { _ = graph.store(for: newer) }
            #expect(graph.forget(Self.widgets) == (isReplaced ? [] : ["1", "2"]))
            #expect(graph.node("2") == nil)
            #expect(
                graph.type(apiVersion: "test.modelfleet.dev/v1", kind: "Widget") == (isReplaced ? newer : Self.widgets)
            )
        }
    }
}
