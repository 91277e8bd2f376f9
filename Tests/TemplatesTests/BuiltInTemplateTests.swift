// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Templates
import Testing
import YAML

struct BuiltInTemplateTests {
    /// A template with a context, and the golden file's name.
    struct Case: CustomStringConvertible {
        var template: String
        var context: JSONValue
        var name: String
        var description: String { name }

        static let all = [
            Case(template: "deployment", context: SampleContext.minimal, name: "deployment-minimal.yaml"),
            Case(template: "deployment", context: SampleContext.full, name: "deployment-full.yaml"),
            Case(template: "service", context: SampleContext.minimal, name: "service.yaml"),
            Case(template: "canaryservice", context: SampleContext.minimal, name: "canaryservice.yaml"),
            Case(
                template: "horizontalpodautoscaler",
                context: SampleContext.full,
                name: "horizontalpodautoscaler.yaml"
            ),
            Case(
                template: "horizontalpodautoscaler",
                context: SampleContext.plainHPA,
                name: "horizontalpodautoscaler-plain.yaml"
            ),
        ]
    }

    @Test("each template renders what its golden file says", arguments: Case.all)
    func golden(example: Case) throws {
        let object = try TemplateSet.builtIn.render(example.template, context: example.context)
        try Golden.expect(YAMLWriter().text(object), example.name)
    }

    @Test(
        "what is rendered is valid by the official schemas",
        .enabled(if: OpenAPIChecker.arePresent, "skipped: the OpenAPI documents aren't beside the project"),
        arguments: Case.all
    )
    func valid(example: Case) throws {
        let object = try TemplateSet.builtIn.render(example.template, context: example.context)
        #expect(try OpenAPIChecker.problems(of: object) == [])
    }

    @Test(
        "the schema check finds mistakes",
        .enabled(if: OpenAPIChecker.arePresent, "skipped: the OpenAPI documents aren't beside the project")
    )
    func checkerFindsMistakes() throws {
        var object = try TemplateSet.builtIn.render("deployment", context: SampleContext.minimal)
        object.set("2", at: "spec", "replicas")
        object.set(1, at: "spec", "template", "spec", "nodeSelectors")
        object.set(nil, at: "spec", "selector")
        object.set(["x": 1], at: "metadata", "labels")
        #expect(
            try OpenAPIChecker.problems(of: object) == [
                "metadata.labels.x: integer instead of string", "spec.selector: required, but missing",
                "spec.replicas: string instead of integer", "spec.template.spec.nodeSelectors: unknown field",
            ]
        )
    }

    @Test("replicas are rendered only when the context has them")
    func replicas() throws {
        let without = try TemplateSet.builtIn.render("deployment", context: SampleContext.minimal)
        #expect(without["spec"]?["replicas"] == nil)
        let with = try TemplateSet.builtIn.render("deployment", context: SampleContext.full)
        #expect(with.at("spec", "replicas") == 2)
    }

    @Test("users' labels can't change what the Deployment selects")
    func selectorLabels() throws {
        let object = try TemplateSet.builtIn.render("deployment", context: SampleContext.full)
        let selector = try #require(object.at("spec", "selector", "matchLabels"))
        #expect(selector == SampleContext.full["selectorLabels"])
        let labels = try #require(object.at("spec", "template", "metadata", "labels")?.object)
        for (name, value) in try #require(selector.object) { #expect(labels[name] == value) }
        #expect(labels["team"] == "shop")
    }

    @Test("a member that the context lacks is an error, so that a change of its shape is noticed")
    func missingMember() throws {
        for name in ["model", "revision", "runtime", "ownerReferences", "replicas", "minReadySeconds"] {
            var context = SampleContext.minimal
            context[name] = nil
            #expect(throws: TemplateError.self, "\(name)") {
                try TemplateSet.builtIn.render("deployment", context: context)
            }
        }
    }

    @Test("a template can be replaced, and an unknown one is named")
    func overriding() throws {
        let set = try TemplateSet(overriding: ["service.yaml": "kind: Mine\nname: ${model.name}", "extra": "a: 1"])
        #expect(
            set.names == [
                "canaryservice.yaml", "deployment.yaml", "extra.yaml", "horizontalpodautoscaler.yaml", "service.yaml",
            ]
        )
        #expect(try set.render("service", context: SampleContext.minimal) == ["kind": "Mine", "name": "churn"])
        let failure = #expect(throws: TemplateError.self) { try set.render("nope", context: [:]) }
        #expect(failure?.description.contains("nope.yaml, line 1, column 1: there is no such template, only c") == true)
        #expect(throws: TemplateError.self) { try TemplateSet(overriding: ["bad": "a: ["]) }
    }
}
