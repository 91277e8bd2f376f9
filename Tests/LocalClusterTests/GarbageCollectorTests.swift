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
}
