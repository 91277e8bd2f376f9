// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing
import YAML

struct YAMLErrorTests {
    private func failure(_ text: String, limits: YAMLLimits = YAMLLimits()) -> String {
        do {
            return "read: \(try JSONValue.documents(yaml: text, limits: limits))"
        } catch {
            return error.description
        }
    }

    @Test(
        "mistakes are named with line and column",
        arguments: [
            ("a: 1\nb: 2\na: 3", "line 3, column 1: the key \"a\" is given twice, first at line 1, column 1"),
            ("x:\n  1: a\n  '1': b", "line 3, column 3: the key \"1\" is given twice, first at line 2, column 3"),
            ("yes: 1\ntrue: 2", "the key \"true\" is given twice"),
            ("a: .nan", "line 1, column 4: JSON has no number for"),
            ("a: [1, -.INF]", "line 1, column 8: JSON has no number"),
            ("~: 1", "line 1, column 1: a key can't be null"),
            ("[a]: 1", "a key must be a scalar"), ("{a: b}: 1", "a key must be a scalar"),
            ("9223372036854775808: 1", "must fit 64 bits"), ("a: *b", "line 1, column 4: the alias *b names no anchor"),
            ("a: &x 1\n---\nb: *x", "line 3, column 4: the alias *x names no anchor"),
            ("a: &x [*x]", "line 1, column 8: the anchor &x at line 1, column 4 contains itself"),
            ("a: &x {b: *x}", "contains itself"), ("a: {<<: 3}", "the value of << must be a mapping"),
            ("a: {<<: [1]}", "the value of << must be a mapping"), ("a: {<<: }", "the value of << must be a mapping"),
            ("a: !!null x", "line 1, column 4: cannot read !!str `x` as !!null"),
            ("a: !!int 1.5", "!!float `1.5` as !!int"),
            ("a: !!bool x", "as !!bool"), ("a: !!binary '$$'", "isn't base64"),
            ("a: !!timestamp 12", "!!int `12` as !!timestamp"),
            ("a:\n\t- b", "line 2, column 1: found character that cannot start any token"),
            ("a: [1,\nb: 2", "line 3, column 1: did not find expected ',' or ']' while parsing a flow sequence"),
            ("a: \"\\ud83d\"", "line 1"), ("a: 'x\nb: 1", "while scanning a quoted scalar"),
            ("a: b: c", "line 1, column 5"),
            ("a: -", "line 1, column 4"), ("a: \u{7}", "line 1, column 4: control characters are not allowed"),
            ("%YAML 3.0\n---\na", "incompatible YAML document"),
        ]
    )
    func mistakes(text: String, message: String) {
        let failure = failure(text)
        #expect(failure.hasPrefix("invalid YAML at line "), "\(failure)")
        #expect(failure.contains(message), "\(failure)")
        #expect(!failure.contains("\n"))
    }

    @Test("bytes that aren't UTF-8 are refused with their place")
    func invalidUTF8() {
        #expect(throws: YAMLError("invalid leading UTF-8 octet", at: YAMLMark(line: 2, column: 4))) {
            try YAMLReader().documents(in: Array("é: 1\nb: ".utf8) + [0xff])
        }
    }

    @Test("a billion laughs are refused at once", .timeLimit(.minutes(5)))
    func billionLaughs() {
        var text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
        for level in 1..<30 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 9).joined(separator: ", "))]\n"
        }
        let clock = ContinuousClock()
        let start = clock.now
        #expect(failure(text).contains("the aliases stand for too much text: the limit is 8388608 bytes in all"))
        #expect(clock.now - start < .milliseconds(500))
    }

    @Test("a long text named many times is refused")
    func longAlias() {
        let text =
            "a: &a \(String(repeating: "x", count: 100_000))\nb: [\(Array(repeating: "*a", count: 100).joined(separator: ","))]"
        #expect(failure(text).contains("the aliases stand for too much text"))
    }

    @Test("merges of merges are bounded too", .timeLimit(.minutes(5)))
    func mergeBomb() {
        var text = "a0: &a0 {k: v}\n"
        for level in 1..<40 { text += "a\(level): &a\(level) {<<: [*a\(level - 1), *a\(level - 1)]}\n" }
        #expect(failure(text).contains("the aliases stand for too much text"))
    }

    @Test("aliases may be used within reason")
    func sharedAnchor() throws {
        let text = "a: &a {x: 1}\nb: [\(Array(repeating: "*a", count: 1000).joined(separator: ","))]"
        #expect(try JSONValue.documents(yaml: text).first?["b"]?.array?.count == 1000)
    }

    @Test("depth is bounded, also through aliases", .timeLimit(.minutes(5)))
    func depth() {
        let limits = YAMLLimits(depth: 10)
        #expect(failure(String(repeating: "[", count: 11), limits: limits).contains("nested more than 10 levels"))
        #expect(failure(String(repeating: "[", count: 500_000)).contains("nested more than 128 levels"))
        #expect(failure(String(repeating: "- ", count: 100_000)).contains("nested more than 128 levels"))
        #expect(failure(String(repeating: "{a: ", count: 5_000)).contains("nested more than 128 levels"))
        #expect(failure(String(repeating: "? ", count: 5_000)).contains("nested more than 128 levels"))
        let chain = "a: &a [[[[[1]]]]]\nb: &b [[[[*a]]]]"
        #expect(failure(chain, limits: limits).hasPrefix("read"))
        #expect(failure(chain + "\nc: [*b]", limits: limits).contains("nested more than 10 levels"))
    }

    @Test("size, nodes and documents are bounded")
    func sizes() {
        #expect(failure("abcdef", limits: YAMLLimits(bytes: 5)).contains("the text has 6 bytes, the limit is 5"))
        #expect(failure("[1, 2, 3]", limits: YAMLLimits(nodes: 3)).contains("more than 3 nodes"))
        #expect(failure("--- 1\n--- 2\n--- 3", limits: YAMLLimits(documents: 2)).contains("more than 2 documents"))
    }
}
