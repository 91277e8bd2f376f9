// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@testable import KubeServer

/// Every test here takes a second or so, and many minutes where each entry is looked for among all others.
@Suite("Patches of large objects take time in proportion to them")
struct PatchSizeTests {
    private static let count = 20_000
    private static let repetitions = 5_000

    private static let shape: TypeShape = {
        let fields = ["name": TypeField(shape: .scalar(.unchecked)), "value": TypeField(shape: .scalar(.unchecked))]
        var list = TypeField(shape: .list(.structure(StructureType(name: "item", fields: fields)), .atomic))
        list.patch.merges = true
        list.patch.mergeKey = "name"
        var words = TypeField(shape: .list(.scalar(.unchecked), .atomic))
        words.patch.merges = true
        return .structure(StructureType(name: "whole", fields: ["list": list, "words": words]))
    }()

    private func list(_ numbers: some Sequence<Int>, value: JSONValue = 1) -> JSONValue {
        .array(numbers.map { ["name": .string("name-\($0)"), "value": value] })
    }

    @Test("elements of a list are found by their keys", .timeLimit(.minutes(1)))
    func keys() throws {
        func merged(_ patch: JSONValue) throws -> JSONValue? {
            try StrategicMergePatch.apply(patch, to: ["list": list(0..<Self.count)], shape: Self.shape)["list"]
        }
        #expect(try merged(["list": list(0..<Self.count, value: 2)]) == list(0..<Self.count, value: 2))
        let others = Self.count..<2 * Self.count
        #expect(try merged(["list": list(others)])?.array?.count == 2 * Self.count)
        let gone = (1..<Self.count).reversed().map { index -> JSONValue in
            ["name": .string("name-\(index)"), "$patch": "delete"]
        }
        #expect(try merged(["list": .array(gone)]) == list(0..<1))
        let reversed = list((0..<Self.count).reversed())
        #expect(try merged(["$setElementOrder/list": reversed]) == reversed)
    }

    /// A list of items with a list and a map in each, as containers with variables and limits.
    private static let nested: TypeShape = {
        let whole = PatchSizeTests.shape
        var list = TypeField(shape: .list(whole, .atomic))
        list.patch.merges = true
        list.patch.mergeKey = "name"
        return .structure(StructureType(name: "nested", fields: ["items": list]))
    }()

    @Test("an element that is named again and again gathers what it is given", .timeLimit(.minutes(1)))
    func repeated() throws {
        func merged(_ element: (Int) -> JSONValue) throws -> JSONValue? {
            let elements = (0..<Self.repetitions).map { index in
                var element = element(index)
                element["name"] = "same"
                return element
            }
            return try StrategicMergePatch.apply(
                ["items": .array(elements)],
                to: ["items": [["name": "same", "list": []]]],
                shape: Self.nested
            )["items"]?[0]
        }
        // Each time the new element goes to the front, as it does in the API server.
        let elements = try merged { ["list": list($0..<$0 + 1)] }
        #expect(elements?["list"] == list((0..<Self.repetitions).reversed()))
        let pairs = try merged { ["list": list(2 * $0..<2 * $0 + 2)] }
        #expect(pairs?["list"]?.array?.count == 2 * Self.repetitions)
        #expect(pairs?["list"]?.array?.prefix(3).map { $0["name"] } == ["name-9998", "name-9999", "name-9996"])
        let members = try merged { ["map": ["member-\($0)": 1]] }
        #expect(members?["map"]?.object?.count == Self.repetitions)
    }

    @Test("many patches in turn give what each alone gives", arguments: 0..<400)
    func inTurn(_ seed: Int) throws {
        let random = SeededRandom(seed: UInt64(seed))
        func number(_ end: UInt64) -> Int { Int(random.next() % end) }
        func made(_ depth: Int) -> JSONValue {
            var item: JSONValue = ["name": .string("n\(number(4))")]
            if number(2) == 0 { item["value"] = number(4) == 0 ? .null : JSONValue(number(9)) }
            if number(12) == 0 { item["$patch"] = number(2) == 0 ? "delete" : "replace" }
            if depth > 0, number(3) > 0 {
                item["list"] = number(9) == 0 ? .null : .array((0..<number(4)).map { _ in made(depth - 1) })
            }
            if depth > 0, number(3) == 0 { item["map"] = number(4) == 0 ? .null : ["m\(number(3))": made(0)] }
            if depth > 0, number(12) == 0 { item["$retainKeys"] = ["name", "list", "value", "map"] }
            return item
        }
        let shape = Self.nested.member("items")?.element ?? .anything
        let original = try #require(made(1).object)
        let patches = (0..<6).compactMap { _ in made(1).object }
        func attempt(_ body: () throws -> JSONObject) -> JSONObject? { try? body() }
        let expected = attempt { try patches.reduce(original) { try StrategicMergePatch.merged($0, $1, shape) } }
        let found = attempt { try StrategicMergePatch.merged(original, inTurn: patches, shape) }
        #expect(found == expected)
    }

    @Test("so are scalars", .timeLimit(.minutes(1)))
    func scalars() throws {
        let words = JSONValue.array((0..<Self.count).map { .string("word-\($0)") })
        let patch: JSONValue = ["$deleteFromPrimitiveList/words": words]
        #expect(try StrategicMergePatch.apply(patch, to: ["words": words], shape: Self.shape)["words"] == [])
        #expect(
            try StrategicMergePatch.apply(["words": words], to: ["words": words], shape: Self.shape)["words"] == words
        )
    }

    @Test("members are merged in their order", .timeLimit(.minutes(1)))
    func members() throws {
        func object(_ letter: String, _ value: JSONValue) -> JSONValue {
            .object(JSONObject(pairs: (0..<200_000).map { ("\(letter)\($0)", value) }))
        }
        let merged = MergePatch.apply(object("A", 1), to: object("a", 1))
        #expect(merged.object?.count == 400_000)
        #expect(MergePatch.apply(object("a", .null), to: merged) == object("A", 1))
        #expect(try StrategicMergePatch.apply(object("A", .null), to: merged, shape: .anything) == object("a", 1))
    }
}
