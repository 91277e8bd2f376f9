// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeTesting
import Logging
import Rollouts
import Telemetry
import Templates
import Testing

@testable import Controllers

@Suite("Canaries against an API server", .timeLimit(.minutes(5)))
struct CanaryReconcileTests {
    private static let version2: JSONValue = ["model": ["version": "2"]]

    /// A model with `replicas` ready replicas and a canary's steps, to which a second version came.
    static func harness(
        _ rollout: JSONValue,
        replicas: Int = 4,
        exchange: (any HTTPExchange)? = nil
    ) async throws -> ReconcilerHarness {
        let spec: JSONValue = [
            "model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx", "version": "1"],
            "scaling": ["minReplicas": JSONValue(replicas), "maxReplicas": 10], "rollout": rollout,
        ]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: spec), exchange: exchange)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: replicas, ready: replicas)
        try await harness.reconcile()
        try await harness.patchModel(version2)
        try await harness.reconcile()
        return harness
    }

    static let steps: JSONValue = [
        "strategy": "Canary", "steps": [["setWeight": 25], ["pause": [:]], ["setWeight": 50], ["pause": [:]]],
    ]

    static func weight(_ harness: ReconcilerHarness) async throws -> Int? {
        let service = try await harness.get(.services, "m")
        guard let text = service.annotation(FleetAPI.trafficAnnotation) else { return nil }
        return try JSONValue(parsing: Array(text.utf8)).at("backends")?[0]?["weight"]?.int
    }

    static func settle(_ harness: ReconcilerHarness, _ count: Int = 4) async throws {
        for _ in 0..<count { try await harness.reconcile() }
    }

    static func ask(_ harness: ReconcilerHarness, _ text: String) async throws {
        let annotations: JSONValue = [FleetAPI.rolloutRequestAnnotation: .string(text)]
        try await harness.client.patch(
            .modelDeployments,
            harness.key,
            .merge(["metadata": ["annotations": annotations]])
        )
    }

    @Test("the canary gets ready, then its weight; the promotion turns the roles and leaves nothing behind")
    func promotion() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        let canary = try await harness.get(.services, "m-canary")
        #expect(canary["spec", "selector", FleetAPI.revisionLabel] == "2")
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] ?? 1 == 1)
        #expect(try await Self.weight(harness) == nil, "its replica isn't ready")
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)
        var model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "Paused")
        #expect(model["status", "canary", "weight"] == 25 && model["status", "stable", "weight"] == 75)
        #expect(model["status", "canary", "version"] == "2" && model["status", "canary", "step"] == 2)
        #expect(model["status", "rollout", "deadline"]?.string.flatMap(WallTime.init(rfc3339:)) != nil)

        try await Self.ask(harness, "promote 2/1 a")
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 2)
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 50)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 4, "stable can take it all back")
        try await Self.ask(harness, "promote 2/3 b")
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 4)
        #expect(try await harness.selected() == "1")
        try await harness.setStatus("m-r2", replicas: 4, ready: 4)
        try await Self.settle(harness, 8)
        #expect(try await harness.selected() == "2")
        #expect(try await Self.weight(harness) == nil)
        #expect(try await harness.find(.services, "m-canary") == nil)
        model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "Settled" && model["status", "canary"] == nil)
        #expect(model["status", "history"]?[0]?["outcome"] == "Promoted")
        harness.time.advance(by: .seconds(6))
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 0)
        try await harness.setStatus("m-r1", replicas: 0, ready: 0)
        try await Self.settle(harness, 2)
        #expect(try await harness.find(.deployments, "m-r1") == nil)
        let versions = try await harness.versions()
        try await Self.settle(harness, 2)
        #expect(try await harness.versions() == versions, "at rest nothing is written")
    }

    @Test("a rollout that is held in its midst says so, whatever its strategy", arguments: ["Canary", "RollingUpdate"])
    func held(strategy: String) async throws {
        let harness = try await Self.harness(["strategy": .string(strategy)])
        try await Self.settle(harness)
        try await harness.patchModel(["rollout": ["paused": true]])
        try await harness.setStatus("m-r2", replicas: 4, ready: 4)
        try await Self.settle(harness)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "canary", "revision"] == 2)
        let progressing = ConditionSet(model)[ModelDeploymentCondition.progressing]
        #expect(progressing?.status == .isFalse && progressing?.reason == "Paused")
        #expect(progressing?.message.contains("stays where it is: spec.rollout.paused is true") == true)
        #expect(model["status", "summary"]?.string?.hasPrefix("Paused ") == true)
        #expect(try await harness.selected() == "1")
    }

    @Test("an abort takes the weight first, then the pods; the canary stays at zero")
    func abort() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        try await Self.ask(harness, "abort 2/1 a")
        try await Self.settle(harness, 2)
        #expect(try await Self.weight(harness) == nil)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] ?? 1 == 1)
        harness.time.advance(by: .seconds(6))
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 0)
        #expect(try await harness.find(.services, "m-canary") == nil)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "RolledBack")
        #expect(model["status", "history"]?[0]?["outcome"] == "Aborted")
        #expect(ConditionSet(model)["RolloutHealthy"]?.reason == "Aborted")
        try await harness.client.setReplicas(9, of: .deployments, OperatorHarness.key("m-r1"))
        try await Self.settle(harness)
        #expect(try await harness.get(.deployments, "m-r2")["spec", "replicas"] == 0)
        try await Self.ask(harness, "retry 2/1 b")
        try await Self.settle(harness)
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "Progressing")
    }

    @Test("a fresh process goes on where the old one was, after any of its writes")
    func restart() async throws {
        var harness = try await Self.harness(Self.steps)
        for _ in 0..<3 {
            harness.restart(templates: .builtIn)
            try await Self.settle(harness, 2)
        }
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        for _ in 0..<4 {
            harness.restart(templates: .builtIn)
            try await harness.reconcile()
        }
        #expect(try await Self.weight(harness) == 25)
        let started = try await harness.get(.modelDeployments, "m")["status", "rollout", "startedAt"]
        harness.restart(templates: .builtIn)
        try await Self.settle(harness)
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "startedAt"] == started)
        #expect(try await harness.events("RolloutStarted").count == 1)
    }

    @Test(
        "a share that the canary's pods no longer carry isn't given from an old view, nor noted to be given by the next look"
    )
    func oldView() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await harness.sync()
        try await harness.setStatus("m-r2", replicas: 1, ready: 0)
        try await harness.reconcileStale()
        // What is in status is brought about before the next decision.
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "desiredWeight"] == 0)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) ?? 0 == 0)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await Self.weight(harness) == 25)
    }

    @Test("what further checks answered is in status, also between two looks")
    func checks() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness, 2)
        try await harness.sync()
        func status(_ evidence: RolloutEvidence?) throws -> JSONValue? {
            var observation = try #require(
                ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
            )
            observation.evidence = evidence
            return ModelPlan(observation, renderer: ModelRenderer(templates: .builtIn)).status["rollout"]?["checks"]
        }
        let check = RolloutCheck(name: "golden", answer: .passed, message: "status 200")
        let shown: JSONValue = [["name": "golden", "result": "Passed", "message": "status 200"]]
        #expect(try status(RolloutEvidence(checks: [check])) == shown)
        #expect(try status(nil) == nil)
        let stored: JSONValue = ["status": ["rollout": ["checks": shown]]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(stored), subresource: "status")
        try await harness.sync()
        #expect(try status(nil) == shown)
    }

    @Test("the checks of BlueGreen are asked about its preview, once it has a ready replica")
    func previewChecks() async throws {
        let check: JSONValue = ["name": "golden", "webhook": ["url": "http://h/"]]
        let harness = try await Self.harness(
            ["strategy": "BlueGreen", "analysis": ["checks": [check]], "blueGreen": ["autoPromote": false]],
            replicas: 2
        )
        try await Self.settle(harness)
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") }
        let analysis = Self.analysis(harness, exchange)
        func evidence() async throws -> RolloutEvidence? {
            try await harness.sync()
            let observation = try #require(
                ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
            )
            return analysis.evidence(observation)
        }
        #expect(try await harness.find(.services, "m-canary") != nil)
        #expect(try await evidence() == nil, "nothing answers yet")
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        try await Self.settle(harness)
        #expect(try await harness.get(.modelDeployments, "m")["status", "rollout", "phase"] == "Analyzing")
        #expect(try await evidence()?.checks.map(\.name) == ["golden"])
    }

    @Test("all of what is written into status is stored: a model that nothing happens to asks for nothing")
    func quiet() async throws {
        let harness = try await Self.harness(Self.steps)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        func asksNothing() async throws -> Bool {
            try await harness.sync()
            let observation = try #require(
                ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
            )
            let plan = ModelPlan(observation, renderer: ModelRenderer(templates: .builtIn))
            return !plan.actions.contains { if case .keep = $0 { true } else { false } }
                && plan.status["keptRevision"] == observation.stored["status", "keptRevision"]
        }
        #expect(try await asksNothing(), "while a canary waits")
        let before = try await harness.versions()
        for _ in 0..<3 { try await harness.reconcile() }
        #expect(try await harness.versions() == before)
        try await Self.ask(harness, "abort 2/1 a")
        try await Self.settle(harness, 6)
        harness.time.advance(by: .seconds(10))
        try await Self.settle(harness, 6)
        let settled = try await harness.versions()
        for _ in 0..<3 { try await harness.reconcile() }
        #expect(try await harness.versions() == settled)
        #expect(try await asksNothing(), "after it")
    }

    @Test("how a rollout ended is told also where no history is kept")
    func withoutHistory() async throws {
        let hooks: JSONValue = [["url": "http://hooks.example.com/"]]
        let rollout: JSONValue = ["strategy": "RollingUpdate", "revisionHistoryLimit": 0, "notifications": hooks]
        var harness = try await Self.harness(rollout, replicas: 1)
        harness.reconciler.analysis = Self.analysis(harness, ClosureExchange { _ in throw CancellationError() })
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness, 6)
        let status = try await harness.get(.modelDeployments, "m")["status"]
        #expect(status?["history"] == nil)
        let told = status?.at("rollout", "transitions")?.array?.compactMap { $0["event"]?.string }
        #expect(told?.last == "Promoted")
    }

    @Test("the specs of revisions are kept, and those that no history names go")
    func kept() async throws {
        let harness = try await Self.harness(["revisionHistoryLimit": 1], replicas: 1)
        for version in 2...4 {
            try await harness.patchModel(["model": ["version": .string("\(version)")]])
            try await Self.settle(harness, 2)
            try await harness.setStatus("m-r\(version)", replicas: 1, ready: 1)
            try await Self.settle(harness, 3)
        }
        let kept = try await harness.client.list(.controllerRevisions, namespace: "default").items
        #expect(kept.compactMap { $0["revision"]?.int }.sorted() == [3, 4])
        let last = kept.first { $0["revision"]?.int == 4 }
        #expect(last?["data", "spec", "model", "version"] == "4")
        #expect(try await harness.get(.modelDeployments, "m")["status", "history"]?.array?.count == 1)
    }

    @Test("beside others' backends a step has its share when the nearest whole number is written")
    func besideOthers() async throws {
        var rollout = Self.steps
        rollout["traffic"] = ["httpRoutes": ["web"]]
        let harness = try await Self.harness(rollout)
        let group = ResourceType.httpRoutes.group
        let open: JSONValue = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
        let definition: JSONValue = [
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": ["name": .string("httproutes.\(group)")],
            "spec": [
                "group": .string(group), "scope": "Namespaced",
                "names": ["kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"],
                "versions": [
                    ["name": "v1", "served": true, "storage": true, "schema": ["openAPIV3Schema": open]]
                ],
            ],
        ]
        try await harness.client.create(.customResourceDefinitions, KubeObject(definition))
        var route = KubeObject(.httpRoutes, namespace: "default", name: "web")
        let backends: JSONValue = [
            ["name": "m", "port": 80, "weight": 90], ["name": "other", "port": 80, "weight": 10],
        ]
        route["spec"] = ["rules": [["backendRefs": backends]]]
        try await harness.client.create(.httpRoutes, route)
        try await Self.settle(harness)
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness, 6)
        let refs = try await harness.get(.httpRoutes, "web")["spec", "rules"]?[0]?["backendRefs"]?.array ?? []
        #expect(refs.map { $0["weight"] } == [67, 23, 10])
        let asked = try await harness.get(.deployments, "m-r2")["spec", "replicas"]
        #expect(asked == 2, "26 % of four replicas is more than one")
        try await harness.setStatus("m-r2", replicas: 2, ready: 2)
        try await Self.settle(harness)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "Paused")
        #expect(model["status", "rollout", "desiredWeight"] == 25 && model["status", "canary", "weight"] == 26)
    }

    @Test("a stable Deployment has its time without a ready replica, and one that was just scaled up hasn't")
    func unavailable() async throws {
        let harness = try await Self.harness(Self.steps, replicas: 1)
        func since(_ status: String) async throws -> WallTime? {
            let condition: JSONValue = [
                "type": "Available", "status": .string(status), "lastTransitionTime": "2026-01-01T00:00:00Z",
            ]
            try await harness.client.patch(
                .deployments,
                OperatorHarness.key("m-r1"),
                .merge(["status": ["readyReplicas": 0, "conditions": [condition]]]),
                subresource: "status"
            )
            try await harness.sync()
            let observation = try #require(
                ModelObservation(harness.key, stores: harness.stores, scaling: nil, time: harness.time.now())
            )
            let view = RolloutView(observation: observation, wanted: 2, hash: "h").machine(RolloutPlan())
            #expect(view.stable?.number == 1 && view.stable?.readyReplicas == 0)
            return view.stable?.unavailableSince
        }
        #expect(try await since("False") == WallTime(rfc3339: "2026-01-01T00:00:00Z"))
        #expect(try await since("True") == nil, "its status is from before")
    }

    @Test("without a router the root Service selects both tracks while the canary has a share")
    func byPods() async throws {
        var rollout = Self.steps
        rollout["traffic"] = ["provider": "Replicas"]
        let harness = try await Self.harness(rollout)
        try await Self.settle(harness)
        #expect(try await harness.selected() == "1")
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        try await Self.settle(harness)
        #expect(try await harness.selected() == nil)
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "canary", "weight"] == 20, "one of five pods, whatever was wanted")
        #expect(model["status", "rollout", "desiredWeight"] == 25)
        try await Self.ask(harness, "abort 2/1 a")
        try await Self.settle(harness)
        #expect(try await harness.selected() == "1")
    }
}
