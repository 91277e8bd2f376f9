// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@Suite("Selectors")
struct SelectorTests {
    @Test(
        "the query language selects by labels",
        arguments: [
            ("", true), ("tier=web", true), ("tier==web", true), ("tier!=web", false), ("tier=db", false),
            ("missing!=x", true), ("missing=x", false), ("tier", true), ("!tier", false), ("!missing", true),
            ("tier in (db, web)", true), ("tier notin (db,web)", false), ("missing notin (a)", true),
            ("tier=web,size>2", true), ("size>3", false), ("size<4", true), ("missing<4", false),
            ("tier=web , size = 3", true), ("empty=", true), ("tier=", false), ("a.io/b in (c,)", true),
        ]
    )
    func language(text: String, expected: Bool) throws {
        let labels = ["tier": "web", "size": "3", "empty": "", "a.io/b": "c"]
        let selector = try LabelSelector(parsing: text)
        #expect(selector.matches(labels) == expected)
        let again = try LabelSelector(parsing: selector.queryText)
        #expect(again == selector, "its text means the same")
    }

    @Test(
        "refuses what is no selector",
        arguments: [
            ",", "a,", "a=b,,c=d", "a in", "a in (", "a in (b", "a in b", "=b", "!", "a b", "a=b c", "-a=b", "a>b",
            "a/b/c", "a=\u{e9}", "a in (b))", "a==b=c",
        ]
    )
    func invalid(text: String) { #expect(throws: SelectorError.self) { try LabelSelector(parsing: text) } }

    @Test("a selector in JSON selects, and comes back as it was")
    func json() throws {
        let json: JSONValue = [
            "matchLabels": ["tier": "web"],
            "matchExpressions": [
                ["key": "size", "operator": "NotIn", "values": ["1", "2"]], ["key": "x", "operator": "DoesNotExist"],
            ],
        ]
        let selector = try LabelSelector(json)
        #expect(selector.matches(["tier": "web", "size": "3"]))
        #expect(!selector.matches(["tier": "web", "size": "2"]))
        #expect(!selector.matches(["tier": "web", "x": ""]))
        #expect(selector.json == json)
        #expect(try LabelSelector([:]).matches(["a": "b"]))
        #expect(try !LabelSelector(.null).matches(["a": "b"]))
    }

    @Test("a wrong operator or wrong values in JSON are refused")
    func wrongJSON() {
        for expression: JSONValue in [
            ["key": "a", "operator": "in", "values": ["b"]], ["key": "a", "operator": "In"], ["operator": "Exists"],
            ["key": "a", "operator": "Exists", "values": ["b"]],
        ] {
            #expect(throws: SelectorError.self) { try LabelSelector(["matchExpressions": [expression]]) }
        }
    }

    @Test(
        "field selectors compare paths",
        arguments: [
            ("", true), ("metadata.name=a", true), ("metadata.name==a", true), ("metadata.name!=a", false),
            ("status.phase!=Running", true), ("status.phase=", true), ("spec.replicas=3", true),
            ("metadata.name=a,spec.replicas=4", false),
        ]
    )
    func fields(text: String, expected: Bool) throws {
        var object = KubeObject(.pods, namespace: "n", name: "a")
        object["spec", "replicas"] = 3
        let selector = try FieldSelector(parsing: text)
        #expect(selector.matches(object) == expected)
        #expect(try FieldSelector(parsing: selector.queryText) == selector)
    }

    @Test("field selectors keep escaped characters, and refuse what can't be read")
    func escapes() throws {
        #expect(try FieldSelector(parsing: #"a=b\,c\=d\\"#).terms == [.init("a", #"b,c=d\"#)])
        for text in ["a", "=b", "!=b", "a=b=c", #"a=b\x"#, #"a=b\"#] {
            #expect(throws: SelectorError.self) { try FieldSelector(parsing: text) }
        }
    }
}
