// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("The embedded API server")
struct ServerTests {
    @Test("only a known bearer token is let in")
    func tokens() async throws {
        let client = TestClient { $0.tokens = ["secret"] }
        for header in ["", "Bearer wrong", "Basic secret", "Bearer secretx"] {
            let answer = try await client.json(.get, "/api/v1/namespaces", headers: ["Authorization": header])
            #expect(answer.code == 401, "\(header)")
            #expect(answer.body["reason"] == "Unauthorized")
        }
        let answer = try await client.json(.get, "/api/v1/namespaces", headers: ["Authorization": "Bearer secret"])
        #expect(answer.code == 200)
    }

    @Test("a body above the limit gets 413, protobuf 415")
    func bodies() async throws {
        let client = TestClient { $0.maximumBodyBytes = 100 }
        let path = "/api/v1/namespaces/default/configmaps"
        let large = try await client.json(
            .post,
            path,
            ["data": ["a": .string(String(repeating: "x", count: 200))]]
        )
        #expect(large.code == 413)
        let protobuf = try await client.json(
            .post,
            path,
            [:],
            headers: ["Content-Type": "application/vnd.kubernetes.protobuf"]
        )
        #expect(protobuf.code == 415)
    }

    @Test("every cluster starts with its four namespaces and the kubernetes Service")
    func start() async throws {
        let client = TestClient()
        let list = try await client.json(.get, "/api/v1/namespaces").body
        let names = (list["items"]?.array ?? []).compactMap { $0.at("metadata", "name")?.string }
        #expect(names == ["default", "kube-node-lease", "kube-public", "kube-system"])
        let service = try await client.json(.get, "/api/v1/namespaces/default/services/kubernetes").body
        #expect(service.at("spec", "clusterIP")?.string?.hasPrefix("127.96.") == true)
    }

    @Test("the kubernetes Service comes back when it is deleted, as the others' don't")
    func ownService() async throws {
        let client = TestClient()
        let path = "/api/v1/namespaces/default/services/kubernetes"
        let before = try await client.json(.get, path).body
        #expect(try await client.json(.delete, path).code == 200)
        let after = try await client.json(.get, path)
        #expect(after.code == 200)
        #expect(after.body.at("spec", "clusterIP") == before.at("spec", "clusterIP"))
        #expect(after.body.at("metadata", "uid") != before.at("metadata", "uid"))
    }

    @Test("a Service's address is unique, may be named, and is free again after its deletion")
    func addresses() async throws {
        let client = TestClient()
        let path = "/api/v1/namespaces/default/services"
        func service(_ name: String, _ address: String) -> JSONValue {
            [
                "metadata": ["name": .string(name)],
                "spec": ["clusterIP": .string(address), "ports": [["port": 80]]],
            ]
        }
        #expect(try await client.json(.post, path, service("a", "127.96.3.4")).code == 201)
        let taken = try await client.json(.post, path, service("b", "127.96.3.4"))
        #expect(taken.code == 422)
        #expect(taken.body["message"]?.string?.contains("provided IP is already allocated") == true)
        #expect(try await client.json(.post, path, service("c", "10.1.1.1")).code == 422)
        #expect(try await client.json(.delete, path + "/a").code == 200)
        #expect(try await client.json(.post, path, service("b", "127.96.3.4")).code == 201)
        let headless = try await client.json(.post, path, service("h", "None"))
        #expect(headless.body.at("spec", "clusterIPs") == ["None"])
    }

    @Test("a scheduled pod keeps its grace until the node confirms with zero")
    func grace() async throws {
        let client = TestClient()
        let path = "/api/v1/namespaces/default/pods"
        let pod: JSONValue = [
            "metadata": ["name": "p"],
            "spec": ["nodeName": "n", "containers": [["name": "c", "image": "i"]]],
        ]
        #expect(try await client.json(.post, path, pod).code == 201)
        let waiting = try await client.json(.delete, path + "/p")
        #expect(waiting.body.at("metadata", "deletionGracePeriodSeconds") == 30)
        #expect(waiting.body.at("metadata", "deletionTimestamp") == "2026-01-01T00:00:30Z")
        #expect(try await client.json(.get, path + "/p").code == 200)
        #expect(try await client.json(.delete, path + "/p?gracePeriodSeconds=0").code == 200)
        #expect(try await client.json(.get, path + "/p").code == 404)
    }

    @Test("deleting a definition deletes its objects, its discovery and its watches", .timeLimit(.minutes(3)))
    func definitions() async throws {
        let client = TestClient()
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        let definition: JSONValue = [
            "metadata": ["name": "gears.example.com"],
            "spec": [
                "group": "example.com", "scope": "Namespaced", "names": ["plural": "gears", "kind": "Gear"],
                "versions": [
                    [
                        "name": "v1", "served": true, "storage": true,
                        "schema": [
                            "openAPIV3Schema": [
                                "type": "object",
                                "properties": [
                                    "spec": ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                                ],
                            ]
                        ],
                    ]
                ],
            ],
        ]
        #expect(try await client.json(.post, definitions, definition).code == 201)
        let path = "/apis/example.com/v1/namespaces/default/gears"
        let gear: JSONValue = ["apiVersion": "example.com/v1", "kind": "Gear", "metadata": ["name": "g"]]
        #expect(try await client.json(.post, path, gear).code == 201)
        let response = await client.send(.get, path + "?watch=1")
        var iterator = response.body.makeAsyncIterator()
        #expect(try await client.json(.delete, definitions + "/gears.example.com").code == 200)
        #expect(try await TestClient.events(&iterator, 9) == ["ADDED g", "DELETED g"])
        #expect(try await client.json(.get, definitions + "/gears.example.com").code == 404)
        #expect(await client.send(.get, path).head.status.code == 404)
    }

