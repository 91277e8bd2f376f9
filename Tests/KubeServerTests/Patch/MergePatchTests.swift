// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel
import Testing

@testable import KubeServer

@Suite("JSON merge patches do what the API server's library does")
struct MergePatchTests {
    @Test("nulls are taken out of new lists of objects")
    func lists() {
        let patch: JSONValue = ["a": [["b": .null, "c": 1], .null]]
        let pruned: JSONValue = ["a": [["c": 1], .null]]
        #expect(MergePatch.apply(patch, to: [:]) == pruned)
        #expect(MergePatch.apply(patch, to: ["a": [1]]) == pruned)
        #expect(MergePatch.apply(patch, to: ["a": ["x": 1]]) == patch)
    }

    @Test("null is no patch")
    func null() async throws {
        let client = TestClient()
        let path = "/api/v1/namespaces/default/configmaps"
        _ = try await client.json(.post, path, ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "a"]])
        let headers = ["Content-Type": "application/merge-patch+json"]
        let answer = try await client.json(.patch, "\(path)/a", .null, headers: headers)
        #expect(answer.code == 400)
        #expect(answer.body["message"] == "Invalid JSON Patch")
    }
}
