// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

@Suite("What a JSON patch may not make of a small object")
struct JSONPatchLimitTests {
    private func code(_ operations: [JSONValue], _ value: JSONValue) -> Int {
        do {
            _ = try JSONPatch.apply(.array(operations), to: value)
            return 200
        } catch {
            return error.status.code
        }
    }

    /// An object of `depth` levels, with a path to its deepest one.
    private func nested(_ depth: Int) -> (value: JSONValue, path: String) {
        var value = JSONValue.emptyObject
        for _ in 1..<depth { value = ["a": value] }
        return (value, String(repeating: "/a", count: depth - 1))
    }

    @Test("copies that double each other are refused before there are too many")
    func doubling() {
        let copy: JSONValue = ["op": "copy", "from": "/a", "path": "/a/-"]
        #expect(code(Array(repeating: copy, count: 10), ["a": ["x"]]) == 200)
        #expect(code(Array(repeating: copy, count: 40), ["a": ["x"]]) == 422)
        let large = JSONValue.string(String(repeating: "x", count: 1 << 20))
        #expect(code(Array(repeating: copy, count: 1), ["a": [large]]) == 200)
        #expect(code(Array(repeating: copy, count: 2), ["a": [large]]) == 422)
    }

    @Test("nothing is nested deeper than a request's body may be", arguments: ["copy", "add", "replace", "move"])
    func depth(_ operation: String) {
        func code(_ depth: Int) -> Int {
            let (value, path) = nested(depth)
            let patch: JSONValue = [
                "op": .string(operation), "from": "/other", "path": .string("/value\(path)/b"), "value": value,
            ]
            var object: JSONValue = ["value": value, "other": value]
            if operation == "replace" {
                object.set(1, path: (["value"] + path.split(separator: "/").map(String.init) + ["b"])[...])
            }
            return self.code([patch], object)
        }
        #expect(code(255) == 200)
        #expect(code(256) == 422)
    }

    @Test("a thing that is copied into its own depths again and again doesn't get deep")
    func ownDepths() {
        var operations: [JSONValue] = []
        var depth = 300
        for _ in 0..<8 {
            let (_, path) = nested(depth)
            operations.append(["op": "copy", "from": "/a", "path": .string(path + "/a")])
            depth *= 2
        }
        #expect(code(operations, nested(300).value) == 422)
    }

    @Test("moves into the depths are counted as copies are")
    func moves() {
        let (value, path) = nested(300)
        let object: JSONValue = ["a": value, "b": value]
        #expect(code([["op": "move", "from": "/b", "path": .string("/a\(path)/b")]], object) == 422)
        let back: [JSONValue] = [
            ["op": "move", "from": "/b", "path": "/a/a/b"], ["op": "move", "from": "/a/a/b", "path": "/b"],
        ]
        #expect(code(Array(repeating: back, count: 300).flatMap(\.self), object) == 200)
    }
}
