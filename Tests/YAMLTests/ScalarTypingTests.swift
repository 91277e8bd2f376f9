// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing
import YAML

/// The rows are answers of kubectl 1.32 (`kubectl annotate --local -f - a=b -o json`).
struct ScalarTypingTests {
    private func value(_ text: String) throws -> JSONValue? {
        try YAMLReader().documents(in: "v: \(text)").first?.json()["v"]
    }

    @Test(
        "booleans are those of YAML 1.1",
        arguments: [
            ("y Y yes Yes YES on On ON true True TRUE", true), ("n N no No NO off Off OFF false False FALSE", false),
        ]
    )
    func booleans(texts: String, expected: Bool) throws {
        for text in texts.split(separator: " ") { #expect(try value(String(text)) == .bool(expected), "\(text)") }
    }

    @Test("an empty scalar and the words for null are null", arguments: ["", "~", "null", "Null", "NULL", "!!null ''"])
    func nulls(text: String) throws { #expect(try value(text) == .null) }

    @Test(
        "integers of all bases",
        arguments: [
            ("0777", 511), ("0o777", 511), ("0x1F", 31), ("0X1F", 31), ("0b101", 5), ("0B11", 3), ("-0b11", -3),
            ("+0b11", 3), ("1_000", 1000), ("0_7", 7), ("08", 8), ("0_8", 8), ("1__0", 10), ("1_", 1), ("+12", 12),
            ("-0", 0), ("0o_7", 7), ("0x_1F", 31), ("-0x1F", -31), ("+0o17", 15), ("-0o17", -15), ("00", 0),
            ("-017", -15), ("0b1_0", 2), ("-_1", -1), ("+_1", 1), ("0__", 0), ("-0b_1", -1),
            ("9223372036854775807", .max), ("-9223372036854775808", .min), ("!!int '12'", 12), ("!!int 0x10", 16),
        ] as [(String, Int64)]
    )
    func integers(text: String, expected: Int64) throws { #expect(try value(text) == .integer(expected)) }

    @Test(
        "numbers; whole ones below 1e21 become integers where they fit",
        arguments: [
            ("1.10", 1.1), (".5", 0.5), ("+.5", 0.5), ("-.5", -0.5), ("1_0.5", 10.5), ("1.5_0", 1.5), ("-.5e3", -500),
            (".5_0", 0.5), ("1.", 1), ("1e3", 1000), ("1E3", 1000), ("1e+3", 1000), ("-0.0", 0), ("0.1e-400", 0),
            ("09.5", 9.5), ("1_e3", 1000), ("1e-7", 1e-7), ("1e21", 1e21), ("1e20", 1e20), ("9.3e18", 9.3e18),
            ("9223372036854775808", 9_223_372_036_854_775_808), ("18446744073709551615", 18_446_744_073_709_551_616),
            ("18446744073709551616", 18_446_744_073_709_551_616), ("-9223372036854775809", -9_223_372_036_854_775_808),
            ("123456789012345678901234567890", 1.2345678901234568e+29),
            ("0xFFFFFFFFFFFFFFFF", 18_446_744_073_709_551_616),
            ("0777777777777777777777777", 7.777777777777778e+23), ("!!float '1'", 1), ("!!float 1.5", 1.5),
        ] as [(String, Double)]
    )
    func numbers(text: String, expected: Double) throws {
        let isInteger = abs(expected) < 9.2e18 && expected == expected.rounded()
        #expect(try value(text) == (isInteger ? .integer(Int64(expected)) : .double(expected)))
    }

    @Test("a whole number is cut to its shortest digits before it becomes an integer, as in Go")
    func shortestDigits() throws {
        #expect(try value("1234567890123456789.0") == 1_234_567_890_123_456_800)
        #expect(try value("9007199254740993.0") == 9_007_199_254_740_992)
    }

    @Test(
        "everything else is a string",
        arguments: [
            "tRUE", "yEs", "nUll", "190:20:30", "1:30", "_1", "._5", "1e400", "0xFFFFFFFFFFFFFFFFFF", "0x", "0b", "0b2",
            "0o8", "_", "0x1p3", "1e", "+", ".", "=", "<<", "0B", "0x_", "0o_", "2001-12-14",
            "2001-12-14t21:59:43.10-05:00",
            "2001-1-1T0:0:0Z", "2001-13-45", "1.2.3", "1-2", "--1", "+-1", "-+1", "0x-1", "0b+1", "infinity", "nan",
            "0x1.8",
            "0b1111111111111111111111111111111111111111111111111111111111111111111111", "1 2", "é", "500m", "1Gi",
        ]
    )
    func strings(text: String) throws { #expect(try value(text) == .string(text)) }

    @Test(
        "a tag decides what a scalar is, and quotes make it text",
        arguments: [
            ("!!str 12", "12"), ("!!str", ""), ("!foo 12", "12"), ("! 12", "12"), ("!!merge <<", "<<"),
            ("!!binary aGVsbG8=", "hello"), ("!!binary /w==", "\u{fffd}"), ("!!timestamp 2001-12-14", "2001-12-14"),
            ("!!bool 'yes'", true), ("!<tag:yaml.org,2002:int> 12", 12), ("!!float 12", 12), ("!!str {a: 1}", ["a": 1]),
            ("!!set {a, b}", ["a": .null, "b": .null]), ("'12'", "12"), ("\"yes\"", "yes"), ("|\n 12\n", "12\n"),
        ] as [(String, JSONValue)]
    )
    func tags(text: String, expected: JSONValue) throws { #expect(try value(text) == expected) }

    @Test(
        "keys become strings",
        arguments: [
            ("1", "1"), ("1.5", "1.5"), ("yes", "true"), ("y", "true"), ("''", ""), ("0x1F", "31"), ("1.10", "1.1"),
            ("2001-12-14", "2001-12-14"), ("1e10", "1e+10"), ("1e21", "1e+21"), ("0.1", "0.1"),
            ("100000000.5", "1e+08"),
            ("1e5", "100000"), ("1e6", "1e+06"), ("123456789.0", "1.2345679e+08"), (".inf", ".inf"), (".nan", ".nan"),
            ("-.inf", "-.inf"), ("!!str 1", "1"), ("'<<'", "<<"), ("!!int '3'", "3"), ("0.00001", "1e-05"),
            ("0.0", "0"),
            ("0.0001", "0.0001"), ("-12.25", "-12.25"), ("18446744073709551616", "1.8446744e+19"),
        ]
    )
    func keys(text: String, expected: String) throws {
        #expect(try YAMLReader().documents(in: "\(text): v").first?.json() == .object([expected: "v"]))
    }

    @Test(
        "merge keys, in the order of the entries",
        arguments: [
            ("x: &a {p: 1, q: 2}\nz: {<<: *a, q: 3}", ["p": 1, "q": 3]),
            ("x: &a {p: 1, q: 2}\nz: {q: 3, <<: *a}", ["p": 1, "q": 2]),
            ("x: &a {p: 1}\nw: &b {p: 2, r: 3}\nz: {<<: [*a, *b], q: 3}", ["p": 1, "q": 3, "r": 3]),
            ("z: {<<: {<<: {r: 1}, r: 2, s: 3}}", ["r": 2, "s": 3]), ("z: {<<: []}", [:]),
            ("x: &a {p: {q: 1}}\nz: {<<: *a, p: {r: 2}}", ["p": ["r": 2]]),
            ("x: &a {p: 1}\nz: {'<<': *a}", ["<<": ["p": 1]]), ("x: &a {p: 1}\nz: {<<: *a, <<: *a}", ["p": 1]),
            ("x: &a 'k'\nz: {*a : 1}", ["k": 1]), ("x: &a 1\ny: &a 2\nz: *a", 2),
        ] as [(String, JSONValue)]
    )
    func merges(text: String, expected: JSONValue) throws {
        #expect(try YAMLReader().documents(in: text).first?.json()["z"] == expected)
    }
}
