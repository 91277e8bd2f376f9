// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import KubeRuntime
import Testing

@testable import Controllers

@Suite("Models as values")
struct DecodedModelsTests {
    private let store = ObjectStore(.packed, projection: .models)
    private let key = ObjectKey(namespace: "default", name: "m")

    private func put(_ name: String = "m", version: Int, replicas: Int) throws -> StoredObject {
        var model = OperatorHarness.model(name, spec: ["scaling": ["minReplicas": JSONValue(replicas)]])
        model.resourceVersion = "\(version)"
        store.put(model)
        return try #require(store.stored(model.key))
    }

    @Test("a model is read once for each state of its own, a new resource version being one")
    func once() throws {
        let models = DecodedModels()
        var reads = 0
        func look(_ stored: StoredObject) -> DecodedModels.Decoded {
            models.model(stored) { stored in
                reads += 1
                return stored.object
            }
        }
        for (version, replicas) in [(1, 2), (2, 2), (3, 4)] {
            let stored = try put(version: version, replicas: replicas)
            for _ in 0..<3 {
                let seen = look(stored)
                #expect(seen.stored.resourceVersion == "\(version)")
                #expect(seen.model.scaling.minReplicas == replicas)
                #expect(seen.model == ModelDeployment(stored.object))
            }
            #expect(reads == version)
        }
        #expect(models.count == 1)
        models.forget(key)
        #expect(models.count == 0)
    }

    @Test("only so many are remembered, and the others are read as they are")
    func limit() throws {
        let models = DecodedModels(limit: 3)
        for round in 0..<2 {
            for number in 0..<10 {
                let stored = try put("m\(number)", version: 1, replicas: number + 1)
                let seen = models.model(stored) { $0.object }
                #expect(seen.model.scaling.minReplicas == number + 1, "in round \(round)")
                #expect(models.count <= 3)
            }
        }
    }

    @Test("the stores read a model for decisions once, without what these don't look at, and forget one that is gone")
    func stores() throws {
        let stores = FleetStores()
        var model = OperatorHarness.model()
        model["status"] = ["scaling": ["desiredReplicas": 2, "lastDecision": ["reason": "x"]]]
        stores.models.put(model)
        let seen = try #require(stores.model(key, keeping: .scaling))
        #expect(seen.stored["status", "scaling"] == ["desiredReplicas": 2])
        #expect(stores.model(key, keeping: .everything)?.stored["status"] == model["status"])
        stores.models.remove(key)
        #expect(stores.model(key, keeping: .scaling) == nil)
    }
}
