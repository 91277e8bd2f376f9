// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import Foundation
import KubeAPI
import KubeModel
import KubeRuntime
import Rollouts
import Templates
import Testing

@testable import Controllers

@Suite("Revisions: written once, pinned, retired with care", .timeLimit(.minutes(5)))
struct RevisionTests {
    private static let version2: JSONValue = ["model": ["version": "2"]]

    /// The built-in template `name` as text, with `changes` (from, to) made.
    private static func template(_ name: String, _ changes: (String, String)...) throws -> String {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "Sources/Templates/Resources/\(name)")
        var text = try String(contentsOf: file, encoding: .utf8)
        for (old, new) in changes {
            try #require(text.contains(old))
            text = text.replacing(old, with: new)
        }
        return text
    }

    private static func image(_ deployment: KubeObject) -> String? {
        deployment["spec", "template", "spec", "containers"]?[0]?["image"]?.string
    }

    @Test("a field that is rendered no longer goes from the live object; then nothing is written")
    func removal() async throws {
        let more = try Self.template(
            "service.yaml",
            ("  ownerReferences:", "  annotations: {example.com/old: \"yes\"}\n  ownerReferences:"),
            (
                "  - name: http\n",
                "  - name: metrics\n    port: 90\n    protocol: TCP\n    targetPort: http\n  - name: http\n"
            )
        )
        var harness = try await ReconcilerHarness()
        harness.restart(templates: try TemplateSet(overriding: ["service.yaml": more]))
        try await harness.reconcile()
        let old = try await harness.get(.services, "m")
        #expect(old.annotations["example.com/old"] == "yes")
        #expect(old["spec", "ports"]?.array?.count == 2)
        let mine: JSONValue = ["metadata": ["annotations": ["example.com/mine": "kept"]]]
        try await harness.client.patch(.services, OperatorHarness.key("m"), .merge(mine))

        harness.restart(templates: .builtIn)
        try await harness.reconcile()
        let new = try await harness.get(.services, "m")
        #expect(new.annotations["example.com/old"] == nil)
        #expect(new.annotations["example.com/mine"] == "kept")
        #expect(new["spec", "ports"]?.array?.compactMap { $0["port"]?.int } == [80])

        let deployment = try await harness.get(.deployments, "m-r1")
        try await harness.reconcile()
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        try await harness.reconcile()
        #expect(try await harness.get(.services, "m").resourceVersion == new.resourceVersion)
        #expect(try await harness.get(.deployments, "m-r1").resourceVersion == deployment.resourceVersion)
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion == model.resourceVersion)
    }

    @Test("a label that leaves spec.template is not in the next revision's pods")
    func removedLabel() async throws {
        let labels: JSONValue = ["template": ["metadata": ["labels": ["team": "a", "tier": "gold"]]]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: labels))
        try await harness.reconcile()
        try await harness.patchModel(["template": ["metadata": ["labels": ["tier": .null]]]])
        try await harness.reconcile()
        func podLabels(_ name: String) async throws -> JSONValue? {
            try await harness.get(.deployments, name)["spec", "template", "metadata", "labels"]
        }
        #expect(try await podLabels("m-r1")?["tier"] == "gold")
        #expect(try await podLabels("m-r2")?["team"] == "a")
        #expect(try await podLabels("m-r2")?["tier"] == nil)
    }

    @Test("an operator with other templates leaves the pods of a revision alone, and corrects drift to what it was")
    func pinned() async throws {
        let newer = try TemplateSet(overriding: [
            "deployment.yaml": Self.template(
                "deployment.yaml",
                ("enableServiceLinks: false", "enableServiceLinks: true\n      priorityClassName: models"),
                ("minReadySeconds: ${minReadySeconds}", "minReadySeconds: 7")
            )
        ])
        var harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let before = try await harness.get(.deployments, "m-r1")
        harness.restart(templates: newer)
        try await harness.reconcile()
        let after = try await harness.get(.deployments, "m-r1")
        #expect(after["spec", "template"] == before["spec", "template"])
        #expect(after["spec", "minReadySeconds"] == 7)

        let drift: JSONValue = [
            "spec": ["template": ["spec": ["containers": [["name": "server", "image": "evil:1"]]]]]
        ]
        try await harness.client.patch(.deployments, OperatorHarness.key("m-r1"), .strategicMerge(drift))
        try await harness.reconcile()
        let corrected = try await harness.get(.deployments, "m-r1")
        #expect(corrected["spec", "template"] == before["spec", "template"])

        try await harness.patchModel(Self.version2)
        try await harness.reconcile()
        let next = try await harness.get(.deployments, "m-r2")
        #expect(next["spec", "template", "spec", "priorityClassName"] == "models")
    }

    @Test("the hash of a known input never changes: another one would replace the pods of every model at an upgrade")
    func hashIsStable() {
        let spec: JSONValue = [
            "resources": ["requests": ["cpu": "500m"]], "template": ["metadata": ["labels": ["team": "a"]]],
        ]
        let runtime: JSONValue = [
            "metadata": ["name": "r"],
            "spec": [
                "supportedModelFormats": [["name": "onnx"]], "port": 8080,
                "container": ["image": "server:1", "args": ["--model-name", "${model.name}"]],
            ],
        ]
        func hash(_ spec: JSONValue) -> String {
            let model = ModelDeployment(OperatorHarness.model(spec: spec))
            return RevisionInput(model: model, runtime: ServingRuntime(KubeObject(runtime))).hash
        }
        #expect(hash(spec) == "794113e464a19545007ca76919950291")
        var scaled = spec
        scaled["scaling"] = ["maxReplicas": 9]
        #expect(hash(scaled) == hash(spec), "scaling is no part of a revision")
        #expect(hash([:]) != hash(spec))
    }

    @Test("a second edit that comes before the first revision is seen makes a revision of its own")
    func staleStores() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let first = try await harness.get(.deployments, "m-r1")
        try await harness.patchModel(Self.version2)
        // Only the model is seen: the watches of Deployments and Services are late.
        try await harness.sync(["modeldeployments"])
        let outcome = try await harness.reconcileStale()
        #expect(try await harness.get(.deployments, "m-r1")["spec"] == first["spec"])
        #expect(try await harness.find(.deployments, "m-r2") != nil)
        #expect(outcome == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await harness.selected() == "1")
    }

    @Test("a fresh process that doesn't see a revision reads it before it writes one with that number")
    func staleStoresAfterRestart() async throws {
        var harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let first = try await harness.get(.deployments, "m-r1")
        try await harness.patchModel(["model": ["version": "2"], "scaling": ["minReplicas": 3]])
        harness.restart(templates: .builtIn)
        try await harness.sync(["modeldeployments", "servingruntimes"])
        // The status knows revision 1; without it, only the fresh read does.
        var model = try #require(harness.stores.models.object(harness.key))
        model["status"] = nil
        harness.stores.models.put(model)
        #expect(try await harness.reconcileStale() == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await harness.get(.deployments, "m-r1").resourceVersion == first.resourceVersion)
        try await harness.sync(["modeldeployments", "services"])
        try await harness.reconcileStale()
        #expect(try await harness.get(.deployments, "m-r1")["spec"] == first["spec"])
        #expect(Self.image(try await harness.get(.deployments, "m-r2")) == Self.image(first))
        #expect(try await harness.selected() == "1", "revision 1 keeps the traffic until 2 is ready")
    }

    @Test("somebody else's object of the same name is left alone, and the condition says so")
    func nameTaken() async throws {
        let harness = try await ReconcilerHarness()
        var service = KubeObject(.services, namespace: "default", name: "m")
        service["spec"] = ["selector": ["app": "other"], "ports": [["port": 80]]]
        let foreign = try await harness.client.create(.services, service)
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
        #expect(try await harness.get(.services, "m").resourceVersion == foreign.resourceVersion)
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.reason == "NameTaken")
        #expect(ready.message.contains("Service \"m\""))
    }

    @Test(
        "a body that the API server refuses is explained in the condition",
        arguments: [
            ["containers": [["name": "Not A Name", "image": "x"]]],
            // A field that no pod has, and a value of another type: Kubernetes says 500 to both.
            ["nodeSelectors": ["pool": "gpu"], "colour": "red"], ["nodeSelector": ["generation": 4]],
        ] as [JSONValue]
    )
    func rejected(pod: JSONValue) async throws {
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: ["template": ["spec": pod]]))
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.status == .isFalse)
        #expect(ready.reason == "ApplyRejected", "\(ready.message)")
        #expect(!ready.message.contains("\n"))
        #expect(try await harness.events("ApplyRejected").count == 1)
        // What is said stays: a status that turned back and forth would be a change each time, and be tried again at once, for ever.
        let version = try await harness.get(.modelDeployments, "m").resourceVersion
        for _ in 0..<3 { #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay)) }
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion == version)
        #expect(try await harness.events("ApplyRejected").first?["count"] == 1)
    }

    @Test(
        "a template that makes another object than the operator looks for is refused by name, and nothing is made",
        arguments: [
            ("kind: Service", "kind: Pod", "kind is \"Pod\" and must be \"Service\""),
            ("name: ${model.name}", "name: x-${model.name}", "metadata.name is \"x-m\" and must be \"m\""),
            ("namespace: ${model.namespace}", "namespace: kube-system", "metadata.namespace is \"kube-system\""),
            ("labels: ${labels}", "labels: {a: b}", "metadata.labels must have ${labels}"),
            ("ownerReferences: ${ownerReferences}", "", "metadata.ownerReferences must be ${ownerReferences}"),
        ]
    )
    func otherObject(part: String, replacement: String, message: String) async throws {
        let text = """
            apiVersion: v1
            kind: Service
            metadata:
              name: ${model.name}
              namespace: ${model.namespace}
              labels: ${labels}
              ownerReferences: ${ownerReferences}
            spec: {selector: "${selectorLabels}", ports: [{port: 80}]}
            """
        var harness = try await ReconcilerHarness()
        harness.restart(
            templates: try TemplateSet(overriding: ["service.yaml": text.replacing(part, with: replacement)])
        )
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.reason == "TemplateError")
        #expect(ready.message.hasPrefix("template service.yaml, line 1, column 1: \(message)"), "\(ready.message)")
        #expect(try await harness.client.list(.deployments).items.isEmpty)
        harness.restart(templates: try TemplateSet(overriding: ["service.yaml": text]))
        try await harness.reconcile()
        #expect(try await harness.condition("Ready")?.reason == "Loading")
    }

    @Test("a model that is deleted while its status is written needs nothing more")
    func deletedMeanwhile() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.sync()
        try await harness.client.delete(.modelDeployments, harness.key)
        #expect(try await harness.reconcileStale() == .awaitChange)
    }

    @Test("after the switch the old revision serves on for a while, drains, then goes")
    func retirement() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.addPod("m-r1-a", revision: 1, status: OperatorHarness.ready("10.0.0.1"))
        try await harness.patchModel(Self.version2)
        try await harness.reconcile()
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await harness.reconcile()
        #expect(try await harness.selected() == "2")
        func old() async throws -> Int? { try await harness.find(.deployments, "m-r1")?["spec", "replicas"]?.int }

        let outcome = try await harness.reconcile()
        #expect(outcome == .requeue(after: ModelPlan.retirementDelay))
        #expect(try await old() == 1)
        harness.time.advance(by: .seconds(4))
        #expect(try await harness.reconcile() == .requeue(after: .seconds(1)))
        #expect(try await old() == 1)
        harness.time.advance(by: .seconds(1))
        try await harness.reconcile()
        #expect(try await old() == 0)
        // Its pod is still draining.
        try await harness.setStatus("m-r1", replicas: 0, ready: 0)
        try await harness.reconcile()
        #expect(try await old() == 0)
        try await harness.client.delete(
            .pods,
            OperatorHarness.key("m-r1-a"),
            options: DeleteOptions(gracePeriodSeconds: 0)
        )
        try await harness.reconcile()
        #expect(try await old() == nil)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 1)
    }

    @Test("a pod that was evicted, or is done, doesn't hold an old revision up", arguments: ["Failed", "Succeeded"])
    func evicted(phase: String) async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        for _ in 0..<3 { try await harness.reconcile() }
        harness.time.advance(by: .seconds(6))
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 0)
        try await harness.addPod("m-r1-a", revision: 1, status: ["phase": .string(phase), "reason": "Evicted"])
        try await harness.setStatus("m-r1", replicas: 0, ready: 0)
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") == nil)
    }

    @Test(
        "a number that no revision may have is none, and the next one is still free",
        arguments: [
            ([], 1), ([4, 2], 5), ([4, .max], 5), ([.max], 1), ([-7, 2], 3), ([2_147_483_647, 1, 2], 3),
        ] as [([Int], Int)]
    )
    func numbers(given: [Int], next: Int) { #expect(ModelPlan.number(after: given) == next) }

    @Test("what a label, a selector or a status says is brought into the range of numbers")
    func hostileNumbers() {
        let most = "9223372036854775807"
        var deployment = KubeObject(.deployments, namespace: "default", name: "m-r1")
        deployment.labels = [FleetAPI.revisionLabel: most]
        #expect(ModelObservation.revision(of: deployment) == 0)
        var service = KubeObject(.services, namespace: "default", name: "m")
        service["spec"] = ["selector": [FleetAPI.revisionLabel: .string(most)]]
        #expect(RolloutRouting.selected(service) == nil)
        let state = RolloutState([
            "phase": "Paused", "strategy": "Canary", "stableRevision": 1, "stepIndex": .integer(.max), "stepCount": -1,
        ])
        #expect(state?.stepIndex == Int(Int32.max) && state?.stepCount == 0)
    }
}
