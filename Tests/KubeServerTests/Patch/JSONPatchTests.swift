// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPMessages
import HTTPTypes
import KubeModel
import Testing

@testable import KubeServer

@Suite("JSON patches do what the API server's library does")
struct JSONPatchTests {
    /// Operations on one object, with what it becomes.
    struct Row: Sendable, CustomTestStringConvertible {
        var patch: JSONValue
        /// `nil`: the patch is refused.
        var result: JSONValue?

        init(_ operations: JSONValue..., gives result: JSONValue?) {
            patch = .array(operations)
            self.result = result
        }

        var testDescription: String { patch.jsonText }
    }

    private static let object: JSONValue = ["a": ["b": 1, "none": .null], "list": ["x", "y"]]

    private static func with(_ value: JSONValue?, at path: String...) -> JSONValue {
        var changed = object
        changed.set(value, path: path[...])
        return changed
    }

    static let members: [Row] = [
        Row(["op": "replace", "path": "/a/c", "value": 2], gives: with(2, at: "a", "c")),
        Row(["op": "replace", "path": "/a/c"], gives: with(.null, at: "a", "c")),
        Row(["op": "replace", "path": "/c/d", "value": 2], gives: nil),
        Row(["op": "replace", "path": "/a/b/c", "value": 2], gives: nil),
        Row(["op": "replace", "path": "/a/none/c", "value": 2], gives: nil),
        Row(["op": "add", "path": "/a/c"], gives: with(.null, at: "a", "c")),
        Row(["op": "remove", "path": "/a/none"], gives: with(nil, at: "a", "none")),
        Row(["op": "remove", "path": "/a/c"], gives: nil),
        Row(["op": "copy", "from": "/a/c", "path": "/d"], gives: with(.null, at: "d")),
        Row(["op": "copy", "from": "/c/d", "path": "/d"], gives: nil),
        Row(["op": "move", "from": "/a/c", "path": "/d"], gives: nil),
        Row(["op": "move", "from": "/a", "path": "/a/b"], gives: nil),
        Row(
            ["op": "add", "path": "/~01", "value": 1],
            ["op": "move", "from": "/~01", "path": "/~1"],
            gives: with(1, at: "/")
        ),
        Row(["op": "add", "path": "/\u{0301}", "value": 1], gives: with(1, at: "\u{0301}")),
        Row(["op": "add", "path": "before/d", "value": 1], gives: with(1, at: "d")),
        Row(["op": "add", "path": "d", "value": 1], gives: nil),
        Row(["op": "fly", "path": "/a"], gives: nil), Row(["path": "/a"], gives: nil), Row(.null, gives: nil),
        Row(["op": "add", "value": 1], gives: nil), Row(["op": "add", "path": .null, "value": 1], gives: nil),
        Row(["op": "copy", "path": "/d"], gives: nil),
    ]

    static let indices: [Row] = [
        Row(["op": "add", "path": "/list/-", "value": "z"], gives: with(["x", "y", "z"], at: "list")),
        Row(["op": "add", "path": "/list/-1", "value": "z"], gives: with(["x", "y", "z"], at: "list")),
        Row(["op": "add", "path": "/list/-3", "value": "z"], gives: with(["z", "x", "y"], at: "list")),
        Row(["op": "add", "path": "/list/-4", "value": "z"], gives: nil),
        Row(["op": "add", "path": "/list/3", "value": "z"], gives: nil),
        Row(["op": "replace", "path": "/list/-1", "value": "z"], gives: with(["x", "z"], at: "list")),
        Row(["op": "replace", "path": "/list/-3", "value": "z"], gives: nil),
        Row(["op": "replace", "path": "/list/2", "value": "z"], gives: nil),
        Row(["op": "replace", "path": "/list/-", "value": "z"], gives: nil),
        Row(["op": "remove", "path": "/list/-2"], gives: with(["y"], at: "list")),
        Row(["op": "remove", "path": "/list/001"], gives: with(["x"], at: "list")),
        Row(["op": "remove", "path": "/list/+1"], gives: with(["x"], at: "list")),
        Row(["op": "remove", "path": "/list/1e0"], gives: nil), Row(["op": "remove", "path": "/list/"], gives: nil),
        Row(["op": "copy", "from": "/list/-1", "path": "/list/0"], gives: with(["y", "x", "y"], at: "list")),
        Row(["op": "move", "from": "/list/0", "path": "/list/-1"], gives: with(["y", "x"], at: "list")),
    ]

