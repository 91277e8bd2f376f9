// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Inference
import Testing

@testable import InferenceHTTP

@Suite("What answers are counted as")
struct OutputTallyTests {
    private func floats(_ shape: [Int], _ values: [Float], labels: [String]? = nil) throws -> NamedTensor {
        var bytes: [UInt8] = []
        for value in values { bytes.append(raw: value) }
        var tensor = try Tensor(elementType: .float32, shape: shape, bytes: bytes)
        tensor.labels = labels
        return NamedTensor(name: "x", tensor: tensor)
    }

    private func integers(_ shape: [Int], _ values: [Int64]) throws -> NamedTensor {
        var bytes: [UInt8] = []
        for value in values { bytes.append(raw: value) }
        return NamedTensor(name: "n", tensor: try Tensor(elementType: .int64, shape: shape, bytes: bytes))
    }

    @Test("text and whole numbers are their own category")
    func names() throws {
        let text = NamedTensor(name: "label", tensor: try Tensor(shape: [3], strings: ["a", "b", "a"]))
        #expect(OutputTally.categories(of: [text]) == ["a": 2, "b": 1])
        #expect(OutputTally.categories(of: [try integers([2, 1], [7, -1])]) == ["7": 1, "-1": 1])
        #expect(OutputTally.categories(of: [try integers([1], [.min])]) == ["-2^63": 1])
        #expect(OutputTally.categories(of: [try integers([1], [.max])]) == ["2^63": 1])
    }

    @Test("of several scores the largest counts, by its label or its place")
    func scores() throws {
        let values: [Float] = [0.1, 0.7, 0.2, 0.9, 0.05, 0.05]
        #expect(OutputTally.categories(of: [try floats([2, 3], values)]) == ["1": 1, "0": 1])
        let labels = ["setosa", "versicolor", "virginica"]
        #expect(
            OutputTally.categories(of: [try floats([2, 3], values, labels: labels)]) == ["versicolor": 1, "setosa": 1]
        )
        #expect(OutputTally.categories(of: [try floats([1, 2], [.nan, 1])]) == ["NaN": 1])
    }

    @Test("one number counts by its magnitude")
    func magnitudes() throws {
        let values: [Float] = [0, 1, 1.9, 8, -8, 0.3, .nan, .infinity, -.infinity]
        let counted = OutputTally.categories(of: [try floats([9], values)])
        #expect(
            counted == ["0": 1, "2^0": 2, "2^3": 1, "-2^3": 1, "2^-2": 1, "NaN": 1, "Inf": 1, "-Inf": 1]
        )
        #expect(OutputTally.categories(of: [try floats([], [2])]) == ["2^1": 1])
    }

    @Test("outputs that say nothing of a row are passed over; an answer without one counts nothing")
    func others() throws {
        let image = try integers([1, 4], [1, 2, 3, 4])
        #expect(OutputTally.categories(of: [image]).isEmpty)
        #expect(OutputTally.categories(of: [image, try integers([1], [5])]) == ["5": 1])
        #expect(OutputTally.categories(of: []).isEmpty)
        #expect(OutputTally.categories(of: [try floats([0, 3], [])]).isEmpty)
        let wide = try floats([1, 20_000], Array(repeating: 1, count: 20_000))
        #expect(OutputTally.categories(of: [wide]).isEmpty)
        let many = try floats([30_000], Array(repeating: 1, count: 30_000))
        #expect(OutputTally.categories(of: [many]) == ["2^0": 10_000])
    }

    @Test("a category is short in bytes, whatever its characters are made of, and whole")
    func longText() throws {
        let most = OutputTally.maximumLength
        let character = "e" + String(repeating: "\u{301}", count: 1_000_000)
        #expect(character.count == 1)
        for (text, kept) in [
            (character, "e" + String(repeating: "\u{301}", count: (most - 1) / 2)),
            (String(repeating: "é", count: 1000), String(repeating: "é", count: most / 2)),
            ("a" + String(repeating: "😀", count: 1000), "a" + String(repeating: "😀", count: (most - 1) / 4)),
            (String(repeating: "x", count: most + 1), String(repeating: "x", count: most)),
            (String(repeating: "x", count: most), String(repeating: "x", count: most)),
        ] {
            let output = NamedTensor(name: "label", tensor: try Tensor(shape: [1], strings: [text]))
            // Compared by bytes: characters that look alike are equal.
            let isKept = OutputTally.categories(of: [output]).keys.map { $0.utf8.elementsEqual(kept.utf8) } == [true]
            #expect(isKept)
        }
        let labelled = try floats([1, 2], [0, 1], labels: ["a", character])
        let longest = OutputTally.categories(of: [labelled]).keys.map(\.utf8.count).max() ?? 0
        #expect(longest == most - 1)
    }

    @Test("text that differs in every answer fills no page")
    func bounds() {
        var tally = OutputTally()
        for index in 0..<1000 { tally.add(["answer \(index)": 1]) }
        #expect(tally.counts.count == OutputTally.maximumCategories + 1)
        #expect(tally.counts.values.reduce(0, +) == 1000)
        #expect(tally.counts["other"] == 1000 - OutputTally.maximumCategories)
    }
}
