// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("A Service's address when its type changes")
struct ServiceAddressTests {
    private static let path = "/api/v1/namespaces/default/services"
    private static let merge = ["Content-Type": "application/merge-patch+json"]
    private static let address = "127.96.3.4"

    private func service(_ name: String, _ spec: JSONValue) -> JSONValue {
        var spec = spec
        spec["ports"] = [["port": 80]]
        return ["metadata": ["name": .string(name)], "spec": spec]
    }

    private func patch(_ client: TestClient, _ spec: JSONValue, query: String = "") async throws -> (Int, JSONValue) {
        let answer = try await client.json(.patch, Self.path + "/s" + query, ["spec": spec], headers: Self.merge)
        return (answer.code, answer.body)
    }

    /// Whether another Service can have the address; one that can is deleted again.
    private func isFree(_ client: TestClient) async throws -> Bool {
        let code = try await client.json(.post, Self.path, service("other", ["clusterIP": .string(Self.address)])).code
        if code == 201 { #expect(try await client.json(.delete, Self.path + "/other").code == 200) }
        return code == 201
    }

    @Test("it is given up with the change to a name outside, and only when that is accepted")
    func givenUp() async throws {
        let client = TestClient()
        #expect(
            try await client.json(.post, Self.path, service("s", ["clusterIP": .string(Self.address)])).code == 201
        )
        #expect(try await patch(client, ["type": "ExternalName"]).0 == 422)
        #expect(try await !isFree(client))
        #expect(
            try await patch(client, ["type": "ExternalName", "externalName": "x.y"], query: "?dryRun=All").0 == 200
        )
        #expect(try await !isFree(client))
        let (code, changed) = try await patch(client, ["type": "ExternalName", "externalName": "x.y"])
        #expect(code == 200)
        for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            #expect(changed.at("spec", member) == nil, "\(member)")
        }
        #expect(try await isFree(client))
        #expect(try await TestClient(restoring: client.server.snapshot).json(.get, Self.path + "/s").code == 200)
    }

    @Test("it is taken with the change from a name outside, and only when that is accepted")
    func taken() async throws {
        let client = TestClient()
        let outside: JSONValue = ["type": "ExternalName", "externalName": "x.y"]
        #expect(try await client.json(.post, Self.path, service("s", outside)).code == 201)
        let inside: JSONValue = ["type": "ClusterIP", "clusterIP": .string(Self.address), "externalName": .null]
        var wrong = inside
        wrong["sessionAffinity"] = "Nobody"
        #expect(try await patch(client, wrong).0 == 422)
        #expect(try await isFree(client))
        #expect(try await patch(client, inside, query: "?dryRun=All").0 == 200)
        #expect(try await isFree(client))
        let (code, changed) = try await patch(client, inside)
        #expect(code == 200)
        #expect(changed.at("spec", "clusterIPs") == [.string(Self.address)])
        #expect(try await !isFree(client))
    }
}
