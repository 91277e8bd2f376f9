// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import Testing

/// What the API promises about single objects.
@Suite("Contract: objects", .timeLimit(.minutes(5)))
struct ContractWritesTests {
    @Test("a created object has uid, version, time, and is there; creating it again is AlreadyExists")
    func create() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(.configMaps, ContractObjects.configMap("a", in: namespace))
            #expect(made.uid?.isEmpty == false)
            #expect(made.resourceVersion?.isEmpty == false)
            #expect(made.creationTimestamp != nil)
            let read = try await client.get(.configMaps, made.key)
            #expect(read.uid == made.uid)
            #expect(read["data", "a"] == "1")
            let error = try #require(
                await failure { try await client.create(.configMaps, ContractObjects.configMap("a", in: namespace)) }
            )
            #expect(error.isAlreadyExists)
            #expect(error.status?.message == "configmaps \"a\" already exists")
            #expect(error.status?.name == "a")
        }
    }

    @Test("what isn't there is NotFound, with the resource and the name")
    func notFound() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let key = ObjectKey(namespace: namespace, name: "nope")
            let error = try #require(await failure { try await client.get(.deployments, key) })
            #expect(error.isNotFound)
            #expect(error.status?.message == "deployments.apps \"nope\" not found")
            #expect(error.status?.group == "apps")
            #expect(error.status?.kind == "deployments")
            #expect(try await client.find(.deployments, key) == nil)
        }
    }

    @Test("generateName makes a name of its own for each object")
    func generatedName() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            var object = KubeObject(.configMaps, namespace: namespace, name: "")
            object["metadata"] = ["generateName": "run-", "namespace": .string(namespace)]
            let one = try await client.create(.configMaps, object)
            let two = try await client.create(.configMaps, object)
            #expect(one.name.hasPrefix("run-") && one.name != two.name)
        }
    }

    @Test("an update from an old version is a conflict, and loses nothing")
    func conflict() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let first = try await client.create(.configMaps, ContractObjects.configMap("a", in: namespace))
            var change = first
            change["data", "a"] = "2"
            let second = try await client.replace(.configMaps, change)
            #expect(second.resourceVersion != first.resourceVersion)
            var late = first
            late["data", "a"] = "3"
            let stale = late
            let error = try #require(await failure { try await client.replace(.configMaps, stale) })
            #expect(error.isConflict)
            #expect(
                error.status?.message
                    == "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; "
                    + "please apply your changes to the latest version and try again"
            )
            #expect(try await client.get(.configMaps, first.key)["data", "a"] == "2")
        }
    }

    @Test("an update that changes nothing keeps the version")
    func noChange() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(.configMaps, ContractObjects.configMap("a", in: namespace))
            #expect(try await client.replace(.configMaps, made).resourceVersion == made.resourceVersion)
            let patched = try await client.patch(.configMaps, made.key, .merge(["data": ["a": "1"]]))
            #expect(patched.resourceVersion == made.resourceVersion)
        }
    }

    @Test("dry run answers as if, and stores nothing")
    func dryRun() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("a", in: namespace)
            let made = try await client.create(.configMaps, object, options: WriteOptions(isDryRun: true))
            #expect(made.uid?.isEmpty == false)
            #expect(try await client.find(.configMaps, object.key) == nil)
        }
    }

    @Test("patches of three kinds change what they name")
    func patches() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(
                .configMaps,
                ContractObjects.configMap("a", in: namespace, data: ["a": "1", "b": "2"])
            )
            let merged = try await client.patch(.configMaps, made.key, .merge(["data": ["a": "5", "c": "3"]]))
            #expect(merged["data"] == ["a": "5", "b": "2", "c": "3"])
            let edited = try await client.patch(
                .configMaps,
                made.key,
                .json([["op": "test", "path": "/data/a", "value": "5"], ["op": "remove", "path": "/data/b"]])
            )
            #expect(edited["data"] == ["a": "5", "c": "3"])
            let refused = try #require(
                await failure {
                    try await client.patch(
                        .configMaps,
                        made.key,
                        .json([["op": "test", "path": "/data/a", "value": "9"]])
                    )
                }
            )
            #expect(refused.isInvalid)
            let deployment = try await client.create(
                .deployments,
                ContractObjects.deployment("d", in: namespace, replicas: 0)
            )
            let strategic = try await client.patch(
                .deployments,
                deployment.key,
                .strategicMerge([
                    "spec": ["template": ["spec": ["containers": [["name": "side", "image": "side:1"]]]]]
                ])
            )
            let names = strategic["spec", "template", "spec", "containers"]?.array?.compactMap { $0["name"]?.string }
            #expect(names.map(Set.init) == ["main", "side"])
        }
    }

    @Test("unknown fields are refused by name when validation is strict")
    func strictValidation() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            var object = ContractObjects.deployment("d", in: namespace, replicas: 0)
            object["spec", "replicass"] = 3
            let wrong = object
            let error = try #require(
                await failure {
                    try await client.create(
                        .deployments,
                        wrong,
                        options: WriteOptions(fieldValidation: .strict)
                    )
                }
            )
            #expect(error.httpStatus == 400)
            #expect(error.message.contains("unknown field \"spec.replicass\""))
            let made = try await client.create(.deployments, wrong, options: WriteOptions(fieldValidation: .ignore))
            #expect(made["spec", "replicass"] == nil)
        }
    }

    @Test("an invalid object is 422 with a cause for each field")
    func invalid() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            var object = ContractObjects.deployment("d", in: namespace)
            object["spec", "selector"] = ["matchLabels": ["app": "other"]]
            let mismatched = object
            let error = try #require(await failure { try await client.create(.deployments, mismatched) })
            #expect(error.isInvalid)
            #expect(error.causes.contains { $0.field == "spec.template.metadata.labels" })
            let badName = ContractObjects.configMap("Not_A_Name", in: namespace)
            let nameError = try #require(await failure { try await client.create(.configMaps, badName) })
            #expect(nameError.isInvalid)
            #expect(nameError.causes.contains { $0.field == "metadata.name" })
        }
    }

    @Test("generation counts changes of the spec, not of labels or status")
    func generation() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(
                .deployments,
                ContractObjects.deployment("d", in: namespace, replicas: 0)
            )
            #expect(made.generation == 1)
            let labelled = try await client.patch(
                .deployments,
                made.key,
                .merge(["metadata": ["labels": ["x": "y"]]])
            )
            #expect(labelled.generation == 1)
            let changed = try await client.patch(.deployments, made.key, .merge(["spec": ["minReadySeconds": 5]]))
            #expect(changed.generation == 2)
        }
    }

    @Test("a delete with another uid is a conflict; with finalizers the object waits")
    func delete() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            var object = ContractObjects.configMap("a", in: namespace)
            object.finalizers = ["contract.modelfleet.dev/hold"]
            let made = try await client.create(.configMaps, object)
            let error = try #require(
                await failure {
                    try await client.delete(.configMaps, made.key, options: DeleteOptions(uid: "other"))
                }
            )
            #expect(error.isConflict)
            try await client.delete(.configMaps, made.key)
            let waiting = try await client.get(.configMaps, made.key)
            #expect(waiting.isBeingDeleted)
            try await client.patch(
                .configMaps,
                made.key,
                .json([["op": "remove", "path": "/metadata/finalizers"]])
            )
            #expect(try await client.find(.configMaps, made.key) == nil)
        }
    }

    @Test("the scale subresource reads and writes replicas and nothing else")
    func scale() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let made = try await client.create(
                .deployments,
                ContractObjects.deployment("d", in: namespace, replicas: 0)
            )
            #expect(try await client.replicas(of: .deployments, made.key) == 0)
            try await client.setReplicas(3, of: .deployments, made.key)
            #expect(try await client.get(.deployments, made.key)["spec", "replicas"] == 3)
            let scale = try await client.get(.deployments, made.key, subresource: "scale")
            #expect(scale.apiVersion == "autoscaling/v1")
            #expect(scale["status", "selector"] == "app=d")
        }
    }
}
