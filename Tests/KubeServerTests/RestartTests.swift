// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("A server that restarts, and one that is asked too much", .timeLimit(.minutes(3)))
struct RestartTests {
    private let path = "/api/v1/namespaces/default/configmaps"

    @Test("a server restored from a snapshot has the same objects and versions, and no history")
    func restored() async throws {
        let client = TestClient()
        try await client.configMap("a")
        let definition = try await client.json(
            .post,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            [
                "metadata": ["name": "gears.example.com"],
                "spec": [
                    "group": "example.com", "scope": "Namespaced", "names": ["plural": "gears", "kind": "Gear"],
                    "versions": [
                        [
                            "name": "v1", "served": true, "storage": true,
                            "schema": ["openAPIV3Schema": ["type": "object"]],
                        ]
                    ],
                ],
            ]
        )
        #expect(definition.code == 201)
        let gear: JSONValue = ["apiVersion": "example.com/v1", "kind": "Gear", "metadata": ["name": "g"]]
        #expect(try await client.json(.post, "/apis/example.com/v1/namespaces/default/gears", gear).code == 201)
        let before = try await client.json(.get, path).body
        let again = TestClient(restoring: client.server.snapshot)
        #expect(try await again.json(.get, path).body == before)
        #expect(try await again.json(.get, "/apis/example.com/v1/namespaces/default/gears/g").code == 200)
        let version = try #require(before["items"]?[0]?.at("metadata", "resourceVersion")?.string)
        let watch = await again.send(.get, "\(path)?watch=1&resourceVersion=\(version)")
        #expect(try await StreamingBodyReader(watch.body).events() == ["ERROR Expired"])
        let service: JSONValue = ["metadata": ["name": "s"], "spec": ["ports": [["port": 80]]]]
        let services = "/api/v1/namespaces/default/services"
        let made = try await again.json(.post, services, service).body
        let kubernetes = try await again.json(.get, services + "/kubernetes").body
        #expect(made.at("spec", "clusterIP") != kubernetes.at("spec", "clusterIP"))
        let next = try #require(made.at("metadata", "resourceVersion")?.string.flatMap { Int64($0) })
        #expect(next == client.server.snapshot.revision + 1)
    }

    @Test("the same requests are answered with the same bytes by servers of the same seed")
    func deterministic() async throws {
        func bytes() async throws -> [[UInt8]] {
            let client = TestClient()
            var answers: [[UInt8]] = []
            func ask(_ method: HTTPRequest.Method, _ path: String, _ body: JSONValue? = nil, _ type: String? = nil)
                async throws
            {
                let headers = type.map { ["Content-Type": $0] } ?? [:]
                let response = await client.send(method, path, body, headers: headers)
                answers.append(try await response.body.collect(upTo: 1 << 22))
            }
            for name in ["a", "b", "c"] {
                try await ask(
                    .post,
                    path,
                    ["metadata": ["generateName": .string(name), "labels": ["x": "y", "z": "1"]]]
                )
            }
            let deployments = "/apis/apps/v1/namespaces/default/deployments"
            for manager in ["m1", "m2", "m3"] {
                try await ask(
                    .patch,
                    "\(deployments)/d?fieldManager=\(manager)",
                    [
                        "apiVersion": "apps/v1", "kind": "Deployment",
                        "spec": [
                            "selector": ["matchLabels": ["a": "b"]],
                            "template": [
                                "metadata": ["labels": ["a": "b"]],
                                "spec": ["containers": [["name": .string(manager), "image": "i"]]],
                            ],
                        ],
                    ],
                    "application/apply-patch+yaml"
                )
            }
            for path in [path, deployments, "/apis", "/api", "/openapi/v3", "/openapi/v3/apis/apps/v1", "/api/v1"] {
                try await ask(.get, path)
            }
            return answers
        }
        #expect(try await bytes() == (try await bytes()))
    }

    @Test("more requests at once than the server takes are answered 429 with a time to wait")
    func tooMany() async throws {
        let client = TestClient { $0.maximumRequestsInFlight = 0 }
        let response = await client.send(.get, path)
        #expect(response.head.status.code == 429)
        #expect(response.head.headerFields[.retryAfter] == "1")
        let text = String(decoding: try await response.body.collect(upTo: 100), as: UTF8.self)
        #expect(text == "Too many requests, please try again later.\n")
    }
}