    static let documents: [Row] = [
        Row(["op": "replace", "path": "", "value": ["c": 1]], gives: ["c": 1]),
        Row(["op": "replace", "path": "", "value": []], ["op": "add", "path": "/-", "value": 1], gives: [1]),
        Row(["op": "replace", "path": "", "value": 1], gives: nil), Row(["op": "replace", "path": ""], gives: nil),
        Row(["op": "test", "path": "", "value": object], gives: object),
        Row(["op": "test", "path": "", "value": [:]], gives: nil),
        Row(["op": "add", "path": "", "value": ["c": 1]], gives: nil), Row(["op": "remove", "path": ""], gives: nil),
        Row(["op": "copy", "from": "", "path": "/c"], gives: nil),
        Row(["op": "move", "from": "", "path": "/c"], gives: nil),
        Row(["op": "copy", "from": "/a", "path": ""], gives: nil),
    ]

    static let tests: [Row] = [
        Row(["op": "test", "path": "/a/c"], gives: object),
        Row(["op": "test", "path": "/a/c", "value": .null], gives: object),
        Row(["op": "test", "path": "/a/c", "value": 1], gives: nil),
        Row(["op": "test", "path": "/a/none"], gives: object),
        Row(["op": "test", "path": "/a/b"], gives: nil),
        Row(["op": "test", "path": "/a/b", "value": .null], gives: nil),
        Row(["op": "test", "path": "/a/b", "value": 1], gives: object),
        Row(["op": "test", "path": "/a/b", "value": .double(1)], gives: nil),
        Row(["op": "test", "path": "/a", "value": ["none": .null, "b": 1]], gives: object),
        Row(["op": "test", "path": "/a", "value": ["b": 1]], gives: nil),
        Row(["op": "test", "path": "/list/-1", "value": "y"], gives: object),
        Row(["op": "test", "path": "/list/2", "value": .null], gives: nil),
        Row(["op": "test", "path": "/c/d", "value": .null], gives: nil),
        Row(["op": "test", "path": "/a/b/c", "value": .null], gives: nil),
    ]

    @Test(
        "a patch gives the result of its row, or is refused with 422",
        arguments: members + indices + documents + tests
    )
    func row(_ row: Row) {
        do {
            let result = try JSONPatch.apply(row.patch, to: Self.object)
            #expect(result == row.result)
        } catch {
            #expect(row.result == nil, "\(error)")
            #expect(error.status.code == 422)
        }
    }

    @Test("a whole double in the object is tested as it is written")
    func wholeDoubles() throws {
        let object: JSONValue = ["a": .double(2)]
        #expect(try JSONPatch.apply([["op": "test", "path": "/a", "value": 2]], to: object) == object)
        #expect(try JSONPatch.apply(.null, to: object) == object)
    }