    @Test("an admission plugin may refuse a write, change it, and warn")
    func admission() async throws {
        let client = TestClient { $0.admission = [Doorman()] }
        let path = "/api/v1/namespaces/default/configmaps"
        let refused = try await client.json(.post, path, ["metadata": ["name": "bad"]])
        #expect(refused.code == 403)
        let response = await client.send(.post, path, ["metadata": ["name": "good"]])
        let warning = HTTPField.Name("Warning").flatMap { response.head.headerFields[$0] }
        #expect(warning == "299 - \"looked at\"")
        #expect(try await client.json(.get, path + "/good").body.at("metadata", "labels", "seen") == "yes")
    }

    @Test("broken requests get a status and never trap")
    func hostile() async throws {
        let client = TestClient()
        let paths = [
            "/", "//", "/api/v1/", "/api/v1/namespaces//pods", "/api/v1/%", "/api/v1/%zz/%2e%2e",
            "/apis/a/b/c/d/e/f/g/h", "/api/v1/pods?limit=-9223372036854775808",
            "/api/v1/pods?continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTksInN0YXJ0IjoiYSJ9",
            "/api/v1/pods?resourceVersion=99999999999999999999", "/api/v1/pods?labelSelector=a%20in%20(",
            "/api/v1/pods?watch=1&timeoutSeconds=-1&resourceVersion=x",
        ]
        for path in paths {
            for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete] {
                let code = await client.send(method, path, ["spec": 1]).head.status.code
                #expect((200...599).contains(code), "\(method) \(path)")
            }
        }
    }
}

/// Refuses `bad`, and marks what it lets pass.
private struct Doorman: AdmissionPlugin {
    func review(_ request: AdmissionRequest) throws(APIStatus) -> AdmissionResponse {
        guard request.resource == .configMaps, request.operation == .create else {
            return AdmissionResponse(object: request.object)
        }
        if request.object.name == "bad" {
            throw APIStatus(code: 403, reason: "Forbidden", message: "admission webhook denied the request")
        }
        var object = request.object
        object.labels["seen"] = "yes"
        return AdmissionResponse(object: object, warnings: ["looked at"])
    }

    @Test("an unknown field in a patch is refused as a real server words it")
    func unknownFieldInPatch() async throws {
        let client = TestClient()
        let pod: JSONValue = [
            "metadata": ["labels": ["app": "d"]], "spec": ["containers": [["name": "c", "image": "test/x:1"]]],
        ]
        let deployment: JSONValue = [
            "metadata": ["name": "d"],
            "spec": ["selector": ["matchLabels": ["app": "d"]], "template": pod],
        ]
        let path = "/apis/apps/v1/namespaces/default/deployments"
        #expect(try await client.json(.post, path, deployment).code == 201)
        let patch: JSONValue = [
            "metadata": ["annotations": ["a": "b c"]],
            "spec": ["replicas": .null, "replicsa": 3, "list": ["x", true]],
        ]
        let answer = try await client.json(
            .patch,
            path + "/d?fieldValidation=Strict",
            patch,
            headers: ["Content-Type": "application/strategic-merge-patch+json"]
        )
        #expect(answer.code == 422)
        #expect(answer.body["reason"] == "Invalid")
        let cause = answer.body.at("details", "causes")?.array?.first
        #expect(cause?["field"] == "patch")
        #expect(cause?["reason"] == "FieldValueInvalid")
        let text = "map[metadata:map[annotations:map[a:b c]] spec:map[list:[x true] replicas:<nil> replicsa:3]]"
        let why = #"strict decoding error: unknown field "spec.list", unknown field "spec.replicsa""#
        #expect(cause?["message"]?.string == "Invalid value: \"\(text)\": \(why)")
        #expect(answer.body["message"]?.string == " \"\" is invalid: patch: Invalid value: \"\(text)\": \(why)")
        #expect(answer.body.at("details", "name") == nil)

        let warned = try await client.json(
            .patch,
            path + "/d",
            ["spec": ["replicsa": 3]],
            headers: ["Content-Type": "application/merge-patch+json"]
        )
        #expect(warned.code == 200)
    }

    @Test("a node's kubelet port is always there, since generated clients insist on it")
    func nodePort() async throws {
        let client = TestClient()
        let node = try await client.json(.post, "/api/v1/nodes", ["metadata": ["name": "n"]])
        #expect(node.code == 201)
        #expect(node.body.at("status", "daemonEndpoints", "kubeletEndpoint", "Port") == 0)
    }
}
