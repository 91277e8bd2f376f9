// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeModel
import Testing

@testable import KubeServer

@Suite("Strategic merge patches do what the API server does")
struct StrategicMergePatchTests {
    /// A patch of one object, with what it becomes or how it is refused.
    struct Row: Sendable, CustomTestStringConvertible {
        var patch: JSONValue
        var result: JSONValue?
        var code = 500
        var message = ""

        init(_ patch: JSONValue, gives result: JSONValue) {
            self.patch = patch
            self.result = result
        }

        init(_ patch: JSONValue, code: Int = 500, says message: String) {
            self.patch = patch
            self.code = code
            self.message = message
        }

        var testDescription: String { patch.jsonText }
    }

    private static let object: JSONValue = [
        "list": [["name": "a", "value": 1], ["name": "b", "value": 1], ["name": "c", "value": 1]],
        "words": ["x", "x", "y"], "map": ["a": 1],
    ]

    private static let shape: TypeShape = {
        var list = TypeField(shape: .anything)
        list.patch.merges = true
        list.patch.mergeKey = "name"
        var words = TypeField(shape: .list(.scalar(.unchecked), .atomic))
        words.patch.merges = true
        let inner = StructureType(name: "test.Item", fields: ["list": list, "value": TypeField(shape: .anything)])
        list.shape = .list(.structure(inner), .atomic)
        let fields = ["list": list, "words": words, "map": TypeField(shape: .anything), "new": list]
        return .structure(StructureType(name: "test.Whole", fields: fields))
    }()

    private static func with(_ name: String, _ value: JSONValue?) -> JSONValue {
        var changed = object
        changed[name] = value
        return changed
    }

    private static func items(_ names: String...) -> JSONValue {
        .array(names.map { ["name": .string($0), "value": 1] })
    }

    static let lists: [Row] = [
        // A new element comes before those that only the server has, an element of the patch keeps its place among them.
        Row(["list": [["name": "d", "value": 1]]], gives: with("list", items("d", "a", "b", "c"))),
        Row(
            ["list": [["name": "d", "value": 1], ["name": "b", "$patch": "delete"]]],
            gives: with("list", items("d", "a", "c"))
        ),
        Row(["list": [["name": "b"], ["name": "d", "value": 1]]], gives: with("list", items("a", "b", "d", "c"))),
        Row(
            ["list": [["name": "d", "$patch": "replace"], ["name": "e", "value": 1]]],
            gives: with("list", items("e"))
        ),
        // What is new is taken as it is.
        Row(["new": [["value": 1], ["name": "a", "$patch": "delete"]]], gives: with("new", [["value": 1]])),
        Row(
            ["list": [["name": "b", "$patch": "delete"], ["name": "d", "list": [["$patch": "delete"]]]]],
            gives: with(
                "list",
                [
                    ["name": "d", "list": [["$patch": "delete"]]], ["name": "a", "value": 1],
                    ["name": "c", "value": 1],
                ]
            )
        ),
        Row(["words": ["z", "x"]], gives: with("words", ["z", "x", "y"])),
        Row(["$deleteFromPrimitiveList/words": ["x"]], gives: with("words", ["y"])),
        Row(["$deleteFromPrimitiveList/words": .null], gives: with("words", nil)),
        Row(["$deleteFromPrimitiveList/new": ["x"]], gives: object),
        Row(
            ["$setElementOrder/list": [["name": "c"], ["name": "a"], ["name": "b"]]],
            gives: with("list", items("c", "a", "b"))
        ),
        Row(
            ["$setElementOrder/list": [], "list": [["name": "a", "value": 2]]],
            gives: with("list", [["name": "a", "value": 2], ["name": "b", "value": 1], ["name": "c", "value": 1]])
        ),
        Row(
            ["$setElementOrder/words": ["z", "y"], "words": ["z"], "$deleteFromPrimitiveList/words": ["z"]],
            gives: with("words", ["x", "y"])
        ),
    ]

