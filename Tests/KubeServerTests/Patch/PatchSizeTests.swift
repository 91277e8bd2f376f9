// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

/// Every test here takes a second or so, and many minutes where each entry is looked for among all others.
@Suite("Patches of large objects take time in proportion to them")
struct PatchSizeTests {
    private static let count = 20_000

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
