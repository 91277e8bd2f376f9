// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("Requests that ask for much", .timeLimit(.minutes(3)))
struct HostileRequestTests {
    private static let maps = "/api/v1/namespaces/default/configmaps"

    private func warnings(_ response: HTTPResponseMessage) throws -> [String] {
        let name = try #require(HTTPField.Name("Warning"))
        return response.head.headerFields[values: name]
    }

    @Test("an object that couldn't be read back isn't stored")
    func tooDeep() async throws {
        let client = TestClient { $0.admission = [Nester()] }
        #expect(try await client.json(.post, Self.maps, ["metadata": ["name": "deep-500"]]).code == 201)
        #expect(try await client.json(.get, Self.maps + "/deep-500").body["kind"] == "ConfigMap")
        let refused = try await client.json(.post, Self.maps, ["metadata": ["name": "deep-700"]])
        #expect(refused.code == 422)
        #expect(refused.body["message"]?.string?.contains("nested more than 600 levels deep") == true)
        #expect(try await client.json(.get, Self.maps + "/deep-700").code == 404)
        #expect(try await client.json(.post, Self.maps, ["metadata": ["name": "later"]]).code == 201)
        let path = Self.maps + "/later"
        #expect(
            try await client.json(.put, path, ["metadata": ["name": "later"], "data": ["depth": "700"]]).code == 422
        )
        #expect(try await client.json(.get, path).body.at("metadata", "name") == "later")
    }

    @Test("of wrong fields a thousand are named")
    func manyCauses() async throws {
        let client = TestClient()
        let data = JSONObject(pairs: (0..<3000).map { ("not a key \($0)", "x") })
        let answer = try await client.json(.post, Self.maps, ["metadata": ["name": "m"], "data": .object(data)])
        #expect(answer.code == 422)
        #expect(answer.body.at("details", "causes")?.array?.count == 1000)
    }

    @Test("of unknown fields a hundred are named, with long names cut")
    func unknownFields() async throws {
        let client = TestClient()
        let unknown = JSONObject(pairs: (0..<500).map { ("n\($0)", 1) })
        let long = String(repeating: "k", count: 20_000)
        var body: JSONValue = ["metadata": ["name": "u"]]
        body[long] = 1
        body["metadata"] = .object(JSONObject(pairs: Array(unknown.map { ($0.key, $0.value) }) + [("name", "u")]))
        let refused = try await client.json(.post, Self.maps + "?fieldValidation=Strict", body)
        #expect(refused.code == 400)
        let message = try #require(refused.body["message"]?.string)
        #expect(message.split(separator: "unknown field").count == 101)
        #expect(message.contains("kkk…\"") && message.utf8.count < 10_000)
        let made = await client.send(.post, Self.maps, body)
        #expect(made.head.status.code == 201)
        let texts = try warnings(made)
        #expect(!texts.isEmpty && texts.count <= 64)
    }

    @Test("warnings are sent in full where all fit, and cut where not")
    func warnings() async throws {
        let client = TestClient { $0.admission = [Nester()] }
        let few = await client.send(.post, Self.maps, ["metadata": ["name": "warn-3"]])
        let full = try warnings(few)
        #expect(full.count == 3 && full.allSatisfy { $0.utf8.count > 1000 })
        let many = try warnings(await client.send(.post, Self.maps, ["metadata": ["name": "warn-40"]]))
        #expect(many.count == 16)
        #expect(many.allSatisfy { $0.utf8.count < 300 && $0.hasPrefix("299 - ") })
        #expect(try warnings(await client.send(.post, Self.maps, ["metadata": ["name": "same-5"]])).count == 1)
    }

    @Test("a definition with a pattern that is none is refused; what isn't enforced is said in warnings")
    func patterns() async throws {
        let client = TestClient()
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        let refused = try await client.json(
            .post,
            path,
            Gears.definition(spec: ["type": "object", "properties": ["a": ["type": "string", "pattern": "("]]])
        )
        #expect(refused.code == 422)
        let cause = refused.body.at("details", "causes")?[0]
        #expect(cause?["field"] == "spec.validation.openAPIV3Schema.properties[spec].properties[a].pattern")
        #expect(
            cause?["message"]?.string?.hasPrefix(#"Invalid value: "(": must be a valid regular expression, but isn't"#)
                == true
        )
        let spec: JSONValue = [
            "type": "object", "properties": ["a": ["type": "string", "pattern": "\\p{Greek}"]],
            "x-kubernetes-validations": [["rule": "self.a != ''"]],
        ]
        let made = await client.send(.post, path, Gears.definition(spec: spec))
        #expect(made.head.status.code == 201)
        let expected = [
            "299 - \"version v1: x-kubernetes-validations at spec are kept but not evaluated\"",
            "299 - \"version v1: the pattern at spec.a can't be compiled and is not checked\"",
        ]
        #expect(try warnings(made) == expected)
        let patched = await client.send(
            .patch,
            path + "/gears.example.com",
            ["metadata": ["labels": ["a": "b"]]],
            headers: ["Content-Type": "application/merge-patch+json"]
        )
        #expect(try warnings(patched) == expected)
        let plain = await client.send(.post, path, Gears.definition(plural: "cogs", spec: ["type": "object"]))
        #expect(plain.head.status.code == 201)
        #expect(try warnings(plain).isEmpty)
    }
}

/// Makes objects deep, and warns, as their names and data ask.
private struct Nester: AdmissionPlugin {
    func review(_ request: AdmissionRequest) throws(APIStatus) -> AdmissionResponse {
        var object = request.object
        let parts = object.name.split(separator: "-").map(String.init)
        let number = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
        switch parts.first {
        case "deep": object["data", "x"] = nested(number - 2)
        case "warn":
            let texts = (0..<number).map { String(repeating: "w", count: 1100) + "\($0)" }
            return AdmissionResponse(object: object, warnings: texts)
        case "same": return AdmissionResponse(object: object, warnings: Array(repeating: "again", count: number))
        default:
            if let depth = object["data", "depth"]?.string.flatMap({ Int($0) }) { object["data", "x"] = nested(depth) }
        }
        return AdmissionResponse(object: object)
    }

    private func nested(_ depth: Int) -> JSONValue {
        var value = JSONValue.emptyObject
        for _ in 0..<depth { value = ["a": value] }
        return value
    }
}

/// A small custom kind.
enum Gears {
    static let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    static let path = "/apis/example.com/v1/namespaces/default/gears"

    static func definition(
        plural: String = "gears",
        spec: JSONValue = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
    ) -> JSONValue {
        [
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": ["name": .string("\(plural).example.com")],
            "spec": [
                "group": "example.com", "scope": "Namespaced",
                "names": ["plural": .string(plural), "kind": .string(plural == "gears" ? "Gear" : plural)],
                "versions": [
                    [
                        "name": "v1", "served": true, "storage": true, "subresources": ["status": [:]],
                        "schema": [
                            "openAPIV3Schema": [
                                "type": "object",
                                "properties": [
                                    "spec": spec,
                                    "status": ["type": "object", "x-kubernetes-preserve-unknown-fields": true],
                                ],
                            ]
                        ],
                    ]
                ],
            ],
        ]
    }

    static func gear(_ name: String, metadata: JSONValue = [:], spec: JSONValue = [:]) -> JSONValue {
        var gear: JSONValue = ["apiVersion": "example.com/v1", "kind": "Gear", "metadata": metadata, "spec": spec]
        gear.set(.string(name), at: "metadata", "name")
        return gear
    }
}
