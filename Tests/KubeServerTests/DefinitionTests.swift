// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("Custom kinds and their definitions, as a real server has them")
struct DefinitionTests {
    private static let merge = ["Content-Type": "application/merge-patch+json"]
    private static let apply = ["Content-Type": "application/apply-patch+yaml"]
    private static let definition = Gears.definitions + "/gears.example.com"

    private func client() async throws -> TestClient {
        let client = TestClient()
        #expect(try await client.json(.post, Gears.definitions, Gears.definition()).code == 201)
        return client
    }

    @Test("a definition whose manifest has a status can be applied twice")
    func appliedStatus() async throws {
        let client = TestClient()
        var manifest = Gears.definition()
        manifest["status"] = [
            "acceptedNames": ["kind": "", "plural": ""], "conditions": [], "storedVersions": [],
        ]
        let path = Self.definition + "?fieldManager=me"
        #expect(try await client.json(.patch, path, manifest, headers: Self.apply).code == 201)
        #expect(try await client.json(.patch, path, manifest, headers: Self.apply).code == 200)
    }

    @Test("an apply takes nothing away from the owner of the status, even by force")
    func statusOwner() async throws {
        let client = try await client()
        #expect(try await client.json(.post, Gears.path, Gears.gear("g")).code == 201)
        var status = Gears.gear("g")
        status["status"] = ["phase": "Ready", "other": 1]
        let written = try await client.json(
            .patch,
            Gears.path + "/g/status?fieldManager=controller",
            status,
            headers: Self.apply
        )
        #expect(written.code == 200)
        var manifest = Gears.gear("g", spec: ["a": 1])
        manifest["status"] = ["phase": "Wrong"]
        let answer = try await client.json(
            .patch,
            Gears.path + "/g?fieldManager=me&force=true",
            manifest,
            headers: Self.apply
        )
        #expect(answer.code == 200)
        #expect(answer.body["status"] == ["phase": "Ready", "other": 1])
        let entries = answer.body.at("metadata", "managedFields")?.array ?? []
        let owner = entries.first { $0["manager"] == "controller" }
        #expect(owner?.at("fieldsV1", "f:status", "f:phase") == [:])
        #expect(entries.contains { $0["manager"] == "me" && $0.at("fieldsV1", "f:spec", "f:a") == [:] })
    }

    @Test("metadata of custom resources have their types, too")
    func metadata() async throws {
        let client = try await client()
        let rows: [(metadata: JSONValue, why: String)] = [
            (["annotations": ["replicas": 3]], "number into Go struct field ObjectMeta.annotations of type string"),
            (["labels": "x"], "string into Go struct field ObjectMeta.labels of type map[string]string"),
            (["finalizers": [1]], "number into Go struct field ObjectMeta.finalizers of type string"),
        ]
        for row in rows {
            let answer = try await client.json(.post, Gears.path, Gears.gear("g", metadata: row.metadata))
            #expect(answer.code == 400)
            #expect(
                answer.body["message"]?.string
                    == "Gear in version \"v1\" cannot be handled as a Gear: json: cannot unmarshal \(row.why)"
            )
        }
        #expect(try await client.json(.post, Gears.path, Gears.gear("g", metadata: ["labels": .null])).code == 201)
        let patched = try await client.json(
            .patch,
            Gears.path + "/g",
            ["metadata": ["annotations": ["replicas": 3]]],
            headers: Self.merge
        )
        #expect(patched.code == 422)
    }

    @Test("a definition without a served version waits for its objects and its finalizers")
    func unserved() async throws {
        let client = try await client()
        let held = Gears.gear("g", metadata: ["finalizers": ["example.com/hold"]])
        #expect(try await client.json(.post, Gears.path, held).code == 201)
        #expect(try await client.json(.post, Gears.path, Gears.gear("free")).code == 201)
        func serve(_ isServed: Bool) async throws {
            var live = try await client.json(.get, Self.definition).body
            var versions = live.at("spec", "versions")?.array ?? []
            versions[0]["served"] = .bool(isServed)
            live.set(.array(versions), at: "spec", "versions")
            #expect(try await client.json(.put, Self.definition, live).code == 200)
        }
        try await serve(false)
        #expect(await client.send(.get, Gears.path).head.status.code == 404)
        #expect(try await client.json(.delete, Self.definition).code == 200)
        #expect(try await client.json(.get, Self.definition).code == 200)
        try await serve(true)
        let left = try await client.json(.get, Gears.path).body["items"]?.array ?? []
        #expect(left.compactMap { $0.at("metadata", "name")?.string } == ["g"])
        let release: JSONValue = ["metadata": ["finalizers": .null]]
        #expect(try await client.json(.patch, Gears.path + "/g", release, headers: Self.merge).code == 200)
        #expect(try await client.json(.get, Self.definition).code == 404)
    }

    @Test("a definition's own finalizers hold it when it has no served version and no objects")
    func ownFinalizer() async throws {
        let client = TestClient()
        var definition = Gears.definition()
        definition.set(["example.com/hold"], at: "metadata", "finalizers")
        var versions = definition.at("spec", "versions")?.array ?? []
        versions[0]["served"] = false
        definition.set(.array(versions), at: "spec", "versions")
        #expect(try await client.json(.post, Gears.definitions, definition).code == 201)
        #expect(try await client.json(.delete, Self.definition).code == 200)
        let waiting = try await client.json(.get, Self.definition)
        #expect(waiting.code == 200)
        #expect(waiting.body.at("metadata", "finalizers") == ["example.com/hold"])
        let release: JSONValue = ["metadata": ["finalizers": .null]]
        #expect(try await client.json(.patch, Self.definition, release, headers: Self.merge).code == 200)
        #expect(try await client.json(.get, Self.definition).code == 404)
    }

    @Test("nothing new is made while a definition goes")
    func terminating() async throws {
        let client = try await client()
        let held = Gears.gear("g", metadata: ["finalizers": ["example.com/hold"]])
        #expect(try await client.json(.post, Gears.path, held).code == 201)
        #expect(try await client.json(.delete, Self.definition).code == 200)
        let refused = try await client.json(.post, Gears.path, Gears.gear("late"))
        #expect(refused.code == 405)
        #expect(refused.body["reason"] == "MethodNotAllowed")
        #expect(
            refused.body["message"] == "create not allowed while custom resource definition is terminating"
        )
        let applied = Gears.path + "/late?fieldManager=me"
        #expect(try await client.json(.patch, applied, Gears.gear("late"), headers: Self.apply).code == 405)
        let release: JSONValue = ["metadata": ["finalizers": .null]]
        #expect(try await client.json(.patch, Gears.path + "/g", release, headers: Self.merge).code == 200)
        #expect(try await client.json(.get, Self.definition).code == 404)
        #expect(try await client.json(.post, Gears.definitions, Gears.definition()).code == 201)
        #expect(try await client.json(.post, Gears.path, Gears.gear("late")).code == 201)
    }
}
