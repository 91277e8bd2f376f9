// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

@Suite(.enabled(if: ReferenceData.isPresent, "needs ../shared"))
struct PatchConformanceTests {
    /// Cases that the API server's library decides otherwise, by their comment or, where they have none, their patch.
    private static let decidedOtherwise: Set<String> = [
        // The whole document can only be replaced.
        "replace object document with array document?", "replace array document with object document?",
        "replacing the root of the document is possible with add",
        // A negative index counts from the end; leading zeros are skipped.
        #"[{"op":"add","path":"/bar/-1","value":"5"}]"#, "test with bad array number that has leading zeros",
        // A value that isn't given is null, and so is a member that isn't there when it is copied.
        "missing 'value' parameter to add", "missing 'value' parameter to replace", "missing 'value' parameter to test",
        "missing from location to copy",
    ]

    @Test(
        "passes the JSON patch cases, but for those that the API server decides otherwise",
        arguments: ["tests", "spec_tests"]
    )
    func jsonPatch(_ file: String) throws {
        let cases = try #require(try ReferenceData.json("conformance/json-patch/\(file).json").array)
        var count = 0
        for item in cases where item["disabled"]?.bool != true {
            guard let patch = item["patch"], let document = item["doc"] else { continue }
            count += 1
            let name = item["comment"]?.string ?? patch.jsonText
            let label = Comment(rawValue: name)
            let isOtherwise = Self.decidedOtherwise.contains(name)
            do {
                let result = try JSONPatch.apply(patch, to: document)
                #expect((item["error"] != nil) == isOtherwise, label)
                if let expected = item["expected"] { #expect(result == expected, label) }
            } catch {
                #expect((item["error"] == nil) == isOtherwise, label)
            }
        }
        #expect(count > 10)
    }

    @Test("passes the merge patch cases")
    func mergePatch() throws {
        let data = try ReferenceData.json("conformance/merge-patch/rfc7396.json")
        let cases = data.array ?? data["cases"]?.array ?? []
        #expect(cases.count == 17)
        for item in cases {
            let result = MergePatch.apply(item["patch"] ?? .null, to: item["doc"] ?? .null)
            #expect(result == item["expected"], "\(item.jsonText)")
        }
    }

    @Test("passes the strategic merge patch cases that apply a patch")
    func strategic() throws {
        let data = try ReferenceData.json("conformance/strategic-merge-patch/kubernetes-cases.json")
        let shape = Self.mergeItem(depth: 6)
        for item in data["apply"]?.array ?? [] {
            try check(item, expected: item["modified"], shape, exact: false)
        }
        for item in data["applyExactOrder"]?.array ?? [] {
            try check(item, expected: item["modified"], shape, exact: true)
        }
        for (table, exact) in [("createAndApply", false), ("createAndApplyExactOrder", true)] {
            for item in data[table]?.array ?? [] {
                try check(item, expected: item["twoWayResult"] ?? item["modified"], shape, exact: exact)
                guard let current = item["current"], let patch = item["threeWay"], let result = item["result"] else {
                    continue
                }
                try check(
                    ["description": item["description"] ?? "", "original": current, "twoWay": patch],
                    expected: result,
                    shape,
                    exact: exact
                )
            }
        }
    }

    private func check(_ item: JSONValue, expected: JSONValue?, _ shape: TypeShape, exact: Bool) throws {
        let label = "\(item["description"]?.string ?? ""): \(item["twoWay"]?.jsonText ?? "")"
        guard let patch = item["twoWay"], patch.object != nil else { return }
        do {
            let result = try StrategicMergePatch.apply(patch, to: item["original"] ?? .emptyObject, shape: shape)
            #expect(item["expectedError"] == nil, "\(label)")
            guard let expected, expected.object != nil else { return }
            let (left, right) = exact ? (result, expected) : (Self.sorted(result), Self.sorted(expected))
            #expect(left == right, "\(label)\nactual   \(left.jsonText)\nexpected \(right.jsonText)")
        } catch {
            let part = item["expectedError"]?.string
            #expect(part != nil && error.detail.contains(part ?? ""), "\(label): \(error)")
        }
    }

    /// Lists sorted by key, as the cases ask.
    private static func sorted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            return .object(
                JSONObject(
                    pairs: members.map { name, member in
                        guard
                            ["mergingList", "mergingIntList", "mergeItemPtr", "retainKeysMergingList"].contains(name),
                            let elements = member.array
                        else { return (name, sorted(member)) }
                        return (name, .array(elements.map(sorted).sorted { $0.jsonText < $1.jsonText }))
                    }
                )
            )
        case .array(let elements): return .array(elements.map(sorted))
        default: return value
        }
    }

    /// The type that the cases use, to a depth.
    private static func mergeItem(depth: Int) -> TypeShape {
        guard depth > 0 else { return .anything }
        let inner = mergeItem(depth: depth - 1)
        var merging = TypeField(shape: .list(inner, .atomic))
        merging.patch.merges = true
        merging.patch.mergeKey = "name"
        var mergingScalars = TypeField(shape: .list(.scalar(.unchecked), .atomic))
        mergingScalars.patch.merges = true
        var retaining = TypeField(shape: inner)
        retaining.patch.retainsKeys = true
        var retainingList = merging
        retainingList.patch.retainsKeys = true
        var replacing = TypeField(shape: .anything)
        replacing.patch.replaces = true
        return .structure(
            StructureType(
                name: "mergeItem",
                fields: [
                    "name": TypeField(shape: .scalar(.unchecked)), "value": TypeField(shape: .scalar(.unchecked)),
                    "other": TypeField(shape: .scalar(.unchecked)), "mergingList": merging,
                    "nonMergingList": TypeField(shape: .list(inner, .atomic)), "mergingIntList": mergingScalars,
                    "nonMergingIntList": TypeField(shape: .list(.scalar(.unchecked), .atomic)),
                    "mergeItemPtr": merging, "simpleMap": TypeField(shape: .map(.scalar(.unchecked))),
                    "retainKeysMap": retaining, "retainKeysMergingList": retainingList, "replacingItem": replacing,
                ]
            )
        )
    }
}
