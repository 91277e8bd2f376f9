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
            ("1000m", "1"), ("0.5Gi", "512Mi"), ("1500m", "1500m"), ("1.5", "1500m"), ("100k", "100k"), ("1e3", "1k"),
            ("1024Mi", "1Gi"), ("0", "0"), ("128974848", "128974848"), ("0.1", "100m"), ("1Ki", "1Ki"),
            ("2048", "2048"),
        ]
    )
    func quantities(_ text: String, _ canonical: String) {
        #expect(CanonicalQuantity.of(text) == canonical)
    }
}
