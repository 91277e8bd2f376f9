// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Testing

@testable import KubeServer

@Suite struct CustomResourceValidationTests {
    @Test(
        "words schema errors as the API server does",
        .enabled(if: ReferenceData.isPresent, "needs ../shared")
    )
    func recorded() throws {
        let definition = try #require(try ReferenceData.steps("crd-lifecycle").first?["body"])
        let schema = try StructuralSchema(
            parsing: try #require(definition.at("spec", "versions")?[0]?.at("schema", "openAPIV3Schema"))
        )
        var compared = 0
        for step in try ReferenceData.steps("custom-resource-validation") where step["method"] == "POST" {
            guard let body = step["body"], let answer = step.at("response", "body"), answer.object != nil else {
                continue
            }
            // Rules are not evaluated.
            if body.at("metadata", "name") == "f" { continue }
            let (pruned, unknown) = schema.pruning(body)
            let object = schema.applyingDefaults(to: pruned)
            let causes = schema.violations(in: object)
            if answer["kind"] == "Status" {
                let expected = try #require(APIStatus(answer)).causes
                #expect(Set(causes) == Set(expected), "\(causes)\n\(expected)")
            } else {
                #expect(causes.isEmpty)
                #expect(object["spec"] == answer["spec"])
                #expect(unknown == ["spec.unknown"])
            }
            compared += 1
        }
        #expect(compared > 8)
    }

    @Test("reads back what it writes")
    func roundTrip() throws {
        let json: JSONValue = [
            "type": "object", "required": ["a"],
            "properties": [
                "a": ["type": "integer", "minimum": 1, "format": "int32", "default": 2],
                "b": [
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": ["type": "object", "properties": ["k": ["type": "string", "pattern": "^a+$"]]],
                ],
                "c": ["x-kubernetes-int-or-string": true, "anyOf": [["type": "integer"], ["type": "string"]]],
                "d": ["type": "object", "additionalProperties": ["type": "string", "nullable": true]],
                "e": ["type": "object", "x-kubernetes-preserve-unknown-fields": true],
            ],
        ]
        #expect(try StructuralSchema(parsing: json).json == json)
    }

