// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel
import Testing

/// What custom resources promise.
@Suite("Contract: custom resources", .timeLimit(.minutes(5)))
struct ContractCustomResourceTests {
    private let widgets = ContractObjects.widgets

    @Test("defaults are filled in, unknown fields are dropped")
    func defaultsAndPruning() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            let made = try await client.create(
                widgets,
                ContractObjects.widget("a", in: namespace, spec: ["size": 3, "colour": "red"]),
                options: WriteOptions(fieldValidation: .ignore)
            )
            #expect(made["spec"] == ["size": 3, "mode": "Safe", "replicas": 1])
            #expect(made.generation == 1)
        }
    }

    @Test("an invalid value is 422 with the field and what is allowed")
    func validation() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            let wrong = ContractObjects.widget("a", in: namespace, spec: ["size": 11, "mode": "Wild"])
            let error = try #require(await failure { try await client.create(widgets, wrong) })
            #expect(error.isInvalid)
            let messages = error.causes.map { "\($0.field): \($0.message)" }.sorted()
            #expect(
                messages == [
                    "spec.mode: Unsupported value: \"Wild\": supported values: \"Safe\", \"Fast\"",
                    "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
                ]
            )
            let missing = ContractObjects.widget("a", in: namespace, spec: ["mode": "Safe"])
            let required = try #require(await failure { try await client.create(widgets, missing) })
            #expect(required.causes.contains { $0.field == "spec.size" && $0.message == "Required value" })
        }
    }

    @Test("status has a door of its own: neither door lets the other's fields through")
    func status() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            var object = ContractObjects.widget("a", in: namespace)
            object["status"] = ["phase": "Smuggled"]
            let made = try await client.create(widgets, object)
            #expect(made["status"] == nil)
            let patched = try await client.patch(
                widgets,
                made.key,
                .merge(["spec": ["size": 9], "status": ["phase": "Ready"]]),
                subresource: "status"
            )
            #expect(patched["spec", "size"] == 3)
            #expect(patched["status", "phase"] == "Ready")
            #expect(patched.generation == 1)
            let main = try await client.patch(
                widgets,
                made.key,
                .merge(["spec": ["size": 4], "status": ["phase": "Broken"]])
            )
            #expect(main["status", "phase"] == "Ready")
            #expect(main.generation == 2)
        }
    }

    @Test("the scale subresource maps to the paths of the definition")
    func scale() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            let made = try await client.create(widgets, ContractObjects.widget("a", in: namespace))
            try await client.setReplicas(5, of: widgets, made.key)
            #expect(try await client.get(widgets, made.key)["spec", "replicas"] == 5)
            try await client.patch(
                widgets,
                made.key,
                .merge(["status": ["replicas": 2, "selector": "x=y"]]),
                subresource: "status"
            )
            let scale = try await client.get(widgets, made.key, subresource: "scale")
            #expect(scale["status", "replicas"] == 2)
            #expect(scale["status", "selector"] == "x=y")
        }
    }

    @Test("an object that says no count has no scale to read, and gets a count through it all the same")
    func unscaled() async throws {
        try await ContractCluster.withFleetDefinitions { client, namespace in
            var model = KubeObject(.modelDeployments, namespace: namespace, name: "a")
            model["spec"] = ["model": ["format": ["name": "onnx"], "uri": "https://models.example.com/a.onnx"]]
            try await client.create(.modelDeployments, model)
            let error = await #expect(throws: KubeError.self) {
                try await client.get(.modelDeployments, model.key, subresource: "scale")
            }
            #expect(error?.httpStatus == 500 && error?.reason == "InternalError")
            #expect(
                error?.message == #"Internal error occurred: the spec replicas field ".spec.replicas" does not exist"#
            )
            try await client.setReplicas(2, of: .modelDeployments, model.key)
            let scale = try await client.get(.modelDeployments, model.key, subresource: "scale")
            #expect(scale["spec", "replicas"] == 2)
        }
    }

    @Test("who scales owns a count that somebody owned, and none that nobody did")
    func scaleOwners() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            func scalers(of object: KubeObject) async throws -> [String] {
                try await client.setReplicas(5, of: widgets, object.key)
                let entries = try await client.get(widgets, object.key)["metadata", "managedFields"]?.array ?? []
                return entries.filter { $0["subresource"] == "scale" }.compactMap { $0["manager"]?.string }
            }
            // The default isn't the applier's.
            let unowned = ContractObjects.widget("a", in: namespace)
            let free = try await client.apply(widgets, unowned, options: WriteOptions(fieldManager: "one"))
            #expect(try await scalers(of: free) == [])
            let owned = ContractObjects.widget("b", in: namespace, spec: ["size": 3, "replicas": 2])
            let applied = try await client.apply(widgets, owned, options: WriteOptions(fieldManager: "one"))
            #expect(try await scalers(of: applied) == ["modelfleet-contract"])
        }
    }

    @Test("labels, annotations and finalizers that are all taken away leave nothing")
    func emptyMetadata() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            var object = ContractObjects.widget("a", in: namespace)
            object.labels = ["a": "b"]
            object["metadata", "annotations"] = [:]
            let made = try await client.create(widgets, object)
            #expect(made["metadata", "annotations"] == nil && made.labels == ["a": "b"])
            let patch: JSONValue = ["metadata": ["labels": ["a": .null], "finalizers": []]]
            let bare = try await client.patch(widgets, made.key, .merge(patch))
            #expect(bare["metadata", "labels"] == nil && bare["metadata", "finalizers"] == nil)
        }
    }

    @Test("objects of a definition are selected by their names only")
    func fieldSelectors() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            try await client.create(widgets, ContractObjects.widget("a", in: namespace))
            let named = ListOptions(fieldSelector: try FieldSelector(parsing: "metadata.name=a"))
            #expect(try await client.list(widgets, namespace: namespace, options: named).items.count == 1)
            let wrong = ListOptions(fieldSelector: try FieldSelector(parsing: "spec.size=3"))
            let error = try #require(
                await failure { try await client.list(widgets, namespace: namespace, options: wrong) }
            )
            #expect(error.httpStatus == 400 && error.message.hasSuffix("field label not supported: spec.size"))
        }
    }

    @Test("apply merges lists by the definition's keys")
    func listsByKey() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            let one = ContractObjects.widget(
                "a",
                in: namespace,
                spec: ["size": 3, "ports": [["name": "http", "port": 80]]]
            )
            try await client.apply(widgets, one, options: WriteOptions(fieldManager: "one"))
            var two = KubeObject(widgets, namespace: namespace, name: "a")
            two["spec", "ports"] = [["name": "metrics", "port": 90]]
            let both = try await client.apply(widgets, two, options: WriteOptions(fieldManager: "two"))
            #expect(both["spec", "ports"]?.array?.count == 2)
            let less = ContractObjects.widget("a", in: namespace)
            let after = try await client.apply(widgets, less, options: WriteOptions(fieldManager: "one"))
            #expect(after["spec", "ports"] == [["name": "metrics", "port": 90]])
        }
    }

    @Test("a table has the definition's columns")
    func table() async throws {
        try await ContractCluster.withWidgets { client, namespace in
            try await client.create(widgets, ContractObjects.widget("a", in: namespace))
            let table = try await ContractCluster.table(of: widgets, in: namespace)
            let columns = table["columnDefinitions"]?.array?.compactMap { $0["name"]?.string }
            #expect(columns == ["Name", "Size", "Age"])
            #expect(table["rows"]?[0]?["cells"]?[1] == 3)
        }
    }

    @Test("our own definitions are accepted and established, and their objects are checked")
    func fleetDefinitions() async throws {
        try await ContractCluster.withFleetDefinitions { client, namespace in
            var object = KubeObject(ModelDeployment.resourceType, namespace: namespace, name: "iris")
            object["spec"] = [
                "model": ["format": ["name": "onnx"], "uri": "https://models.example.com/iris.onnx"]
            ]
            let made = try await client.apply(ModelDeployment.resourceType, object)
            #expect(made["spec", "model", "format", "name"] == "onnx")
            var wrong = object
            wrong["spec", "scaling"] = ["engine": "Magic"]
            let bad = wrong
            let error = try #require(await failure { try await client.apply(ModelDeployment.resourceType, bad) })
            #expect(error.isInvalid)
            #expect(error.causes.contains { $0.field == "spec.scaling.engine" })
        }
    }

    /// Specs that say two things at once, and the member that is wrong.
    private static let contradictions: [(spec: JSONValue, field: String)] = [
        (["scaling": ["minReplicas": 5, "maxReplicas": 2]], "spec.scaling"),
        (["scaling": ["minReplicas": 0]], "spec.scaling"),
        (["scaling": ["metricsSource": "Prometheus"]], "spec.scaling"),
        (["scaling": ["policy": "SLO"]], "spec.scaling"),
        (["scaling": ["policy": "Rule", "targets": [["signal": "InFlight", "value": 4]]]], "spec.scaling"),
        (
            [
                "scaling": [
                    "schedules": [
                        ["name": "a", "start": "0 8 * * *", "end": "0 9 * * *", "minReplicas": 3, "maxReplicas": 2]
                    ]
                ]
            ], "spec.scaling.schedules[0]"
        ),
        (["rollout": ["steps": [["setWeight": 10], ["setWeight": 20, "pause": [:]]]]], "spec.rollout.steps[1]"),
        (["rollout": ["steps": [[:]]]], "spec.rollout.steps[0]"),
        (["rollout": ["analysis": ["checks": [["name": "a"]]]]], "spec.rollout.analysis.checks[0]"),
        (["rollout": check(["address": "http://p", "query": "up"])], "spec.rollout.analysis.checks[0].prometheus"),
        (
            ["rollout": check(["address": "http://p", "query": "up", "min": 2.5, "max": 2])],
            "spec.rollout.analysis.checks[0].prometheus"
        ),
        (["rollout": ["strategy": "Shadow", "traffic": ["provider": "Replicas"]]], "spec.rollout"),
    ]

    private static func check(_ prometheus: JSONValue) -> JSONValue {
        ["analysis": ["checks": [["name": "a", "prometheus": prometheus]]]]
    }

    @Test("a spec that contradicts itself is refused, and so is a name that nothing can be made of")
    func contradictions() async throws {
        let type = ModelDeployment.resourceType
        try await ContractCluster.withFleetDefinitions { client, namespace in
            func make(_ name: String, _ spec: JSONValue) async -> KubeError? {
                var object = KubeObject(type, namespace: namespace, name: name)
                object["spec"] = ["model": ["format": ["name": "onnx"], "uri": "https://models.example.com/iris.onnx"]]
                for (member, value) in spec.object ?? [:] { object["spec", member] = value }
                return await failure { try await client.create(type, object, options: WriteOptions(isDryRun: true)) }
            }
            for (spec, field) in Self.contradictions {
                let error = try #require(await make("iris", spec), "\(spec)")
                #expect(error.isInvalid && error.causes.contains { $0.field.hasPrefix(field) }, "\(spec): \(error)")
            }
            for name in ["1iris", "iris.v1", String(repeating: "a", count: ModelDeployment.longestName + 1)] {
                let error = try #require(await make(name, [:]), "\(name)")
                #expect(error.isInvalid && error.causes.contains { $0.field == "metadata.name" }, "\(error)")
            }
            #expect(await make(String(repeating: "a", count: ModelDeployment.longestName), [:]) == nil)
            let good: JSONValue = [
                "scaling": ["policy": "Rule"],
                "rollout": ["strategy": "Canary", "steps": [["setWeight": 10], ["pause": [:]], ["analysis": [:]]]],
            ]
            #expect(await make("iris", good) == nil)
        }
    }

    @Test("the keys of a list by key must be properties that every item has")
    func listKeys() async throws {
        let client = try await ContractCluster.client()
        var definition = ContractObjects.widgetDefinition
        let list: JSONValue = [
            "type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["optional", "absent", "none"],
            "items": [
                "type": "object", "required": ["none"],
                "properties": [
                    "optional": ["type": "string"], "none": ["type": "string", "nullable": true],
                ],
            ],
        ]
        let root = "spec.validation.openAPIV3Schema.properties[list]"
        let schema: JSONValue = ["type": "object", "properties": ["list": list]]
        definition["spec", "versions"] = [
            ["name": "v1", "served": true, "storage": true, "schema": ["openAPIV3Schema": schema]]
        ]
        definition["metadata", "name"] = "wrongs.contract.modelfleet.dev"
        definition["spec", "names"] = ["kind": "Wrong", "plural": "wrongs"]
        let wrong = definition
        let error = try #require(await failure { try await client.create(.customResourceDefinitions, wrong) })
        #expect(error.isInvalid)
        let fields = Set(error.causes.map { "\($0.reason) \($0.field)" })
        #expect(
            fields == [
                "FieldValueRequired \(root).items.properties[optional].default",
                "FieldValueForbidden \(root).items.properties[none].nullable",
                "FieldValueInvalid \(root).x-kubernetes-list-map-keys",
            ],
            "\(error)"
        )
    }
}