    @Test(
        "a number is tested by its text, as the API server's library has it",
        arguments: [
            ("1.5", true), ("1.50", false), ("15e-1", false), ("[1.5]", false), (#""1.50""#, false), ("1.25", false),
        ]
    )
    func spelling(_ text: String, _ holds: Bool) throws {
        let body = Array(#"[{"op":"test","path":"/a","value":\#(text)}]"#.utf8)
        let patch = try JSONValue(parsing: body)
        let respelled = JSONPatch.respelled(in: body)
        #expect(respelled == (["1.50", "15e-1"].contains(text) ? [0] : []))
        let object: JSONValue = ["a": 1.5]
        #expect((try? JSONPatch.apply(patch, to: object, respelled: respelled)) == (holds ? object : nil))
    }

    @Test("which numbers the API server writes otherwise: those in strings aren't numbers, and operations are counted")
    func respelled() throws {
        let own = ["0", "-1", "0.00001", "1e-7", "10000000000000000", "1e+21", "1.5e+300", "-2.5", #""\\\"1.50""#]
        let others = ["1.0", "1e3", "1E-7", "1e21", "1e16", "0.0000001", "-1.10", "[{\"a\":1.50}]"]
        for (index, value) in (own + others).enumerated() {
            let body = #"[{"op":"add","path":"/a,b","value":[1,2]},{"op":"test","path":"/a","value": \#(value) }]"#
            #expect(JSONPatch.respelled(in: Array(body.utf8)) == (index < own.count ? [] : [1]), "\(value)")
        }
    }

    @Test("what a patch puts into the object keeps its spelling within the patch")
    func spellingOfOwn() throws {
        let body = #"[{"op":"add","path":"/b","value":1.50},{"op":"test","path":"/b","value":1.50}]"#
        let respelled = JSONPatch.respelled(in: Array(body.utf8))
        let result = try JSONPatch.apply(try JSONValue(parsing: body), to: ["a": 1], respelled: respelled)
        #expect(result == ["a": 1, "b": 1.5])
    }
}

@Suite("JSON patches as requests")
struct JSONPatchRequestTests {
    private let client = TestClient()
    private static let maps = "/api/v1/namespaces/default/configmaps"

    private func patch(
        _ body: JSONValue,
        _ query: String = "",
        name: String = "a"
    ) async throws -> (code: Int, message: String, warnings: String) {
        let object: JSONValue = [
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": "a"], "data": ["a": "1"],
        ]
        _ = try await client.json(.post, Self.maps, object)
        let response = await client.send(
            .patch,
            "\(Self.maps)/\(name)\(query)",
            body,
            headers: ["Content-Type": "application/json-patch+json"]
        )
        let json = try JSONValue(parsing: try await response.body.collect(upTo: 1 << 20))
        return (
            response.head.status.code, json["message"]?.string ?? "", response.head.headerFields[.warning] ?? ""
        )
    }

    @Test("fields of operations are checked as the client asks")
    func fields() async throws {
        let wrong: JSONValue = [["op": 1, "path": "/data/a"]]
        let answer = try await patch(wrong)
        #expect(answer.code == 400)
        #expect(
            answer.message
                == "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"
        )
        #expect(try await patch(wrong, "?fieldValidation=Ignore").code == 422)
        let unknown: JSONValue = [["op": "add", "path": "/data/b", "value": "2", "reason": "why"]]
        #expect(try await patch(unknown, "?fieldValidation=Ignore").warnings.isEmpty)
        let warned = try await patch(unknown)
        #expect(warned.code == 200)
        #expect(warned.warnings == #"299 - "json patch unknown field \"[0].reason\"""#)
        let refused = try await patch(unknown, "?fieldValidation=Strict")
        #expect(refused.code == 422)
        #expect(refused.message.hasSuffix(#"strict decoding error: json patch unknown field "[0].reason""#))
    }

    @Test("what is no list of operations is refused, null is an empty one")
    func lists() async throws {
        let object = try await patch(["op": "add"])
        #expect(object.code == 400)
        #expect(
            object.message
                == "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        )
        let ignored = try await patch(["op": "add"], "?fieldValidation=Ignore")
        #expect(ignored.message == "json: cannot unmarshal object into Go value of type jsonpatch.Patch")
        #expect(try await patch(.null).code == 200)
        #expect(try await patch([1], name: "missing").code == 404)
    }
}
