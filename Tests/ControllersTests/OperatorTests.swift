// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import Telemetry
import Testing

@testable import Controllers

/// One way for a pod to fail.
struct PodFailureRow: Sendable {
    var waiting: String
    var exitMessage: String?
    var reason: String
    var hint: String
}

@Suite("The operator against a real API server", .timeLimit(.minutes(5)))
struct OperatorTests {
    @Test("a format and a uri give a Deployment and a Service, owned and without our replicas")
    func fiveLines() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            let deployment = try await harness.expect(.deployments, "m-r1") { _ in true }
            let service = try await harness.expect(.services, "m") { _ in true }
            #expect(deployment.controller?.kind == "ModelDeployment")
            #expect(deployment.labels[FleetAPI.managedByLabel] == "modelfleet")
            let arguments = deployment["spec", "template", "spec", "containers"]?[0]?["args"]?.array?.compactMap(
                \.string
            )
            #expect(arguments == ["--model-name", "m", "--model-uri", "file:///models/m.onnx", "--port", "8080"])
            #expect(
                service["spec", "selector"] == [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "1"]
            )
            let owner = deployment["metadata", "managedFields"]?.array?.first {
                $0["manager"]?.string == "modelfleet" && $0["operation"]?.string == "Apply"
            }
            #expect(owner?.at("fieldsV1", "f:spec", "f:template") != nil)
            #expect(owner?.at("fieldsV1", "f:spec", "f:replicas") == nil)
            try await harness.setReady("m-r1", 1)
            let model = try await harness.expect(.modelDeployments, "m") { ConditionSet($0).isTrue("Ready") }
            #expect(model["status", "ready"] == "1/1")
            #expect(model["status", "selector"]?.string == "modelfleet.dev/model=m,modelfleet.dev/revision=1")
        }
    }

    @Test("drift is corrected, foreign fields stay, and nothing is written where nothing differs")
    func drift() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            let key = OperatorHarness.key("m-r1")
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.expect(.services, "m") { _ in true }
            let sidecar: JSONValue = [
                "metadata": ["annotations": ["example.com/mine": "yes"]],
                "spec": [
                    "template": [
                        "spec": [
                            "containers": [
                                ["name": "server", "image": "evil:1"], ["name": "sidecar", "image": "s:1"],
                            ]
                        ]
                    ]
                ],
            ]
            try await harness.client.patch(.deployments, key, .strategicMerge(sidecar))
            let fixed = try await harness.expect(.deployments, "m-r1") { deployment in
                let images = deployment["spec", "template", "spec", "containers"]?.array?.compactMap {
                    $0["image"]?.string
                }
                return images?.sorted() == ["modelfleet/server:0.1.0", "s:1"]
            }
            #expect(fixed.annotations["example.com/mine"] == "yes")
            // A change that isn't ours makes a reconcile that has nothing to write.
            let service = try await harness.client.get(.services, OperatorHarness.key("m"))
            let touched = try await harness.client.patch(
                .deployments,
                key,
                .merge(["metadata": ["annotations": ["example.com/mine": "no"]]])
            )
            try await harness.setReady("m-r1", 1)
            try await harness.expect(.modelDeployments, "m") { ConditionSet($0).isTrue("Ready") }
            let after = try await harness.client.get(.deployments, key)
            #expect(after.generation == touched.generation)
            #expect(after.annotations["example.com/mine"] == "no")
            let same = try await harness.client.get(.services, OperatorHarness.key("m"))
            #expect(same.resourceVersion == service.resourceVersion)
        }
    }

    @Test("the engine switches between an HPA and the operator, with one writer")
    func engines() async throws {
        let harness = try await OperatorHarness()
        let hpa = OperatorHarness.model(spec: ["scaling": ["engine": "HorizontalPodAutoscaler", "minReplicas": 2]])
        try await harness.client.create(.modelDeployments, hpa)
        try await harness.withOperator { harness in
            let autoscaler = try await harness.expect(.horizontalPodAutoscalers, "m") { _ in true }
            #expect(autoscaler["spec", "scaleTargetRef", "kind"] == "ModelDeployment")
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 2 }
            let key = OperatorHarness.key("m")
            try await harness.client.setReplicas(4, of: .modelDeployments, key)
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 4 }
            try await harness.client.patch(.modelDeployments, key, .merge(["spec": ["scaling": ["engine": "Direct"]]]))
            try await harness.expectGone(.horizontalPodAutoscalers, "m")
        }
    }

    @Test(
        "a failing pod leads to a condition and an event that say what to do",
        arguments: [
            PodFailureRow(
                waiting: "ImagePullBackOff",
                exitMessage: nil,
                reason: "ImagePullFailed",
                hint: "can't be pulled"
            ),
            PodFailureRow(
                waiting: "CrashLoopBackOff",
                exitMessage: "loading\nmodel.onnx: the sha256 differs\n",
                reason: "ServerExits",
                hint: "the sha256 differs"
            ),
        ]
    )
    func failing(row: PodFailureRow) async throws {
        let reason = row.reason
        let hint = row.hint
        let terminated: JSONValue? = row.exitMessage.map {
            ["exitCode": 1, "reason": "Error", "message": .string($0)]
        }
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.addPod(
                "m-1",
                status: OperatorHarness.waiting(row.waiting, "back-off", terminated: terminated)
            )
            let model = try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["Ready"]?.reason == reason
            }
            let ready = try #require(harness.condition(model, "Ready"))
            #expect(ready.status == .isFalse)
            #expect(ready.message.contains(hint), "\(ready.message)")
            while true {
                let events = try await harness.client.list(.events, namespace: "default").items
                if events.contains(where: { $0["reason"]?.string == reason }) { break }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test("no runtime for the format: the condition says which formats there are")
    func noRuntime() async throws {
        let harness = try await OperatorHarness()
        var model = OperatorHarness.model()
        model["spec", "model", "format", "name"] = "tensorflow"
        try await harness.client.create(.modelDeployments, model)
        try await harness.withOperator { harness in
            let model = try await harness.expect(.modelDeployments, "m") {
                ConditionSet($0)["Ready"]?.reason == "NoRuntime"
            }
            #expect(harness.condition(model, "Ready")?.message.contains("onnx") == true)
            #expect(try await harness.client.find(.deployments, OperatorHarness.key("m-r1")) == nil)
        }
    }

    @Test("a changed model comes up beside the old one, gets the traffic when ready, then the old one goes")
    func rollout() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.setReady("m-r1", 1)
            try await harness.expect(.modelDeployments, "m") { ConditionSet($0).isTrue("Ready") }
            try await harness.client.patch(
                .modelDeployments,
                OperatorHarness.key("m"),
                .merge(["spec": ["model": ["version": "2"]]])
            )
            try await harness.expect(.deployments, "m-r2") { _ in true }
            let service = try await harness.client.get(.services, OperatorHarness.key("m"))
            #expect(service["spec", "selector", FleetAPI.revisionLabel] == "1")
            try await harness.setReady("m-r2", 1)
            try await harness.expect(.services, "m") { $0["spec", "selector", FleetAPI.revisionLabel] == "2" }
            // It serves on for five seconds, then is scaled to zero, then goes.
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"] == 0 }
            try await harness.setReady("m-r1", 0)
            try await harness.expectGone(.deployments, "m-r1")
            let model = try await harness.expect(.modelDeployments, "m") { $0["status", "stable", "revision"] == 2 }
            #expect(model["status", "stable", "version"] == "2")
        }
    }

    @Test("scraped load raises the count, and the reason is in status")
    func scales() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(
            .modelDeployments,
            OperatorHarness.model(spec: ["scaling": ["intervalSeconds": 1]])
        )
        harness.pages.withLock { $0["10.0.0.1:8080"] = "modelfleet_queue_length 11\nmodelfleet_requests_in_flight 3\n" }
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.setReady("m-r1", 1)
            try await harness.addPod("m-1", status: OperatorHarness.ready("10.0.0.1"))
            try await harness.expect(.deployments, "m-r1") { $0["spec", "replicas"]?.int == 3 }
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "scaling", "desiredReplicas"]?.int == 3
            }
            let decision = model["status", "scaling", "lastDecision"]
            #expect(decision?["message"]?.string?.contains("queue 11 over target 4 on 1 replica") == true)
        }
    }

    @Test("a model that is gone leaves no series of its own in the operator's metrics")
    func forgetsSeries() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        let desired = harness.metrics.gauge("modelfleet_desired_replicas", help: "")
        let labels = ["namespace": "default", "model": "m"]
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.setReady("m-r1", 1)
            while desired.value(labels: labels) == nil { try await Task.sleep(for: .milliseconds(20)) }
            try await harness.client.delete(.modelDeployments, OperatorHarness.key("m"))
            while desired.value(labels: labels) != nil { try await Task.sleep(for: .milliseconds(20)) }
        }
        #expect(!harness.metrics.render().contains(#"model="m""#))
    }

    @Test("an operator that has ended is let go, with all that it held")
    func letGo() async throws {
        final class Pages: HTTPExchange {
            func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
                HTTPResponseMessage(status: .notFound, text: "")
            }
        }
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        weak var pages: Pages?
        func work() async throws {
            let exchange = Pages()
            pages = exchange
            let service = OperatorService(client: harness.client, scrapeExchange: exchange)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await service.run() }
                try await harness.expect(.services, "m") { _ in true }
                group.cancelAll()
            }
        }
        try await work()
        while pages != nil { try await Task.sleep(for: .milliseconds(5)) }
    }

    @Test("a second operator changes nothing that runs, and transition times stay")
    func restart() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.setReady("m-r1", 3)
            try await harness.client.setReplicas(3, of: .deployments, OperatorHarness.key("m-r1"))
            try await harness.expect(.modelDeployments, "m") { $0["status", "ready"] == "3/3" }
        }
        let before = try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))
        let ready = harness.condition(
            try await harness.client.get(.modelDeployments, OperatorHarness.key("m")),
            "Ready"
        )
        try await harness.withOperator { harness in
            // The model's next change shows that the second operator has seen everything.
            let patch: JSONValue = ["spec": ["scaling": ["maxReplicas": 7]]]
            let changed = try await harness.client.patch(.modelDeployments, OperatorHarness.key("m"), .merge(patch))
            let model = try await harness.expect(.modelDeployments, "m") {
                $0["status", "observedGeneration"]?.integer == changed.generation
            }
            #expect(harness.condition(model, "Ready")?.lastTransitionTime == ready?.lastTransitionTime)
            let after = try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))
            #expect(after.generation == before.generation)
            #expect(after["spec", "replicas"]?.int == 3)
        }
    }
}
