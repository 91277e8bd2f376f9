// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@Suite("Reading JSON in part, and JSON that is broken")
struct JSONReadingTests {
    private static let list = """
        {"items":[{"metadata":{"name":"a","managedFields":[{"f:x":{"k:{\\"n\\"}":"]"}}],"labels":{"x":"1"}},"spec":{"n":1}},\
        {"spec":{"n":2},"metadata":{"annotations":{"keep/this":"1","drop/that":"\\\\\\"}"},"name":"b"}}],\
        "metadata":{"resourceVersion":"7","managedFields":"stays"}}
        """

    @Test("what is dropped isn't there, and nothing else changes")
    func projection() throws {
        var rules = JSONProjection(dropping: [["metadata", "managedFields"], ["spec"]])
        rules.keep(only: ["keep/this"], at: ["metadata", "annotations"])
        let json = try JSONValue(parsing: Array(Self.list.utf8), projection: rules.below(["items"]))
        let expected: JSONValue = [
            "metadata": ["resourceVersion": "7", "managedFields": "stays"],
            "items": [
                ["metadata": ["name": "a", "labels": ["x": "1"]]],
                ["metadata": ["annotations": ["keep/this": "1"], "name": "b"]],
            ],
        ]
        #expect(json == expected)
        #expect(try JSONValue(parsing: Array(Self.list.utf8)) == JSONValue(parsing: Self.list))
    }

    @Test("the texts of elements are handed over in order, and the rest is answered")
    func handingOver() throws {
        var items: [JSONValue] = []
        let rest = try JSONValue.parse(Array(Self.list.utf8), handingOverTextsOf: "items") { text in
            if let item = try? JSONValue(parsing: text) { items.append(item) }
        }
        #expect(items == (try JSONValue(parsing: Self.list))["items"]?.array)
        #expect(rest == ["metadata": ["resourceVersion": "7", "managedFields": "stays"]])
        let other = try JSONValue.parse(Array("[1]".utf8), handingOverTextsOf: "items") { _ in
            Issue.record("handed over")
        }
        #expect(other == [1])
    }

    @Test("members are sorted by their bytes, and of two with one name the later wins, escaped or not")
    func members() throws {
        var duplicates: [String] = []
        let text = #"{"b":1,"a":{"x":[{"k":1,"\u006b":2}]},"b":3,"aa":4,"é":5,"Z":6}"#
        let json = try JSONValue(parsing: Array(text.utf8), duplicates: &duplicates)
        #expect(json.object?.keys == ["Z", "a", "aa", "b", "é"])
        #expect(json["b"] == 3 && json.at("a", "x")?[0] == ["k": 2])
        #expect(Set(duplicates) == ["b", "a.x[0].k"])
        let many = (0..<60).reversed().map { "\"name-\($0 % 50)\":\($0)" }.joined(separator: ",")
        let object = try JSONValue(parsing: "{\(many)}")
        #expect(object.object?.count == 50 && object["name-3"] == 3)
    }

    @Test("of members that came twice 100 are named, with long names cut")
    func manyDuplicates() throws {
        let long = String(repeating: "é", count: 10_000)
        let doubled = (0..<500).map { "\"n\($0)\":1,\"n\($0)\":2" }.joined(separator: ",")
        let text = "{\"a\":{\"\(long)\":{\(doubled)}},\"b\":{\(doubled)}}"
        var duplicates: [String] = []
        let json = try JSONValue(parsing: Array(text.utf8), duplicates: &duplicates)
        #expect(json.at("b", "n499") == 2)
        #expect(duplicates.count == 100)
        #expect(duplicates.allSatisfy { $0.hasPrefix("a.é") && $0.utf8.count < 300 })
        #expect(duplicates.first?.hasSuffix("é….n0") == true, "\(duplicates.first ?? "")")
        var short: [String] = []
        _ = try JSONValue(parsing: Array("{\"x\":1,\"x\":2}".utf8), duplicates: &short)
        #expect(short == ["x"])
    }

