// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Templates
import Testing

struct TemplateSyntaxTests {
    /// What a template makes of a context.
    private func rendered(_ text: String, _ context: JSONValue, freeForm: Set<String> = []) throws -> JSONValue {
        try TemplateSet(overriding: ["t": text]).render("t", context: TemplateContext(context, freeForm: freeForm))
    }

    /// What rendering throws, as its one line.
    private func failure(_ text: String, _ context: JSONValue) -> String {
        do {
            return "rendered: \(try rendered(text, context).jsonText)"
        } catch {
            return "\(error)"
        }
    }

    private let context: JSONValue = [
        "a": ["s": "x", "i": 3, "none": .null, "list": [1, 2], "map": ["k": "v"], "yes": "true", "dotted.name/x": 7],
        "empty": [], "items": [["n": "p", "v": 1], ["n": "q"]],
    ]

    @Test("a lone reference keeps its type")
    func types() throws {
        let text = """
            s: ${a.s}
            i: ${a.i}
            quoted: "${a.i}"
            list: ${ a.list }
            map: ${a.map}
            dotted: ${a."dotted.name/x"}
            word: ${a.yes}
            """
        #expect(
            try rendered(text, context) == [
                "s": "x", "i": 3, "quoted": 3, "list": [1, 2], "map": ["k": "v"], "dotted": 7, "word": "true",
            ]
        )
    }

    @Test("within text a value is spliced as text, and $${ is literal")
    func splices() throws {
        let text = """
            name: ${a.s}-r${a.i}
            literal: $${a.s}
            shell: echo $HOME $(X) $${Y} ${a.s}
            nothing: x-${a.none}
            """
        #expect(
            try rendered(text, context) == [
                "name": "x-r3", "literal": "${a.s}", "shell": "echo $HOME $(X) ${Y} x",
            ]
        )
    }

    @Test("a value can't change the structure of the document")
    func noInjection() throws {
        let evil: JSONValue = ["v": "x\nkind: Secret\nb: {c: [1]}  # ${w}", "w": 1]
        #expect(try rendered("a: ${v}\nb: p-${v}", evil)["a"] == evil["v"])
        #expect(try rendered("a: ${v}\nb: p-${v}", evil).object?.count == 2)
    }

    @Test("nothing takes its entry, its item and its emptied mapping with it")
    func nothing() throws {
        let text = """
            gone: ${a.none}
            below: ${a.none.deeper.still}
            emptied: {x: "${a.none}"}
            list: ["${a.none}", 1]
            emptiedList: ["${a.none}"]
            kept: {}
            keptList: ${empty}
            null: ${a.none}
            literal: null
            """.replacing("null: ${a.none}\n", with: "")
        #expect(try rendered(text, context) == ["list": [1], "kept": [:], "keptList": [], "literal": .null])
    }

    @Test("default(x) is a YAML value that stands in for nothing only")
    func defaults() throws {
        let text = """
            a: ${a.none | default(10)}
            b: ${a.s | default(10)}
            c: ${a.none | default("10)}")}
            d: "${a.none|default([1, {b: (c)}])}"
            e: p${a.none | default(1.10)}
            """
        #expect(
            try rendered(text, context) == ["a": 10, "b": "x", "c": "10)}", "d": [1, ["b": "(c)"]], "e": "p1.1"]
        )
    }

    @Test("$for repeats an item, a value, or makes a list")
    func loops() throws {
        let text = """
            spliced:
            - first
            - $for: item in ${items}
              name: ${item.n}-${a.s}
              value: ${item.v}
            - last
            made: {$for: "item in ${items}", $value: "${item.n}"}
            nested:
              $for: item in ${items}
              inner: {$for: "n in ${a.list}", $value: "${item.n}${n}"}
            none: {$for: "item in ${a.none}", x: 1}
            empty: {$for: "item in ${empty}", x: 1}
            """
        #expect(
            try rendered(text, context) == [
                "spliced": ["first", ["name": "p-x", "value": 1], ["name": "q-x"], "last"],
                "made": ["p", "q"], "nested": [["inner": ["p1", "p2"]], ["inner": ["q1", "q2"]]], "empty": [],
            ]
        )
    }

    @Test("$merge lays mappings over the entries beside it, and keyed lists item by item")
    func merges() throws {
        let context: JSONValue = [
            "user": [
                "drop": .null, "deep": ["b": 2], "tolerations": [["key": "x"]],
                "containers": [
                    ["name": "server", "env": [["name": "A", "valueFrom": ["x": 1]], ["name": "C", "value": "3"]]],
                    ["name": "sidecar"],
                ],
            ], "none": .null, "over": ["deep": ["a": 9]],
        ]
        let text = """
            drop: 1
            keep: 2
            deep: {a: 1}
            containers:
            - {name: server, image: i, env: [{name: A, value: "1"}, {name: B, value: "2"}]}
            $merge: ["${user}", "${none}", "${over}"]
            """
        #expect(
            try rendered(text, context) == [
                "keep": 2, "deep": ["a": 9, "b": 2], "tolerations": [["key": "x"]],
                "containers": [
                    [
                        "name": "server", "image": "i",
                        "env": [
                            ["name": "A", "valueFrom": ["x": 1]], ["name": "B", "value": "2"],
                            ["name": "C", "value": "3"],
                        ],
                    ], ["name": "sidecar"],
                ],
            ]
        )
    }

    @Test(
        "mistakes are named with template, line and column",
        arguments: [
            ("k:\n  x: ${a.nmae}", "line 2, column 6: unknown path a.nmae: a has no nmae, only dotted.name/x, i, list"),
            ("k: a-${b}", "line 1, column 6: unknown path b: there is no b, only a, empty, items"),
            ("k: '${a.s.t}'", "line 1, column 5: unknown path a.s.t: a.s has the type string"),
            ("k: ${a.nmae | default(1)}", "unknown path a.nmae"),
            ("k: x${a.list}", "line 1, column 5: a.list can't stand inside text: it has the type array"),
            ("k: ${a.s", "expected } after ${a.s"), ("k: ${}", "expected a name"), ("k: ${a..b}", "expected a name"),
            ("k: ${a.s | upper}", "after | only default(…) is allowed"),
            ("k: ${a.s | default(1}", "default( has no closing parenthesis"),
            ("k: \"${a.s | default([)}\"", "the value of default(…) can't be read"),
            ("$if: 1", "line 1, column 1: unknown directive $if"), ("${a.s}: 1", "a key can't be substituted"),
            ("k: {$merge: '${a.s}'}", "$merge needs a mapping, not string"),
            ("k: {$for: 'x in ${a.s}', y: 1}", "$for needs a list, not string"),
            ("k: {$for: 'x of ${items}', y: 1}", "$for is written as: NAME in ${path}"),
            ("k: {$for: 'a in ${items}', y: 1}", "the name a of $for is taken already"),
            ("k: {$for: 'x in ${items}', y: '${x.typo}'}", "unknown path x.typo: x has no typo, only n, v"),
            ("a: {<<: {b: 1}}", "use $merge instead of <<"), ("a: 1\n---\nb: 1", "one document, not 2"),
            ("a: [", "line 2, column 1: did not find expected node content"), ("a: .nan", "JSON has no number"),
            ("a: 1\na: 2", "line 2, column 1: the key \"a\" is"),
        ]
    )
    func mistakes(text: String, message: String) {
        let failure = failure(text, context)
        #expect(failure.hasPrefix("template t.yaml, line "), "\(failure)")
        #expect(failure.contains(message), "\(failure)")
    }

    @Test("loops in loops are bounded")
    func bounded() {
        let list = JSONValue.array(Array(repeating: 1, count: 200))
        let text = """
            $for: a in ${list}
            $value: {$for: "b in ${list}", $value: {$for: "c in ${list}", $value: 1}}
            """
        #expect(failure(text, ["list": list]).contains("it makes more than 100000 values"))
    }

    @Test("a node is read once, however deep it lies", .timeLimit(.minutes(3)))
    func deep() throws {
        let depth = 60
        let text = String(repeating: "{a: ", count: depth) + "\"${a.i}\"" + String(repeating: "}", count: depth)
        var value = try rendered(text, context)
        for _ in 0..<depth { value = try #require(value["a"]) }
        #expect(value == 3)
    }

    @Test("free-form parts may lack members")
    func freeForm() throws {
        let value = try rendered("a: ${t.m.l.x}\nb: 1", ["t": ["m": [:]]], freeForm: ["t.m"])
        #expect(value == ["b": 1])
    }
}
