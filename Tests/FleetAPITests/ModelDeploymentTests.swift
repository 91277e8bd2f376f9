// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Testing

@Suite("ModelDeployment")
struct ModelDeploymentTests {
    static let minimal: JSONValue = [
        "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment",
        "metadata": ["name": "m", "namespace": "default"],
        "spec": ["model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx"]],
    ]

    private func changed(_ value: JSONValue?, at path: String...) -> JSONValue {
        var json = Self.minimal
        json.set(value, path: path[...])
        return json
    }

    @Test("a format and a uri are enough")
    func defaults() {
        #expect(ModelDeploymentValidation.validate(Self.minimal) == ValidationFindings())
        let model = ModelDeployment(KubeObject(Self.minimal))
        #expect(model.scaling.engine == .direct)
        #expect(model.scaling.minReplicas == 1)
        #expect(model.scaling.maxReplicas == 5)
        #expect(model.scaling.targets == ModelDeployment.defaultTargets)
        #expect(model.progressDeadlineSeconds == 600)
    }

    @Test(
        "a model may be named as kubectl does",
        arguments: [
            ("iris", "iris"), ("mdep/iris", "iris"), ("ModelDeployment/iris", "iris"),
            ("modeldeployments/iris", "iris"),
            ("modeldeployment.modelfleet.dev/iris", "iris"), ("modeldeployments.v1alpha1.modelfleet.dev/iris", "iris"),
            ("deploy/iris", "deploy/iris"), ("mdep/", "mdep/"), ("mdep/a/b", "mdep/a/b"), ("", ""), ("/iris", "/iris"),
            ("modeldeployment.example.com/iris", "modeldeployment.example.com/iris"), ("../iris", "../iris"),
        ]
    )
    func argument(text: String, name: String) {
        #expect(ModelDeployment.name(inArgument: text) == name)
    }

    @Test("an API server compares a whole number with the whole part of a bound: such bounds are rules as well")
    func fractions() {
        func check(_ schema: StructuralSchema, at path: String) -> Int {
            var found = 0
            if let minimum = schema.minimum, minimum != minimum.rounded() {
                found += 1
                let rule: JSONValue = [
                    "rule": .string("self >= \(minimum)"), "message": .string("must be \(minimum) or more"),
                ]
                #expect(schema.rules.contains(rule), "\(path)")
            }
            for (name, child) in schema.properties { found += check(child, at: "\(path).\(name)") }
            return found + (schema.items.map { check($0, at: path + "[]") } ?? 0)
        }
        #expect(check(ModelDeployment.schema, at: "") > 5)
    }

    @Test(
        "names the field and what is allowed",
        arguments: [
            (
                ["spec", "scaling", "maxReplicas"], 0 as JSONValue, "spec.scaling.maxReplicas",
                "greater than or equal to 1"
            ),
            (["spec", "scaling", "engine"], "Magic", "spec.scaling.engine", "Direct"),
            (["spec", "model", "uri"], "s3://bucket/x", "spec.model.uri", "https"),
            (["spec", "model", "sha256"], "abc", "spec.model.sha256", "[0-9a-f]{64}"),
            (["spec", "scaling", "minReplicas"], 9, "spec.scaling", "must not be greater than maxReplicas (5)"),
            (["metadata", "name"], "a.b", "metadata.name", "without dots"),
            (["metadata", "name"], "7b", "metadata.name", "begin with a letter"),
            (["metadata", "name"], "b-", "metadata.name", "end with a letter or digit"),
            (["metadata", "name"], "aB", "metadata.name", "lower case"),
        ] as [([String], JSONValue, String, String)]
    )
    func refuses(path: [String], value: JSONValue, field: String, hint: String) {
        var json = Self.minimal
        json.set(value, path: path[...])
        let errors = ModelDeploymentValidation.validate(json).errors
        #expect(errors.map(\.field) == [field])
        #expect(errors.first?.message.contains(hint) == true, "\(errors)")
    }

    @Test("a name that a Service may have is taken", arguments: ["a", "z9", "a-1--b"])
    func names(name: String) {
        let json = changed(.string(name), at: "metadata", "name")
        #expect(ModelDeploymentValidation.validate(json) == ValidationFindings())
    }

    @Test("a missing uri is required")
    func missing() {
        let errors = ModelDeploymentValidation.validate(changed(nil, at: "spec", "model", "uri")).errors
        #expect(errors.map(\.field) == ["spec.model.uri"])
    }

    @Test("a step has exactly one member, and an error says which there are")
    func steps() {
        let both = changed(
            ["strategy": "Canary", "steps": [["setWeight": 10], ["pause": [:], "setWeight": 20], [:]]],
            at: "spec",
            "rollout"
        )
        let errors = ModelDeploymentValidation.validate(both).errors
        #expect(errors.map(\.field) == ["spec.rollout.steps[1]", "spec.rollout.steps[2]"])
        #expect(errors.allSatisfy { $0.message.contains("setWeight, pause, analysis, setReplicas") })
        let shadow = changed(["strategy": "Shadow", "traffic": ["provider": "Replicas"]], at: "spec", "rollout")
        #expect(ModelDeploymentValidation.validate(shadow).errors.map(\.field) == ["spec.rollout.traffic.provider"])
        let weight = changed(["strategy": "Canary", "steps": [["setWeight": 101]]], at: "spec", "rollout")
        #expect(ModelDeploymentValidation.validate(weight).errors.map(\.field) == ["spec.rollout.steps[0].setWeight"])
    }

    @Test("fields without an effect get a warning that names them")
    func warns() {
        let steps = changed(["steps": [["setWeight": 10]], "blueGreen": ["autoPromote": true]], at: "spec", "rollout")
        let warnings = ModelDeploymentValidation.validate(steps).warnings
        #expect(warnings.contains { $0.contains("spec.rollout.steps") && $0.contains("RollingUpdate") })
        #expect(warnings.contains { $0.contains("spec.rollout.blueGreen") })
        let canary = changed(["strategy": "Canary", "steps": [["setWeight": 10]]], at: "spec", "rollout")
        #expect(ModelDeploymentValidation.validate(canary).warnings.allSatisfy { !$0.contains("rollout") })
        func byPods(_ weight: JSONValue, _ provider: JSONValue) -> [String] {
            let rollout: JSONValue = [
                "strategy": "Canary", "steps": [["setWeight": weight]], "traffic": ["provider": provider],
            ]
            return ModelDeploymentValidation.validate(changed(rollout, at: "spec", "rollout")).warnings
        }
        #expect(byPods(51, "Replicas").contains { $0.contains("steps[0]: setWeight 51 is 50 % with") })
        #expect(!(byPods(50, "Replicas") + byPods(80, "Local")).contains { $0.contains("setWeight") })
        let replicas = ModelDeploymentValidation.validate(changed(3, at: "spec", "replicas")).warnings
        #expect(
            replicas.contains { $0.contains("spec.replicas has no effect") && $0.contains("engine External or paused") }
        )
        for scaling in [["paused": true], ["mode": "Observe"]] as [JSONValue] {
            var held = changed(3, at: "spec", "replicas")
            held.set(scaling, at: "spec", "scaling")
            #expect(ModelDeploymentValidation.validate(held).warnings.allSatisfy { !$0.contains("spec.replicas") })
        }
        let external = changed(["engine": "External", "targets": []], at: "spec", "scaling")
        #expect(ModelDeploymentValidation.validate(external).warnings.contains { $0.contains("spec.scaling.targets") })
        let objective: JSONValue = ["latency": ["percentile": 95, "milliseconds": 100]]
        let hpa = changed(["engine": "HorizontalPodAutoscaler", "objective": objective], at: "spec", "scaling")
        let unserved = ModelDeploymentValidation.validate(hpa).warnings
        #expect(unserved.contains { $0.contains("spec.scaling.objective has no effect") })
        let plain = changed(["engine": "HorizontalPodAutoscaler"], at: "spec", "scaling")
        #expect(!ModelDeploymentValidation.validate(plain).warnings.contains { $0.contains("HorizontalPodAutoscaler") })
        var rule: JSONValue = ["policy": "Rule", "targets": [["signal": "QueueLength", "value": 4]]]
        func lowers(_ scaling: JSONValue) -> Bool {
            let warnings = ModelDeploymentValidation.validate(changed(scaling, at: "spec", "scaling")).warnings
            return !warnings.contains { $0.contains("Rule never lowers the count") && $0.contains("CPU") }
        }
        #expect(lowers(rule))
        rule["metricsSource"] = "Prometheus"
        rule["prometheus"] = ["address": "http://p:9090", "queries": ["queueLength": "q"]]
        #expect(!lowers(rule))
        rule["policy"] = "TargetTracking"
        #expect(lowers(rule))
        let http = changed("https://example.com/m.onnx", at: "spec", "model", "uri")
        #expect(ModelDeploymentValidation.validate(http).warnings.contains { $0.contains("sha256") })
    }

    @Test("schedules that never begin, and variables that stand for nothing, get a warning")
    func deadScaling() {
        func warnings(_ scaling: JSONValue) -> [String] {
            ModelDeploymentValidation.validate(changed(scaling, at: "spec", "scaling")).warnings
        }
        func schedule(_ start: String, _ end: String) -> [String] {
            warnings(["schedules": [["name": "s", "start": .string(start), "end": .string(end), "minReplicas": 2]]])
        }
        #expect(schedule("0 8 * * *", "0 18 * * *") == [])
        #expect(schedule("0 8 29 2 *", "0 18 29 2 *") == [], "a leap year has it")
        #expect(schedule("0 8 * * *", "0 8 * * *").contains { $0.contains("schedules[0] has no effect: it ends when") })
        #expect(schedule("0 8 30 2 *", "0 18 * * *").contains { $0.contains("no year has a day") })
        func query(_ text: String) -> [String] {
            let prometheus: JSONValue = ["address": "http://p:9090", "queries": ["queueLength": .string(text)]]
            let targets: JSONValue = [["signal": "QueueLength", "value": 4]]
            return warnings(["metricsSource": "Prometheus", "prometheus": prometheus, "targets": targets])
        }
        #expect(query(#"sum(q{m="${model}",n="${namespace}",r="${revision}"})"#) == [])
        let wrong = query(#"sum(q{m="${modle}"})"#)
        #expect(
            wrong.count == 1 && wrong[0].hasPrefix("spec.scaling.prometheus.queries.queueLength: ${modle} stands for")
        )
    }

    @Test("nothing crashes on a malformed object", arguments: ["1", "{}", #"{"spec":[]}"#, #"{"spec":{"scaling":3}}"#])
    func malformed(text: String) throws {
        let json = try JSONValue(parsing: Array(text.utf8))
        _ = ModelDeployment(KubeObject(json))
        #expect(!ModelDeploymentValidation.validate(json).errors.isEmpty)
    }

    @Test("the runtime with the highest priority wins; none says which formats there are")
    func runtimes() {
        func runtime(_ name: String, _ format: String, priority: Int, auto: Bool = true) -> ServingRuntime {
            ServingRuntime(
                KubeObject([
                    "metadata": ["name": .string(name)],
                    "spec": [
                        "supportedModelFormats": [
                            ["name": .string(format), "autoSelect": .bool(auto), "priority": JSONValue(priority)]
                        ], "container": ["image": "i"],
                    ],
                ])
            )
        }
        let model = ModelDeployment(KubeObject(Self.minimal))
        let all = [
            runtime("a", "onnx", priority: 1), runtime("b", "onnx", priority: 2),
            runtime("c", "onnx", priority: 9, auto: false),
        ]
        #expect(ServingRuntime.choose(for: model, among: all) == .found(all[1]))
        guard
            case .none(let message) = ServingRuntime.choose(
                for: model,
                among: [runtime("t", "tensorflow", priority: 1)]
            )
        else {
            Issue.record("no runtime supports onnx")
            return
        }
        #expect(message.contains("\"onnx\"") && message.contains("tensorflow"))
        guard case .none(let manual) = ServingRuntime.choose(for: model, among: [all[2]]) else {
            Issue.record("runtime c isn't chosen by itself")
            return
        }
        #expect(manual.contains("spec.runtime.name: c"))
    }
}
