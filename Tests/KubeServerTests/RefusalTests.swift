// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

/// What a real server of version 1.36 was seen to answer to requests that are odd or wrong.
@Suite("Refusals and corners, as a real server has them", .timeLimit(.minutes(3)))
struct RefusalTests {
    private static let maps = "/api/v1/namespaces/default/configmaps"
    private static let apply = ["Content-Type": "application/apply-patch+yaml"]
    private static let merge = ["Content-Type": "application/merge-patch+json"]

    private struct Row {
        var method: HTTPRequest.Method
        var path: String
        var body: JSONValue?
        var headers: [String: String] = [:]
        var code: Int
        var message: String
    }

    private static let rows: [Row] = [
        Row(
            method: .get,
            path: "/api/v1/pods?fieldSelector=spec.foo%3D1",
            code: 400,
            message: "field label not supported: spec.foo"
        ),
        Row(
            method: .get,
            path: maps + "?fieldSelector=data.a%3D1",
            code: 400,
            message: "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        ),
        Row(method: .get, path: "/api/v2/pods", code: 404, message: "the server could not find the requested resource"),
        Row(
            method: .get,
            path: "/apis/apps/v9/deployments",
            code: 404,
            message: "the server could not find the requested resource"
        ),
        Row(
            method: .post,
            path: "/version",
            body: [:],
            code: 405,
            message: "the server does not allow this method on the requested resource"
        ),
        Row(
            method: .delete,
            path: maps + "/a",
            body: ["orphanDependents": true, "propagationPolicy": "Orphan"],
            code: 422,
            message: "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Invalid value: \"Orphan\": "
                + "orphanDependents and deletionPropagation cannot be both set"
        ),
        Row(
            method: .delete,
            path: maps + "/a?gracePeriodSeconds=x",
            code: 400,
            message: "strconv.ParseInt: parsing \"x\": invalid syntax"
        ),
        Row(
            method: .delete,
            path: maps + "/a",
            body: ["preconditions": ["resourceVersion": "1"]],
            code: 409,
            message:
                "Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (1) does "
                + "not match the ResourceVersion in record (8). The object might have been modified"
        ),
        Row(
            method: .patch,
            path: maps + "/a",
            body: ["metadata": ["uid": "other"]],
            headers: merge,
            code: 422,
            message: "ConfigMap \"a\" is invalid: metadata.uid: Invalid value: \"other\": field is immutable"
        ),
        Row(
            method: .patch,
            path: maps + "/a",
            body: [],
            headers: merge,
            code: 400,
            message: "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        ),
        Row(
            method: .patch,
            path: maps + "/a?fieldManager=m",
            body: ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "a"], "nope": 1],
            headers: apply,
            code: 500,
            message:
                "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .nope: field not declared in schema"
        ),
        Row(
            method: .post,
            path: maps,
            body: ["kind": "Pod", "apiVersion": "v1", "metadata": ["name": "x"]],
            code: 400,
            message: "Pod in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): "
                + "unknown conversion"
        ),
        Row(
            method: .put,
            path: maps + "/nowhere",
            body: ["metadata": ["name": "x"]],
            code: 400,
            message: "the name of the object (x) does not match the name on the URL (nowhere)"
        ),
    ]

    @Test("each of them is refused with its status and its sentence")
    func refusals() async throws {
        let client = TestClient()
        try await client.configMap("a")
        for row in Self.rows {
            let answer = try await client.json(row.method, row.path, row.body, headers: row.headers)
            #expect(answer.code == row.code, "\(row.method) \(row.path)")
            let message = answer.body["message"]?.string ?? ""
            if row.message.contains("in record") {
                #expect(message.hasSuffix("The object might have been modified"))
            } else if row.code == 500 {
                #expect(message.hasSuffix(".nope: field not declared in schema"))
            } else {
                #expect(message == row.message, "\(row.method) \(row.path)")
            }
        }
    }