    @Test("texts are the same when their bytes are, not when they look alike")
    func bytes() {
        #expect(JSONValue.string("\u{e9}") != .string("e\u{301}"))
        #expect(JSONValue.object(["\u{e9}": 1]) != .object(["e\u{301}": 1]))
        #expect(JSONValue.array(["\u{e9}"]) == ["\u{e9}"])
        #expect(Set<JSONValue>(["\u{e9}", "e\u{301}", "\u{e9}"]).count == 2)
    }

    @Test("the nesting of a value is told without looking deeper than asked")
    func nesting() {
        var value: JSONValue = [1]
        for _ in 0..<4 { value = ["a": value] }
        #expect(value.isNested(deeperThan: 4))
        #expect(!value.isNested(deeperThan: 5))
        #expect(!JSONValue.string("x").isNested(deeperThan: 0))
    }

    @Test("numbers are the nearest doubles, however they are written")
    func numbers() throws {
        let random = SeededRandom(seed: 7)
        for round in 0..<20_000 {
            let digits = 1 + Int(random.next() % 19)
            var text =
                String(random.next() % 9 + 1) + (1..<max(2, digits)).map { _ in String(random.next() % 10) }.joined()
            if round % 2 == 0 { text.insert(".", at: text.index(text.startIndex, offsetBy: 1)) }
            if round % 3 == 0 { text += "e\(Int(random.next() % 60) - 30)" }
            if round % 5 == 0 { text = "-" + text }
            let expected = try #require(Double(text))
            #expect(try JSONValue(parsing: text).double == expected, "\(text)")
        }
        for (text, value) in [
            ("9223372036854775807", JSONValue.integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .double(9223372036854775808)), ("-0", .double(-0.0)), ("0", .integer(0)),
            ("1e0", .double(1)), ("0.1", .double(0.1)), ("18446744073709551616", .double(18446744073709551616)),
            ("4.9e-324", .double(.leastNonzeroMagnitude)), ("1.7976931348623157e308", .double(1.7976931348623157e308)),
        ] {
            #expect(try JSONValue(parsing: text) == value, "\(text)")
        }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "1e400") }
    }

    @Test("texts that are cut or changed anywhere are read or refused, whichever way they are read")
    func broken() throws {
        let text = Array(Self.list.utf8)
        let rules = JSONProjection(dropping: [["items", "metadata", "managedFields"]])
        func readAllWays(_ bytes: [UInt8]) {
            _ = try? JSONValue(parsing: bytes)
            _ = try? JSONValue(parsing: bytes, projection: rules)
            _ = try? JSONValue.parse(bytes, handingOverTextsOf: "items") { _ in }
        }
        for length in 0..<text.count {
            readAllWays(Array(text[..<length]))
            #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text[..<length])) }
        }
        let random = SeededRandom(seed: 11)
        let odd = Array("{}[]\",:\\u0e-.9\u{0}\u{ff}".utf8)
        for _ in 0..<5_000 {
            var changed = text
            for _ in 0..<(1 + random.next() % 3) {
                let place = Int(random.next() % UInt64(changed.count))
                changed[place] =
                    random.next() % 2 == 0
                    ? odd[Int(random.next() % UInt64(odd.count))] : UInt8(truncatingIfNeeded: random.next())
            }
            readAllWays(changed)
        }
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        readAllWays(deep)
        let hidden = Array(#"{"items":[{"metadata":{"managedFields":"#.utf8) + deep
        #expect(throws: JSONError.self) { try JSONValue(parsing: hidden, projection: rules) }
    }

    @Test("what is written reads back the same")
    func roundTrip() throws {
        let value: JSONValue = [
            "text": "a\"b\\c\n\r\t\u{1}é😀", "long": .string(String(repeating: "x\"", count: 100)),
            "n": [1, -2, 0.5, .null],
            "empty": [[:], []], "yes": true,
        ]
        #expect(try JSONValue(parsing: value.encoded()) == value)
        #expect(try JSONValue(parsing: value.encodedPretty()) == value)
    }
}