    @Test(
        "matches patterns in linear time",
        arguments: [
            ("^[a-z]+$", "abc", true), ("^[a-z]+$", "aBc", false), ("a|b", "xxb", true),
            ("^(a|ab)(c|bcd)$", "abcd", true),
            ("^\\d{2,3}$", "1234", false), ("^\\d{2,3}$", "123", true), ("(?i)^abc$", "ABC", true),
            ("^[^/]+$", "a/b", false), ("^$", "", true), ("\\bfoo\\b", "a foo b", true), ("^a{3}$", "aaa", true),
            ("^[[:alpha:]_][\\w.-]*$", "_a.b", true),
            ("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false),
            ("^(?:https?|s3)://.+", "s3://x", true), ("^\\p{Lu}", "Éa", true), ("x*", "", true),
            ("^([a-z0-9]([-a-z0-9]*[a-z0-9])?)(\\.[a-z]+)*$", "a-b.c", true), ("a.c", "a\nc", false),
        ]
    )
    func patterns(_ pattern: String, _ text: String, _ matches: Bool) throws {
        let compiled = try #require(SearchPattern(pattern))
        #expect(compiled.matches(text) == matches)
    }

    @Test("a repeat of nothing counts, though it adds nothing to the program")
    func emptyRepeats() {
        #expect(SearchPattern("(){1000}a")?.matches("a") == true)
        #expect(SearchPattern(String(repeating: "(){1000}", count: 500)) == nil)
        #expect(SearchPattern("((((((){1000}){1000}){1000}){1000}){1000}){1000}") == nil)
    }

    @Test(
        "tells what is no pattern from what isn't supported",
        arguments: [
            ("(", true), ("a**", true), ("\\1", true), ("(?=a)", true), ("((a{100}){11})", true), ("[a", true),
            ("a{1000}", false), ("((a{100}){10})", false), ("\\p{Greek}+", false), ("\\pL", false), ("\\101", false),
            ("^[a-z]+$", false),
        ]
    )
    func invalidPatterns(_ pattern: String, _ isInvalid: Bool) {
        #expect(SearchPattern.isInvalid(pattern) == isInvalid)
    }

    private func causes(_ value: JSONValue, _ schema: JSONValue) throws -> [APIStatus.Cause] {
        try StructuralSchema(parsing: ["type": "object", "properties": ["v": schema]]).violations(in: ["v": value])
    }

    @Test("a number is a multiple of a fraction though a double can't say either exactly")
    func multiples() throws {
        let tenths: JSONValue = ["type": "number", "multipleOf": 0.1]
        for number in [0.3, 0.7, 1.1, 123.4, -0.6, 0] {
            #expect(try causes(.double(number), tenths).isEmpty, "\(number)")
        }
        for number in [0.35, 0.01, 1.11] { #expect(try causes(.double(number), tenths).count == 1, "\(number)") }
        #expect(try causes(9, ["type": "integer", "multipleOf": 2]).count == 1)
        #expect(try causes(10, ["type": "integer", "multipleOf": 2]).isEmpty)
    }

    @Test(
        "a time may lie in any year",
        arguments: ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2300-01-01T00:00:00.5+01:00"]
    )
    func times(_ text: String) throws {
        #expect(try causes(.string(text), ["type": "string", "format": "date-time"]).isEmpty)
        #expect(try causes(.string(String(text.prefix(10))), ["type": "string", "format": "date"]).isEmpty)
        #expect(try causes(.string("x" + text), ["type": "string", "format": "date-time"]).count == 1)
    }

    @Test("schemas inside each other are looked at once each", .timeLimit(.minutes(3)), arguments: ["allOf", "anyOf"])
    func combinations(_ word: String) throws {
        var schema: JSONValue = ["minLength": 3]
        for _ in 0..<60 { schema = .object([word: [schema]]) }
        schema["type"] = "string"
        let found = try causes("x", schema)
        #expect(found.count == 61)
        #expect(found.last?.message == "Invalid value: \"x\": v in body should be at least 3 chars long")
        #expect(try causes("xxx", schema).isEmpty)
    }

    @Test("what is said about an object stays small, however long its names are")
    func boundedCauses() throws {
        let schema = try StructuralSchema(parsing: [
            "type": "object",
            "additionalProperties": ["type": "object", "additionalProperties": ["type": "string", "maxLength": 1]],
        ])
        let inner = JSONObject(pairs: (0..<2000).map { ("n\($0)", "xx") })
        let long = String(repeating: "k", count: 100_000)
        let named = schema.violations(in: .object([long: .object(inner)]))
        #expect(named.count == 1000)
        #expect(named.allSatisfy { $0.field.utf8.count < 300 })
        let pattern = String(repeating: "a", count: 10_000)
        let worded = try StructuralSchema(parsing: [
            "type": "object", "additionalProperties": ["type": "string", "pattern": .string(pattern)],
        ]).violations(in: .object(inner))
        #expect((2..<200).contains(worded.count), "\(worded.count)")
    }

    @Test(
        "refuses patterns that it can't run",
        arguments: ["(", "a**", "[z-a]", "\\1", "(?=a)", "a{2000}", "[a", "((a{1000}){1000}){1000}"]
    )
    func badPatterns(_ pattern: String) {
        #expect(SearchPattern(pattern) == nil)
    }

    @Test(
        "writes quantities canonically",
        arguments: [
            ("1000m", "1"), ("0.5Gi", "512Mi"), ("1500m", "1500m"), ("1.5", "1500m"), ("100k", "100k"), ("1e3", "1e3"),
            ("1024Mi", "1Gi"), ("0", "0"), ("128974848", "128974848"), ("0.1", "100m"), ("1Ki", "1Ki"),
            ("2048", "2048"), ("1e-9223372036854775808", "1e-9"), ("1e9223372036854775807", "9223372036854775807"),
            ("much", "much"),
        ]
    )
    func quantities(_ text: String, _ canonical: String) {
        #expect(CanonicalQuantity.of(.string(text)) == .string(canonical))
    }
}