    @Test("empty maps of built-in objects are left out, a Service keeps its family, and loses affinity it doesn't use")
    func shapes() async throws {
        let client = TestClient()
        let map = try await client.json(
            .post,
            Self.maps,
            ["metadata": ["name": "e", "labels": [:]], "data": [:]]
        ).body
        #expect(map["data"] == nil)
        #expect(map.at("metadata", "labels") == nil)
        let services = "/api/v1/namespaces/default/services"
        let service: JSONValue = [
            "metadata": ["name": "s"],
            "spec": ["ports": [["port": 80]], "sessionAffinity": "ClientIP", "selector": [:]],
        ]
        let made = try await client.json(.post, services, service).body
        #expect(made.at("spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds") == 10_800)
        #expect(made.at("spec", "selector") == nil)
        let changed = try await client.json(
            .put,
            services + "/s",
            ["metadata": ["name": "s"], "spec": ["ports": [["port": 80]]]]
        ).body
        #expect(changed.at("spec", "ipFamilies") == ["IPv4"])
        #expect(changed.at("spec", "ipFamilyPolicy") == "SingleStack")
        #expect(changed.at("spec", "sessionAffinityConfig") == nil)
    }

    @Test("an emptied namespace goes when its finalizers do")
    func namespace() async throws {
        let client = TestClient()
        #expect(try await client.json(.post, "/api/v1/namespaces", ["metadata": ["name": "n"]]).code == 201)
        var live = try await client.json(.delete, "/api/v1/namespaces/n").body
        #expect(live.at("status", "phase") == "Terminating")
        live.set([], at: "spec", "finalizers")
        #expect(try await client.json(.put, "/api/v1/namespaces/n/finalize", live).code == 200)
        #expect(try await client.json(.get, "/api/v1/namespaces/n").code == 404)
    }

    @Test("lists by key are merged in the order that a real server gives them")
    func order() async throws {
        let client = TestClient()
        let path = "/apis/apps/v1/namespaces/default/deployments/d?force=true&fieldManager="
        func deployment(_ ports: [JSONValue]) -> JSONValue {
            [
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": "d"],
                "spec": [
                    "selector": ["matchLabels": ["a": "b"]],
                    "template": [
                        "metadata": ["labels": ["a": "b"]],
                        "spec": ["containers": [["name": "c", "image": "i", "ports": .array(ports)]]],
                    ],
                ],
            ]
        }
        let first: [JSONValue] = [
            ["containerPort": 80], ["containerPort": 81], ["containerPort": 81, "protocol": "UDP"],
        ]
        #expect(try await client.json(.patch, path + "one", deployment(first), headers: Self.apply).code == 201)
        let second: [JSONValue] = [["containerPort": 81], ["containerPort": 80]]
        let merged = try await client.json(.patch, path + "two", deployment(second), headers: Self.apply).body
        let ports = merged.at("spec", "template", "spec", "containers")?[0]?["ports"]?.array ?? []
        let texts = ports.map { "\($0["containerPort"]?.int ?? 0)/\($0["protocol"]?.string ?? "")" }
        #expect(texts == ["81/TCP", "81/UDP", "80/TCP"])
        let resources = merged.at("spec", "template", "spec", "containers")?[0]?["resources"]
        #expect(resources?["requests"] == nil)
    }

    @Test("kubectl's own annotation follows a server-side apply by kubectl")
    func lastApplied() async throws {
        let client = TestClient()
        let name = "kubectl.kubernetes.io/last-applied-configuration"
        let object: JSONValue = [
            "metadata": ["name": "a", "annotations": .object([name: "{}"])], "data": ["a": "1"],
        ]
        #expect(try await client.json(.post, Self.maps, object).code == 201)
        let applied: JSONValue = [
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "a"], "data": ["b": "2"],
        ]
        let path = Self.maps + "/a?fieldManager=kubectl"
        let answer = try await client.json(.patch, path, applied, headers: Self.apply).body
        #expect(answer.at("metadata", "annotations", name)?.string == applied.jsonText + "\n")
    }
}
