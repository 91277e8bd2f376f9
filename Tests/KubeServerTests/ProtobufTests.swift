// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("Protobuf bodies, as kubectl create sends them")
struct ProtobufTests {
    /// A field of bytes.
    private func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] { [number << 3 | 2, UInt8(bytes.count)] + bytes }

    private func field(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    private func envelope(_ version: String, _ kind: String, _ raw: [UInt8]) -> [UInt8] {
        Array("k8s\u{0}".utf8) + field(1, field(1, version) + field(2, kind)) + field(2, raw) + field(3, "")
            + field(4, "")
    }

    private func post(_ path: String, _ bytes: [UInt8]) async throws -> (Int, JSONValue) {
        let client = TestClient()
        var fields = HTTPFields()
        fields[.contentType] = "application/vnd.kubernetes.protobuf"
        fields[.accept] = "application/vnd.kubernetes.protobuf,application/json"
        let head = HTTPRequest(
            method: .post,
            scheme: "http",
            authority: "localhost",
            path: path,
            headerFields: fields
        )
        let response = await client.server.exchange(HTTPRequestMessage(head: head, body: StreamingBody(bytes)))
        return (response.head.status.code, try JSONValue(parsing: try await response.body.collect(upTo: 1 << 20)))
    }

    @Test("a config map arrives with its data, and empty fields count as missing")
    func configMap() async throws {
        let metadata = field(1, "cm") + field(2, "") + [7 << 3, 0] + field(8, [UInt8]())
        let raw = field(1, metadata) + field(2, field(1, "a") + field(2, "b"))
        let (code, object) = try await post(
            "/api/v1/namespaces/default/configmaps",
            envelope("v1", "ConfigMap", raw)
        )
        #expect(code == 201)
        #expect(object["data"] == ["a": "b"])
        #expect(object.at("metadata", "generateName") == nil)
    }

    @Test("a disruption budget, whose numbers may be texts and whose zero counts")
    func disruptionBudget() async throws {
        let number = field(1, [8, 0, 16, 0])
        let share = field(3, [8, 1, 16, 0] + field(3, "50%"))
        let selector = field(
            2,
            field(1, field(1, "app") + field(2, "web"))
                + field(2, field(1, "tier") + field(2, "In") + field(3, "a") + field(3, "b"))
        )
        let rows: [([UInt8], JSONValue)] = [(number, ["minAvailable": 0]), (share, ["maxUnavailable": "50%"])]
        for (limits, expected) in rows {
            let raw = field(1, field(1, "p")) + field(2, limits + selector) + field(3, [8, 0, 24, 0, 32, 0])
            let (code, object) = try await post(
                "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
                envelope("policy/v1", "PodDisruptionBudget", raw)
            )
            #expect(code == 201, "\(object)")
            var spec = expected
            spec["selector"] = [
                "matchLabels": ["app": "web"],
                "matchExpressions": [["key": "tier", "operator": "In", "values": ["a", "b"]]],
            ]
            #expect(object["spec"] == spec)
        }
    }

    @Test("lists keep their order, and of two entries with one key the later wins")
    func listsAndMaps() async throws {
        func entry(_ key: String, _ value: String) -> [UInt8] { field(2, field(1, key) + field(2, value)) }
        let metadata = field(1, "cm") + field(14, "x/b") + field(14, "x/a")
        let raw = field(1, metadata) + entry("b", "1") + entry("a", "2") + entry("b", "3")
        let (code, object) = try await post("/api/v1/namespaces/default/configmaps", envelope("v1", "ConfigMap", raw))
        #expect(code == 201)
        #expect(object["data"] == ["a": "2", "b": "3"])
        #expect(object.at("metadata", "finalizers") == ["x/b", "x/a"])
    }

    @Test("a field that is not known is refused, not dropped")
    func unknownField() async throws {
        let raw = field(1, field(1, "cm")) + field(9, "something")
        let (code, status) = try await post("/api/v1/namespaces/default/configmaps", envelope("v1", "ConfigMap", raw))
        #expect(code == 415)
        #expect(status["message"]?.string?.contains("field 9 is not known") == true)
    }

    @Test("broken bytes are refused and never trap")
    func broken() async throws {
        let whole = envelope("v1", "ConfigMap", field(1, field(1, "cm")) + field(2, field(1, "a") + field(2, "b")))
        for length in 0..<whole.count {
            let (code, _) = try await post("/api/v1/namespaces/default/configmaps", Array(whole[..<length]))
            #expect([201, 400, 415, 422].contains(code))
        }
        for value in UInt8.min...UInt8.max {
            var bytes = whole
            bytes[5] = value
            bytes[whole.count / 2] = value
            let (code, _) = try await post("/api/v1/namespaces/default/configmaps", bytes)
            #expect(code < 500)
        }
    }
}
