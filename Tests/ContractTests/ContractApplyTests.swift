// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import Testing

/// What server-side apply promises.
@Suite("Contract: server-side apply", .timeLimit(.minutes(5)))
struct ContractApplyTests {
    private func manager(_ name: String) -> WriteOptions { WriteOptions(fieldManager: name) }

    @Test("applying creates, applying again changes nothing, leaving a field out removes it")
    func createAndRemove() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("a", in: namespace, data: ["a": "1", "b": "2"])
            let made = try await client.apply(.configMaps, object, options: manager("one"))
            #expect(made["data"] == ["a": "1", "b": "2"])
            let again = try await client.apply(.configMaps, object, options: manager("one"))
            #expect(again.resourceVersion == made.resourceVersion)
            let less = ContractObjects.configMap("a", in: namespace, data: ["a": "1"])
            let removed = try await client.apply(.configMaps, less, options: manager("one"))
            #expect(removed["data"] == ["a": "1"])
        }
    }

    @Test("another manager's field is a conflict that names the manager and the field; force takes it over")
    func conflict() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("a", in: namespace)
            try await client.apply(.configMaps, object, options: manager("one"))
            let other = ContractObjects.configMap("a", in: namespace, data: ["a": "2"])
            let error = try #require(
                await failure { try await client.apply(.configMaps, other, options: manager("two")) }
            )
            #expect(error.isConflict)
            let cause = try #require(error.causes.first)
            #expect(cause.reason == "FieldManagerConflict")
            #expect(cause.field == ".data.a")
            #expect(cause.message.contains("conflict with \"one\""))
            let forced = try await client.apply(.configMaps, other, force: true, options: manager("two"))
            #expect(forced["data", "a"] == "2")
        }
    }

    @Test("a field that two managers agree on stays when one lets go of it")
    func sharedOwnership() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("a", in: namespace)
            try await client.apply(.configMaps, object, options: manager("one"))
            try await client.apply(.configMaps, object, options: manager("two"))
            var empty = object
            empty["data"] = nil
            let after = try await client.apply(.configMaps, empty, options: manager("one"))
            #expect(after["data", "a"] == "1")
            let gone = try await client.apply(.configMaps, empty, options: manager("two"))
            #expect(gone["data"]?["a"] == nil)
        }
    }

    @Test("an update makes its manager the owner of what it changed, so that apply conflicts")
    func updateOwns() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("a", in: namespace)
            try await client.apply(.configMaps, object, options: manager("one"))
            try await client.patch(
                .configMaps,
                object.key,
                .merge(["data": ["a": "9"]]),
                options: manager("editor")
            )
            let error = try #require(
                await failure { try await client.apply(.configMaps, object, options: manager("one")) }
            )
            #expect(error.causes.first?.message.contains("conflict with \"editor\"") == true)
        }
    }

    @Test("containers merge by name: each manager keeps its own")
    func listsByKey() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.deployment("d", in: namespace, replicas: nil)
            try await client.apply(.deployments, object, options: manager("one"))
            var side = KubeObject(.deployments, namespace: namespace, name: "d")
            side["spec", "template", "spec", "containers"] = [["name": "side", "image": "side:1"]]
            let both = try await client.apply(.deployments, side, options: manager("injector"))
            #expect(names(both) == ["main", "side"])
            var changed = object
            changed["spec", "template", "spec", "containers"] = [["name": "main", "image": "contract.example/none:2"]]
            let after = try await client.apply(.deployments, changed, options: manager("one"))
            #expect(names(after) == ["main", "side"])
        }
    }

    @Test("replicas that are scaled by another stay when the applied body never named them")
    func replicasStay() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.deployment("d", in: namespace, replicas: nil)
            let made = try await client.apply(.deployments, object, options: manager("modelfleet"))
            #expect(made["spec", "replicas"] == 1)
            try await client.setReplicas(4, of: .deployments, made.key)
            let again = try await client.apply(.deployments, object, options: manager("modelfleet"))
            #expect(again["spec", "replicas"] == 4)
        }
    }

    @Test("managed fields say who owns what")
    func managedFields() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.apply(
                .configMaps,
                ContractObjects.configMap("a", in: namespace),
                options: manager("one")
            )
            let entry = try #require(made["metadata", "managedFields"]?[0])
            #expect(entry["manager"] == "one")
            #expect(entry["operation"] == "Apply")
            #expect(entry.at("fieldsV1", "f:data", "f:a") == [:])
        }
    }

    private func names(_ deployment: KubeObject) -> Set<String> {
        let containers = deployment["spec", "template", "spec", "containers"]?.array ?? []
        return Set(containers.compactMap { $0["name"]?.string })
    }
}
