// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import KubeServer

/// A custom kind with every sort of field, for the tests of server-side apply.
struct AppliedWidget {
    /// The time of all writes.
    static let now = WallTime(seconds: 1_800_000_000)
    private static let type = ResourceType(
        group: "example.com",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        isNamespaced: true
    )
    /// How its fields are managed.
    let management: FieldManagement

    init() throws {
        let part: JSONValue = [
            "type": "object", "properties": ["name": ["type": "string"], "size": ["type": "integer"]],
        ]
        let spec: JSONValue = [
            "type": "object",
            "properties": [
                "name": ["type": "string"], "size": ["type": "integer"], "ratio": ["type": "number"],
                "on": ["type": "boolean"], "either": ["x-kubernetes-int-or-string": true],
                "labels": ["type": "object", "additionalProperties": ["type": "string"]],
                "parts": [
                    "type": "array", "items": part, "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                ],
                "tags": ["type": "array", "items": ["type": "string"], "x-kubernetes-list-type": "set"],
                "nested": ["type": "object", "properties": ["a": ["type": "integer"], "b": ["type": "integer"]]],
            ],
        ]
        let schema = try StructuralSchema(parsing: ["type": "object", "properties": ["spec": spec]])
        management = FieldManagement(schema: .custom(schema), type: Self.type, hasStatus: false)
    }

    /// A widget with the given spec.
    static func object(_ spec: JSONValue) -> JSONValue {
        ["apiVersion": "example.com/v1", "kind": "Widget", "metadata": ["name": "w", "namespace": "n"], "spec": spec]
    }

    /// What becomes of `live` when `manager` applies a widget with the given spec.
    func apply(
        _ spec: JSONValue,
        to live: JSONValue?,
        by manager: String = "one",
        force: Bool = false
    ) throws(APIStatus) -> JSONValue {
        try management.apply(live: live, applied: Self.object(spec), manager: manager, force: force, now: Self.now)
    }
}

@Suite("What can't be applied")
struct AppliedProblemTests {
    /// What is applied, with what is wrong with it.
    static let problems: [(JSONValue, String)] = [
        (["size": "a"], ".spec.size: expected numeric (int or float), got string"),
        (["size": [:]], ".spec.size: expected numeric (int or float), got map[string]interface {}"),
        (["ratio": true], ".spec.ratio: expected numeric (int or float), got bool"),
        (["name": 5], ".spec.name: expected string, got &value.valueUnstructured{Value:5}"),
        (
            ["name": ["a": [1, "b", .null]]],
            ".spec.name: expected string, got &value.valueUnstructured{Value:map[string]interface {}{\"a\":[]interface "
                + "{}{1, \"b\", interface {}(nil)}}}"
        ),
        (["on": "yes"], ".spec.on: expected boolean, got &{yes}"),
        (["either": []], ".spec.either: expected any scalar, got &{[]}"),
        (["nested": "a"], ".spec.nested: expected map, got &{a}"),
        (["parts": ["a": "b"]], ".spec.parts: expected list, got &{map[a:b]}"),
        (
            ["parts": [["size": 1]]],
            ".spec.parts: element 0: associative list with keys has an element that omits all key fields [\"name\"] (and "
                + "doesn't have default values for any key fields)"
        ),
        (["parts": ["a"]], ".spec.parts: element 0: associative list with keys may not have non-map elements"),
        (["parts": [.null]], ".spec.parts: element 0: associative list with keys may not have a null element"),
        (["tags": ["a", "a"]], ".spec.tags: duplicate entries for key [=\"a\"]"),
        (
            ["tags": [.null]],
            ".spec.tags: element 0: associative list without keys has an element that's an explicit null"
        ),
        (["tags": [[:]]], ".spec.tags: element 0: associative list without keys has an element that's a map type"),
        (["tags": [[]]], ".spec.tags: element 0: not supported: associative list with lists as elements"),
        (
            ["parts": [["name": "p", "size": "a", "none": 1]], "on": 1],
            "errors:\n  .spec.on: expected boolean, got &{1}\n  .spec.parts[name=\"p\"].none: field not declared in schema"
        ),
    ]

    @Test("what the type doesn't allow is refused in the library's words", arguments: problems)
    func problem(_ spec: JSONValue, _ text: String) throws {
        let error = try #require(throws: APIStatus.self) { try AppliedWidget().apply(spec, to: nil) }
        #expect(error.code == 500)
        let start = "failed to create typed patch object (n/w; example.com/v1, Kind=Widget): "
        #expect(error.message == start + text)
    }
}