    static let maps: [Row] = [
        Row(["map": ["$patch": "replace", "b": 1]], gives: with("map", ["b": 1])),
        Row(["map": ["$patch": "delete", "b": 1]], gives: with("map", [:])),
        Row(["new": ["$patch": "replace", "b": 1]], gives: object),
        Row(["new": ["a": .null, "b": [["c": .null]]]], gives: with("new", ["b": [[:]]])),
        Row(["map": ["$retainKeys": ["b"], "b": 1]], gives: with("map", ["b": 1])),
    ]

    static let refusals: [Row] = [
        Row(["list": [["value": 2]]], says: "map: map[value:2] does not contain declared merge key: name"),
        Row(
            ["list": [["$patch": "delete"]]],
            says: "map: map[$patch:delete] does not contain declared merge key: name"
        ),
        Row(["list": [["name": "a", "$patch": "merge"]]], says: "merging lists cannot yet be specified in the patch"),
        Row(
            ["list": [["name": "a", "$patch": "fly"]]],
            says: "unknown patch type: fly in map: map[$patch:fly name:a]"
        ),
        Row(["map": ["$patch": "merge", "b": 1]], says: "unknown patch type: merge in map: map[$patch:merge b:1]"),
        Row(["map": ["$patch": 1]], says: "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
        Row(["words": [1]], says: "list element types are not identical: [[x x y] [1]]"),
        Row(["words": [["z"]]], says: "list element types are not identical: [[x x y] [[z]]]"),
        Row(
            ["$setElementOrder/list": [["name": "a"], ["name": "b"]], "list": [["name": "b"], ["name": "a"]]],
            says: "The order in patch list:\n[map[name:b] map[name:a]]\n doesn't match $setElementOrder list:\n"
                + "[map[name:a] map[name:b]]\n"
        ),
        Row(["$setElementOrder/list": "a"], says: "expected a []interface {}, but received a string"),
        Row(["$setElementOrder/list": ["a"]], says: "expected a map[string]interface {}, but received a string"),
        Row(
            ["$setElementOrder/none": []],
            says: "unable to find api field in struct Whole for the json field \"none\""
        ),
        Row(["$setElementOrderlist": []], code: 400, says: "invalid patch format of setElementOrder list"),
        Row(["$deleteFromPrimitiveList": []], code: 400, says: "invalid patch format of primitive list"),
        Row(["map": ["$retainKeys": ["a"], "b": 1]], code: 400, says: "invalid patch format of retainKeys"),
        Row(["map": ["$retainKeys": "a"]], code: 400, says: "invalid patch format of retainKeys"),
    ]

    @Test("a patch gives the result of its row, or the refusal", arguments: lists + maps + refusals)
    func row(_ row: Row) {
        do {
            let result = try StrategicMergePatch.apply(row.patch, to: Self.object, shape: Self.shape)
            #expect(result == row.result)
        } catch {
            #expect(row.result == nil, "\(error)")
            #expect(error.status.code == row.code)
            #expect(error.status.message == row.message)
        }
    }

    @Test("a patch that isn't understood is answered in the API server's words")
    func request() async throws {
        let client = TestClient()
        let path = "/api/v1/namespaces/default/services"
        let service: JSONValue = [
            "apiVersion": "v1", "kind": "Service", "metadata": ["name": "s"], "spec": ["ports": [["port": 80]]],
        ]
        #expect(try await client.json(.post, path, service).code == 201)
        let headers = ["Content-Type": "application/strategic-merge-patch+json"]
        let answer = try await client.json(
            .patch,
            "\(path)/s",
            ["spec": ["ports": [["name": "http"]]]],
            headers: headers
        )
        #expect(answer.code == 500)
        #expect(answer.body["message"] == "map: map[name:http] does not contain declared merge key: port")
        #expect(answer.body["reason"] == nil)
        let list = try await client.json(.patch, "\(path)/s", [], headers: headers)
        #expect(list.code == 400)
        #expect(list.body["message"] == "json: cannot unmarshal array into Go value of type map[string]interface {}")
    }
}
