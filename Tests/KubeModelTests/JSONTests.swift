// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Testing

@Suite("JSON")
struct JSONTests {
    @Test("two objects are merged name by name")
    func merging() {
        let left: JSONObject = ["a": 1, "c": 2, "e": 3]
        let right: JSONObject = ["": 0, "c": 4, "d": 5, "e": .null, "f": 6]
        var asked: [String] = []
        let merged = left.merging(right) { name, own, other -> JSONValue? in
            asked.append("\(name) \(own?.jsonText ?? "-") \(other.jsonText)")
            return other.isNull ? nil : other
        }
        #expect(merged == ["": 0, "a": 1, "c": 4, "d": 5, "f": 6])
        #expect(asked == [" - 0", "c 2 4", "d - 5", "e 3 null", "f - 6"])
        #expect(left.merging([:]) { $2 } == left)
        #expect(JSONObject().merging(right) { $2 } == right)
    }

    @Test("texts that only look the same are different keys, with different hashes")
    func hashes() {
        let (composed, decomposed) = (JSONValue.string("\u{e9}"), JSONValue.string("e\u{301}"))
        #expect(composed != decomposed)
        #expect(composed.hashValue != decomposed.hashValue)
        #expect(Set([composed, decomposed, ["a": composed], ["a": decomposed], [composed], [decomposed]]).count == 6)
        #expect(Set<JSONValue>([["a": 1], ["a": 1], [1, .null], [1, .null], 1, .double(1), true]).count == 5)
    }

    @Test(
        "keeps what it reads",
        arguments: [
            "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "9007199254740993",
            "1.5", "-0.25", "\"\"", "\"a\\\"b\\\\c\\n\\t\"", "\"\u{e9}\u{1F600}\"", "[]", "{}", "[1,[2,{}],null]",
            "{\"a\":1,\"b\":{\"c\":[true]}}",
        ]
    )
    func roundTrip(text: String) throws { #expect(try JSONValue(parsing: text).jsonText == text) }

    @Test("integers are exact at the limits of 64 bits and beyond 2^53")
    func integers() throws {
        #expect(try JSONValue(parsing: "9223372036854775807") == .integer(.max))
        #expect(try JSONValue(parsing: "-9223372036854775808") == .integer(.min))
        #expect(try JSONValue(parsing: "9007199254740993") == .integer(9_007_199_254_740_993))
        #expect(try JSONValue(parsing: "9223372036854775808") == .double(9_223_372_036_854_775_808))
    }

    @Test(
        "refuses what is no JSON",
        arguments: [
            "", " ", "nul", "tru", "01", "-", "1.", ".5", "1e", "1e+", "+1", "\"", "\"\\x\"", "\"\\u12\"", "[1,]",
            "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "1 2", "[", "{", "]", "\"\u{1}\"", "NaN", "Infinity",
            "1e999",
        ]
    )
    func invalid(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    }

    @Test("refuses invalid UTF-8")
    func invalidUTF8() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xc3, 0x22]) }
    }

    @Test("surrogate pairs become one character, lone halves a replacement character")
    func surrogates() throws {
        #expect(try JSONValue(parsing: "\"\\ud83d\\ude00\"") == "😀")
        #expect(try JSONValue(parsing: "\"\\ud83dx\"") == "\u{fffd}x")
        #expect(try JSONValue(parsing: "\"\\ude00\"") == "\u{fffd}")
    }

    @Test("nesting is bounded, in arrays and objects")
    func depth() throws {
        let limits = JSONLimits(depth: 100)
        let fits = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(throws: Never.self) { try JSONValue(parsing: fits, limits: limits) }
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[" + fits + "]", limits: limits) }
        let deep = String(repeating: "{\"a\":", count: 1_000_000)
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
    }

    @Test("a text beyond the size limit is refused")
    func size() {
        #expect(throws: JSONError.self) { try JSONValue(parsing: "[1,2,3]", limits: JSONLimits(bytes: 6)) }
    }

    @Test("duplicate members are told by their path, and the last one wins")
    func duplicates() throws {
        var duplicates: [String] = []
        let text = #"{"a":1,"b":{"c":1,"c":2,"d":[{"e":1,"e":2}]},"a":2,"a":3}"#
        let value = try JSONValue(parsing: Array(text.utf8), duplicates: &duplicates)
        #expect(value["a"] == 3)
        #expect(Set(duplicates) == ["a", "b.c", "b.d[0].e"])
    }

    @Test("random values survive writing and reading, pretty and compact")
    func fuzzValues() throws {
        let random = SeededRandom(seed: 11)
        for _ in 0..<500 {
            let value = Self.value(random, depth: 4)
            #expect(try JSONValue(parsing: value.encoded()) == value)
            #expect(try JSONValue(parsing: value.encodedPretty()) == value)
        }
    }

    @Test("random bytes never trap, and what is read is written as a text that reads the same")
    func fuzzBytes() {
        let random = SeededRandom(seed: 12)
        let alphabet = Array("{}[]\",:0123456789.eE+-truefalsn \\u\u{e9}".utf8) + [0, 0xff]
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 40)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            // Not the same value: a whole number that was read as a double (`7e9`) is written without its exponent.
            #expect((try? JSONValue(parsing: value.encoded()))?.encoded() == value.encoded(), "\(bytes)")
        }
    }

    @Test("members are set, and removed, along a path")
    func paths() {
        var value: JSONValue = [:]
        value.set(3, at: "spec", "replicas")
        #expect(value.jsonText == #"{"spec":{"replicas":3}}"#)
        value.set(nil, at: "spec", "missing", "deeper")
        value.set(nil, at: "spec", "replicas")
        #expect(value.jsonText == #"{"spec":{}}"#)
        #expect(value.at("spec", "replicas") == nil)
    }

    private static func value(_ random: SeededRandom, depth: Int) -> JSONValue {
        switch random.next() % (depth > 0 ? 7 : 5) {
        case 0: return .null
        case 1: return .bool(random.next() % 2 == 0)
        case 2: return .integer(Int64(bitPattern: random.next()))
        case 3:
            let number = Double(bitPattern: random.next())
            // A whole number below 2^53 is written, and read again, as an integer.
            return number.isFinite && Int64(exactly: number) == nil ? .double(number) : .null
        case 4: return .string(text(random))
        case 5: return .array((0..<random.next() % 4).map { _ in value(random, depth: depth - 1) })
        default:
            return .object(
                JSONObject(pairs: (0..<random.next() % 4).map { _ in (text(random), value(random, depth: depth - 1)) })
            )
        }
    }

    private static func text(_ random: SeededRandom) -> String {
        let scalars: [UInt32] = [0, 9, 10, 34, 92, 97, 127, 0xe9, 0x2028, 0x1f600]
        let parts = (0..<random.next() % 6).compactMap { _ in
            Unicode.Scalar(scalars[Int(random.next() % UInt64(scalars.count))])
        }
        return String(String.UnicodeScalarView(parts))
    }
}
