// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("What is asked of a pod's log, before a node is asked")
struct PodLogQueryTests {
    private let pods = "/api/v1/namespaces/default/pods"

    private func client(_ containers: [JSONValue]) async throws -> TestClient {
        let client = TestClient()
        let pod: JSONValue = [
            "metadata": ["name": "web", "annotations": ["kubectl.kubernetes.io/default-container": "main"]],
            "spec": ["containers": .array(containers), "initContainers": [["name": "first", "image": "i"]]],
        ]
        #expect(try await client.json(.post, pods, pod).code == 201)
        return client
    }

    @Test("a pod without a node has an empty log", arguments: ["", "?follow=true", "?previous=1&container=first"])
    func unscheduled(_ query: String) async throws {
        let response = try await client([["name": "main", "image": "i"]]).send(.get, pods + "/web/log" + query)
        #expect(response.head.status == .noContent)
        #expect(try await response.body.collect(upTo: 100).isEmpty)
    }

    @Test("of several containers one must be named, by whoever asks")
    func several() async throws {
        let client = try await client([["name": "main", "image": "i"], ["name": "side", "image": "i"]])
        let unnamed = try await client.json(.get, pods + "/web/log")
        #expect(unnamed.code == 400)
        #expect(
            unnamed.body["message"]
                == "a container name must be specified for pod web, choose one of: [first main side]"
        )
        #expect(await client.send(.get, pods + "/web/log?container=side").head.status == .noContent)
    }

    @Test(
        "numbers that make no sense are refused in the real server's words",
        arguments: [
            ("tailLines=-2", 422, "tailLines: Invalid value: -2: must be greater than or equal to 0"),
            ("limitBytes=0", 422, "limitBytes: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=0", 422, "sinceSeconds: Invalid value: 0: must be greater than 0"),
            (
                "sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", 422,
                "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            ),
            ("tailLines=x", 400, #"strconv.ParseInt: parsing "x": invalid syntax"#),
            (
                "sinceTime=x", 400,
                #"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#
            ),
        ]
    )
    func numbers(_ query: String, _ code: Int, _ why: String) async throws {
        // Before the pod is looked for.
        let answer = try await TestClient().json(.get, pods + "/web/log?" + query)
        #expect(answer.code == code)
        #expect(answer.body["message"]?.string == (code == 422 ? #"PodLogOptions "web" is invalid: "# : "") + why)
    }
}
