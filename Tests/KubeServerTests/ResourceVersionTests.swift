// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

/// The rows of the tables in "Resource Versions" of the Kubernetes documentation, and what a real server says of the rest.
@Suite("Resource versions and their matches", .timeLimit(.minutes(3)))
struct ResourceVersionTests {
    private let path = "/api/v1/namespaces/default/configmaps"

    /// A server with three objects, of which the last came after the version that is answered.
    private func filled() async throws -> (client: TestClient, version: Int64) {
        let client = TestClient()
        for name in ["a", "b"] { try await client.configMap(name) }
        let list = try await client.json(.get, path).body
        let version = try #require(list.at("metadata", "resourceVersion")?.string.flatMap { Int64($0) })
        try await client.configMap("c")
        return (client, version)
    }

    private func names(_ list: JSONValue) -> [String] {
        (list["items"]?.array ?? []).compactMap { $0.at("metadata", "name")?.string }
    }

    @Test("a list shows the state that its version and match ask for")
    func lists() async throws {
        let (client, version) = try await filled()
        let now = ["a", "b", "c"]
        let then = ["a", "b"]
        let rows: [(String, [String])] = [
            ("", now), ("resourceVersion=", now), ("resourceVersion=0", now), ("resourceVersion=\(version)", now),
            ("resourceVersion=1", now), ("resourceVersion=0&resourceVersionMatch=NotOlderThan", now),
            ("resourceVersion=\(version)&resourceVersionMatch=NotOlderThan", now),
            ("resourceVersion=\(version)&resourceVersionMatch=Exact", then),
            ("resourceVersion=\(version)&limit=9", then), ("resourceVersion=0&limit=1", now), ("limit=-1", now),
            ("resourceVersion=\(version)&limit=9&resourceVersionMatch=NotOlderThan", now),
        ]
        for (query, expected) in rows {
            let answer = try await client.json(.get, "\(path)?\(query)")
            #expect(answer.code == 200 && names(answer.body) == expected, "\(query)")
        }
        let exact = try await client.json(.get, "\(path)?resourceVersion=\(version)&resourceVersionMatch=Exact").body
        #expect(exact.at("metadata", "resourceVersion")?.string == String(version))
    }

