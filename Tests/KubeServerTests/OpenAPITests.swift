// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("What clients read from the OpenAPI documents")
struct OpenAPITests {
    private static func definition(_ property: String) -> JSONValue {
        let schema: JSONValue = [
            "type": "object",
            "properties": ["spec": ["type": "object", "properties": .object([property: ["type": "string"]])]],
        ]
        return [
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": ["name": "widgets.example.com"],
            "spec": [
                "group": "example.com", "scope": "Namespaced",
                "names": ["plural": "widgets", "kind": "Widget"],
                "versions": [
                    [
                        "name": "v1", "served": true, "storage": true, "subresources": ["status": [:]],
                        "schema": ["openAPIV3Schema": schema],
                    ]
                ],
            ],
        ]
    }

    private static let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

    private func patchTypes(_ client: TestClient, _ groupVersion: String, _ path: String) async throws -> [String] {
        let document = try await client.json(.get, "/openapi/v3/apis/\(groupVersion)").body
        let content = document.at("paths", path, "patch", "requestBody", "content")?.object
        return content?.map(\.key) ?? []
    }

    @Test("strategic merge is offered for built-in kinds only; kubectl apply sends what is offered")
    func patchTypes() async throws {
        let client = TestClient()
        #expect(try await client.json(.post, Self.definitions, Self.definition("a")).code == 201)
        let strategic = "application/strategic-merge-patch+json"
        let merge = "application/merge-patch+json"
        let custom = "/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"
        for path in [custom, custom + "/status"] {
            let types = try await patchTypes(client, "example.com/v1", path)
            #expect(types.contains(merge), "\(path)")
            #expect(!types.contains(strategic), "\(path)")
        }
        let builtIn = try await patchTypes(client, "apps/v1", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
        #expect(builtIn.contains(strategic) && builtIn.contains(merge))
    }

    @Test("version 2 describes nothing, in either form: kubectl then says that a misspelled kind is none")
    func version2() async throws {
        let client = TestClient()
        let document = try await client.json(.get, "/openapi/v2")
        #expect(document.code == 200)
        #expect(document.body["swagger"] == "2.0")
        let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        let answer = await client.send(.get, "/openapi/v2", headers: ["Accept": accept])
        #expect(answer.head.status == .ok)
        // Without the @, which is no letter of a media type: clients would stumble over it.
        #expect(answer.head.headerFields[.contentType] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
        #expect(try await answer.body.collect(upTo: 10).isEmpty)
    }

    @Test("the index follows the definitions, and hashes stay while a document stays")
    func index() async throws {
        let client = TestClient()
        func addresses() async throws -> [String: String] {
            let paths = try await client.json(.get, "/openapi/v3").body["paths"]?.object
            return Dictionary(
                uniqueKeysWithValues: (paths ?? [:]).map { ($0.key, $0.value["serverRelativeURL"]?.string ?? "") }
            )
        }
        let before = try await addresses()
        #expect(before["apis/apps/v1"]?.hasPrefix("/openapi/v3/apis/apps/v1?hash=") == true)
        #expect(before["apis/example.com/v1"] == nil)

        #expect(try await client.json(.post, Self.definitions, Self.definition("first")).code == 201)
        let first = try await addresses()
        #expect(first["apis/example.com/v1"] != nil)
        #expect(first["apis/apps/v1"] == before["apis/apps/v1"])
        #expect(try await addresses() == first)

        let path = Self.definitions + "/widgets.example.com"
        let patch: JSONValue = ["spec": ["versions": Self.definition("second").at("spec", "versions") ?? []]]
        let headers = ["Content-Type": "application/merge-patch+json"]
        #expect(try await client.json(.patch, path, patch, headers: headers).code == 200)
        let second = try await addresses()
        #expect(second["apis/example.com/v1"] != first["apis/example.com/v1"])
        let document = try await client.json(.get, second["apis/example.com/v1"] ?? "/").body
        let schema = document.at("components", "schemas", "com.example.v1.Widget", "properties", "spec", "properties")
        #expect(schema?.object?.map(\.key) == ["second"])

        #expect(try await client.json(.delete, path).code == 200)
        #expect(try await addresses()["apis/example.com/v1"] == nil)
    }

    @Test("what the server doesn't have is refused with a sentence")
    func refusals() async throws {
        let client = TestClient()
        for stream in ["exec", "attach", "portforward"] {
            let answer = try await client.json(.post, "/api/v1/namespaces/default/pods/a/\(stream)", [:])
            #expect(answer.code == 501)
            #expect(answer.body["message"]?.string?.contains("pods/\(stream)") == true)
        }
    }
}
