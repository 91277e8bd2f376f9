// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("API aggregation")
struct AggregationTests {
    /// A server of metrics that answers with what it was sent.
    private struct Echo: AggregationTransport {
        func exchange(_ request: HTTPRequestMessage, with backend: AggregatedBackend) async throws
            -> HTTPResponseMessage
        {
            if request.path == "/apis/external.metrics.k8s.io/v1beta1" {
                let list: JSONValue = [
                    "kind": "APIResourceList",
                    "resources": [
                        ["name": "queue", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": ["get"]]
                    ],
                ]
                return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: list.encoded())
            }
            let fields = request.head.headerFields.map { JSONValue.string("\($0.name.canonicalName): \($0.value)") }
            let answer: JSONValue = [
                "authority": .string(request.head.authority ?? ""), "path": .string(request.head.path ?? ""),
                "fields": .array(fields), "serverName": .string(backend.serverName),
                "authorities": .string(backend.authorities ?? ""),
            ]
            return HTTPResponseMessage(status: .accepted, contentType: "application/json", bytes: answer.encoded())
        }
    }

    private static let service: JSONValue = [
        "metadata": ["name": "v1beta1.external.metrics.k8s.io"],
        "spec": [
            "group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100,
            "versionPriority": 100, "service": ["namespace": "default", "name": "adapter", "port": 6443],
            "caBundle": .string(Data("PEM".utf8).base64EncodedString()),
        ],
    ]
    private static let path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue?labelSelector=a%3Db"

    private static func client() async throws -> TestClient {
        let client = TestClient { $0.aggregation = Echo() }
        let made = try await client.json(.post, "/apis/apiregistration.k8s.io/v1/apiservices", service)
        #expect(made.code == 201, "\(made.body)")
        return client
    }

    private static func addBackend(_ client: TestClient) async throws {
        let service = try await client.json(
            .post,
            "/api/v1/namespaces/default/services",
            ["metadata": ["name": "adapter"], "spec": ["ports": [["name": "https", "port": 6443]]]]
        )
        #expect(service.code == 201, "\(service.body)")
        let slice = try await client.json(
            .post,
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            [
                "metadata": ["name": "adapter-1", "labels": ["kubernetes.io/service-name": "adapter"]],
                "addressType": "IPv4", "ports": [["name": "https", "port": 8443]],
                "endpoints": [
                    ["addresses": ["127.0.0.8"], "conditions": ["ready": false]], ["addresses": ["127.0.0.9"]],
                ],
            ]
        )
        #expect(slice.code == 201, "\(slice.body)")
    }

    @Test("a request reaches a ready endpoint of the Service with the client's identity, not with its token or claims")
    func proxied() async throws {
        let client = try await Self.client()
        try await Self.addBackend(client)
        let answer = try await client.json(
            .get,
            Self.path,
            headers: ["Authorization": "Bearer token", "X-Remote-User": "root", "Accept": "application/json"]
        )
        #expect(answer.code == 202)
        #expect(answer.body["authority"] == "127.0.0.9:8443")
        #expect(answer.body["path"] == .string(Self.path))
        #expect(answer.body["serverName"] == "adapter.default.svc")
        #expect(answer.body["authorities"] == "PEM")
        let fields = (answer.body["fields"]?.array ?? []).compactMap(\.string).sorted()
        #expect(
            fields == [
                "accept: application/json", "x-remote-group: system:authenticated", "x-remote-group: system:masters",
                "x-remote-user: modelfleet-local",
            ]
        )
    }

    @Test("without its Service the group answers 503 and says what is missing")
    func unavailable() async throws {
        let client = try await Self.client()
        let answer = try await client.json(.get, Self.path)
        #expect(answer.code == 503)
        #expect(answer.body["message"]?.string?.contains("service/adapter in \"default\" is not present") == true)
    }

    @Test("discovery lists the group, and its resources as the other server tells them; Stale without an answer")
    func discovery() async throws {
        let client = try await Self.client()
        let accept = ["Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"]
        func version() async throws -> JSONValue? {
            let items = try await client.json(.get, "/apis", headers: accept).body["items"]?.array ?? []
            return items.first { $0.at("metadata", "name") == "external.metrics.k8s.io" }?["versions"]?.array?.first
        }
        #expect(try await version()?["freshness"] == "Stale")
        try await Self.addBackend(client)
        let found = try await version()
        #expect(found?["freshness"] == "Current")
        #expect(found?["resources"]?.array?.compactMap { $0["resource"]?.string } == ["queue"])
        let groups = try await client.json(.get, "/apis").body["groups"]?.array ?? []
        #expect(groups.last?["name"] == "external.metrics.k8s.io")
        let group = try await client.json(.get, "/apis/external.metrics.k8s.io")
        #expect(group.body.at("preferredVersion", "version") == "v1beta1")
    }

    @Test("an APIService is named after its version and group")
    func names() async throws {
        let client = TestClient()
        var service = Self.service
        service.set("other", at: "metadata", "name")
        let answer = try await client.json(.post, "/apis/apiregistration.k8s.io/v1/apiservices", service)
        #expect(answer.code == 422)
        #expect(answer.body["message"]?.string?.contains("v1beta1.external.metrics.k8s.io") == true)
    }
}
