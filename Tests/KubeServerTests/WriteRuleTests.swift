// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing
import YAML

@Suite("Rules of writes and answers, as a real server has them")
struct WriteRuleTests {
    private static let maps = "/api/v1/namespaces/default/configmaps"
    private static let pods = "/api/v1/namespaces/default/pods"

    @Test("three namespaces may not be deleted")
    func immortalNamespaces() async throws {
        let client = TestClient()
        for name in ["default", "kube-system", "kube-public"] {
            let answer = try await client.json(.delete, "/api/v1/namespaces/\(name)")
            #expect(answer.code == 403)
            #expect(
                answer.body["message"]?.string
                    == "namespaces \"\(name)\" is forbidden: this namespace may not be deleted"
            )
        }
        #expect(try await client.json(.delete, "/api/v1/namespaces/kube-node-lease").code == 200)
        #expect(try await client.json(.delete, "/api/v1/namespaces/missing").code == 404)
    }

    @Test("a shorter grace counts from when the deletion started")
    func shorterGrace() async throws {
        let client = TestClient()
        let pod: JSONValue = [
            "metadata": ["name": "p"],
            "spec": ["nodeName": "n", "containers": [["name": "c", "image": "i"]]],
        ]
        #expect(try await client.json(.post, Self.pods, pod).code == 201)
        let first = try await client.json(.delete, Self.pods + "/p").body
        #expect(first.at("metadata", "deletionTimestamp") == "2026-01-01T00:00:30Z")
        client.time.advance(by: .seconds(15))
        let second = try await client.json(.delete, Self.pods + "/p?gracePeriodSeconds=20").body
        #expect(second.at("metadata", "deletionTimestamp") == "2026-01-01T00:00:20Z")
        #expect(second.at("metadata", "deletionGracePeriodSeconds") == 20)
        let longer = try await client.json(.delete, Self.pods + "/p?gracePeriodSeconds=25").body
        #expect(longer.at("metadata", "deletionTimestamp") == "2026-01-01T00:00:20Z")
    }

    @Test("texts that look alike but have other bytes are a change")
    func bytes() async throws {
        let client = TestClient()
        func map(_ text: String) -> JSONValue { ["metadata": ["name": "m"], "data": ["a": .string(text)]] }
        let made = try await client.json(.post, Self.maps, map("\u{e9}")).body
        let changed = try await client.json(.put, Self.maps + "/m", map("e\u{301}")).body
        #expect(changed.at("metadata", "resourceVersion") != made.at("metadata", "resourceVersion"))
        let seen = try await client.json(.get, Self.maps + "/m").body.at("data", "a")?.string ?? ""
        #expect(Array(seen.utf8) == Array("e\u{301}".utf8))
        let same = try await client.json(.put, Self.maps + "/m", map("e\u{301}")).body
        #expect(same.at("metadata", "resourceVersion") == changed.at("metadata", "resourceVersion"))
        // The same for a custom kind's generation.
        #expect(try await client.json(.post, Gears.definitions, Gears.definition()).code == 201)
        var gear = try await client.json(.post, Gears.path, Gears.gear("g", spec: ["a": "\u{e9}"])).body
        gear.set("e\u{301}", at: "spec", "a")
        #expect(try await client.json(.put, Gears.path + "/g", gear).body.at("metadata", "generation") == 2)
    }

    @Test("a pod's quality of service goes by amounts, not by how they are written")
    func qualityOfService() async throws {
        let client = TestClient()
        func pod(_ name: String, _ resources: JSONValue) -> JSONValue {
            [
                "metadata": ["name": .string(name)],
                "spec": ["containers": [["name": "c", "image": "i", "resources": resources]]],
            ]
        }
        let rows: [(name: String, resources: JSONValue, quality: JSONValue)] = [
            (
                "a", ["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "1000m", "memory": "1024Mi"]],
                "Guaranteed"
            ),
            ("b", ["limits": ["cpu": "1", "memory": "1Gi"]], "Guaranteed"),
            ("c", ["limits": ["cpu": "1", "memory": "1Gi"], "requests": ["cpu": "500m"]], "Burstable"),
            ("d", [:], "BestEffort"),
        ]
        for row in rows {
            let made = try await client.json(.post, Self.pods, pod(row.name, row.resources))
            #expect(made.code == 201)
            #expect(made.body.at("status", "qosClass") == row.quality, "\(row.name)")
            #expect(made.body.at("status", "phase") == "Pending")
        }
        let odd = pod("e", ["limits": ["cpu": "1e-9223372036854775808"]])
        #expect(try await client.json(.post, Self.pods, odd).code == 201)
    }

    @Test("who accepts YAML alone, or first, gets YAML")
    func yaml() async throws {
        let client = TestClient()
        try await client.configMap("m")
        for (accept, isYAML) in [
            ("application/yaml", true), ("application/yaml, application/json", true),
            ("application/json, application/yaml", false), ("*/*", false),
        ] {
            for (path, code) in [(Self.maps + "/m", 200), (Self.maps, 200), (Self.maps + "/none", 404)] {
                let answer = await client.send(.get, path, headers: ["Accept": accept])
                #expect(answer.head.status.code == code, "\(accept) \(path)")
                let type = answer.head.headerFields[.contentType]
                #expect(type == (isYAML ? "application/yaml" : "application/json"), "\(accept) \(path)")
                let text = String(decoding: try await answer.body.collect(upTo: 1 << 20), as: UTF8.self)
                #expect(text.hasPrefix("{") != isYAML)
                let json = try await client.json(.get, path).body
                let read = try isYAML ? JSONValue.documents(yaml: text) : [JSONValue(parsing: text)]
                #expect(read == [json], "\(accept) \(path)")
            }
        }
        let watch = await client.send(.get, Self.maps + "?watch=1", headers: ["Accept": "application/yaml"])
        #expect(watch.head.status.code == 406)
        #expect(client.server.watchCount == 0)
        let other = await client.send(.get, Self.maps, headers: ["Accept": "text/html"])
        #expect(other.head.status.code == 406)
    }
}