    @Test("queries that make no sense are refused in the words of a real server")
    func refusals() async throws {
        let (client, _) = try await filled()
        let invalid = "ListOptions.meta.k8s.io \"\" is invalid: "
        let forbidden = invalid + "resourceVersionMatch: Forbidden: "
        let unsupported = "resourceVersionMatch: Unsupported value: "
        let watchOnly = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        let rows: [(String, Int, String)] = [
            (
                "resourceVersionMatch=Exact", 422,
                forbidden + "resourceVersionMatch is forbidden unless resourceVersion is provided"
            ),
            (
                "resourceVersion=0&resourceVersionMatch=Exact", 422,
                forbidden + "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            ),
            (
                "resourceVersion=1&resourceVersionMatch=foo", 422,
                invalid + unsupported + "\"foo\": supported values: \"Exact\", \"NotOlderThan\", \"\""
            ),
            (
                "sendInitialEvents=true", 422,
                invalid + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
            ),
            ("watch=1&resourceVersionMatch=NotOlderThan", 422, forbidden + watchOnly),
            (
                "watch=1&resourceVersionMatch=Exact", 422,
                invalid + "[resourceVersionMatch: Forbidden: \(watchOnly), " + unsupported
                    + "\"Exact\": supported values: \"NotOlderThan\"]"
            ),
            (
                "watch=1&sendInitialEvents=false", 422,
                forbidden + "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            ),
            ("limit=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"),
            (
                "watch=1&timeoutSeconds=99999999999999999999", 400,
                "strconv.ParseInt: parsing \"99999999999999999999\": value out of range"
            ),
            (
                "resourceVersion=x", 400,
                "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax"
            ),
            (
                "watch=1&resourceVersion=x", 500,
                "resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax"
            ),
            (
                "continue=abc", 400,
                "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value"
            ),
            ("labelSelector=a%3D%3D%3Db", 400, "unable to parse requirement: found '=', expected: identifier"),
            ("labelSelector=a%20in", 400, "unable to parse requirement: found '' expected: '('"),
            ("labelSelector=a%20in%20(b", 400, "unable to parse requirement: found '', expected: ',' or ')'"),
            ("labelSelector=!!a", 400, "unable to parse requirement: found '!', expected: identifier"),
            ("fieldSelector=a", 400, "invalid selector: 'a'; can't understand 'a'"),
        ]
        for (query, code, message) in rows {
            let answer = try await client.json(.get, "\(path)?\(query)")
            #expect(answer.code == code, "\(query)")
            #expect(answer.body["message"]?.string == message, "\(query)")
        }
    }

    @Test("a version that isn't there yet is 504 with a cause, and a time to wait where waiting may help")
    func future() async throws {
        let (client, _) = try await filled()
        for (query, wait) in [("", 1), ("&resourceVersionMatch=NotOlderThan", 1), ("&resourceVersionMatch=Exact", nil)]
        {
            let answer = try await client.json(.get, "\(path)?resourceVersion=99999\(query)")
            #expect(answer.code == 504)
            #expect(answer.body["reason"] == "Timeout")
            #expect(answer.body.at("details", "causes")?[0]?["reason"] == "ResourceVersionTooLarge")
            #expect(answer.body.at("details", "retryAfterSeconds")?.int == wait)
        }
        #expect(try await client.json(.get, "\(path)/a?resourceVersion=99999").code == 504)
        #expect(try await client.json(.get, "\(path)/a?resourceVersion=1").code == 200)
        #expect(try await client.json(.get, "\(path)/a?resourceVersion=x").code == 500)
    }

    @Test("a continue token goes with no other version and no match")
    func continued() async throws {
        let (client, version) = try await filled()
        let first = try await client.json(.get, "\(path)?limit=1").body
        let token = try #require(first.at("metadata", "continue")?.string)
        #expect(try await client.json(.get, "\(path)?continue=\(token)&resourceVersion=0").code == 200)
        let other = try await client.json(.get, "\(path)?continue=\(token)&resourceVersion=\(version)")
        #expect(other.code == 400)
        #expect(other.body["message"] == "specifying resource version is not allowed when using continue")
        let match = try await client.json(
            .get,
            "\(path)?continue=\(token)&resourceVersion=0&resourceVersionMatch=NotOlderThan"
        )
        #expect(match.code == 422)
        #expect(match.body["message"]?.string?.contains("forbidden when continue is provided") == true)
    }

    @Test("a page of a forgotten state is 410, and its token goes on in the present one")
    func inconsistent() async throws {
        let (client, _) = try await filled()
        let first = try await client.json(.get, "\(path)?limit=1").body
        let token = try #require(first.at("metadata", "continue")?.string)
        try await client.configMap("bb")
        client.server.compact()
        let expired = try await client.json(.get, "\(path)?limit=1&continue=\(token)")
        #expect(expired.code == 410)
        #expect(expired.body["reason"] == "Expired")
        let rest = try #require(expired.body.at("metadata", "continue")?.string)
        let second = try await client.json(.get, "\(path)?continue=\(rest)").body
        #expect(names(second) == ["b", "bb", "c"])
    }

    @Test("a watch begins with what exists, with now, or after a version, as its query says")
    func watches() async throws {
        let (client, version) = try await filled()
        let all = ["ADDED a", "ADDED b", "ADDED c", "ADDED d"]
        let rows: [(String, [String])] = [
            ("", all), ("&resourceVersion=0", all), ("&resourceVersion=\(version)", ["ADDED c", "ADDED d"]),
            ("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", all),
            ("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=1", all),
            ("&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", ["ADDED d"]),
            ("&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=0", ["ADDED d"]),
            (
                "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=\(version)",
                ["ADDED c", "ADDED d"]
            ),
            ("&resourceVersion=\(version + 2)", []),
        ]
        var watches: [(String, [String], StreamingBodyReader)] = []
        for (query, expected) in rows {
            let response = await client.send(.get, "\(path)?watch=1\(query)")
            watches.append((query, expected, StreamingBodyReader(response.body)))
        }
        try await client.configMap("d")
        client.server.endWatches()
        for (query, expected, reader) in watches { #expect(try await reader.events() == expected, "\(query)") }
    }

    @Test("a watch from the future that wants a state not older is refused in its stream")
    func futureWatch() async throws {
        let (client, _) = try await filled()
        let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99999"
        let response = await client.send(.get, "\(path)?\(query)")
        #expect(response.head.status.code == 200)
        #expect(try await StreamingBodyReader(response.body).events() == ["ERROR Timeout"])
    }

    @Test("a watch from a compacted version gets 410 in its stream, one from a later version goes on")
    func compacted() async throws {
        let (client, version) = try await filled()
        let open = await client.send(.get, "\(path)?watch=1&resourceVersion=\(version + 1)")
        client.server.compact()
        let late = await client.send(.get, "\(path)?watch=1&resourceVersion=\(version)")
        #expect(late.head.status.code == 200)
        #expect(try await StreamingBodyReader(late.body).events() == ["ERROR Expired"])
        try await client.configMap("d")
        client.server.endWatches()
        #expect(try await StreamingBodyReader(open.body).events() == ["ADDED d"])
        let exact = try await client.json(.get, "\(path)?resourceVersion=\(version)&resourceVersionMatch=Exact")
        #expect(exact.code == 410)
        #expect(exact.body["message"] == "The resourceVersion for the provided list is too old.")
    }
}
