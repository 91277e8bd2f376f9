// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Templates
import Testing

@testable import Controllers
@testable import Rollouts

@Suite("What the conditions say", .timeLimit(.minutes(5)))
struct DiagnosisTests {
    private static func unready(started: Bool, since: WallTime) -> JSONValue {
        [
            "phase": "Running",
            "conditions": [
                [
                    "type": "Ready", "status": "False", "reason": "ContainersNotReady",
                    "message": "containers with unready status: [server]",
                    "lastTransitionTime": .string(since.rfc3339),
                ]
            ],
            "containerStatuses": [
                [
                    "name": "server", "image": "i:1", "imageID": "", "ready": false, "started": .bool(started),
                    "restartCount": 0, "state": ["running": ["startedAt": .string(since.rfc3339)]],
                ]
            ],
        ]
    }

    @Test(
        "a pod that never gets ready is explained after 30 s, once, and fails the rollout at the deadline",
        arguments: [true, false]
    )
    func neverReady(started: Bool) async throws {
        let harness = try await ReconcilerHarness(
            OperatorHarness.model(spec: ["rollout": ["progressDeadlineSeconds": 100]])
        )
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 0)
        try await harness.addPod(
            "m-r1-a",
            revision: 1,
            status: Self.unready(started: started, since: harness.time.now())
        )
        #expect(try await harness.reconcile() == .requeue(after: .seconds(31)))
        #expect(try await harness.condition("Ready")?.reason == "Loading")

        harness.time.advance(by: .seconds(31))
        #expect(try await harness.reconcile() == .requeue(after: .seconds(70)))
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.status == .isFalse)
        #expect(ready.reason == "PodNotReady")
        let parts = [
            "m-r1-a", "GET /v2/health/ready on port http", "kubectl logs -n default m-r1-a",
            "kubectl describe pod -n default m-r1-a", "containers with unready status",
            started ? "Readiness probe failed" : "startup probe",
        ]
        for part in parts { #expect(ready.message.contains(part), "\(ready.message)") }
        #expect(try await harness.condition("Progressing")?.status == .isTrue)
        #expect(try await harness.condition("RolloutHealthy")?.status == .isTrue)
        #expect(try await harness.get(.modelDeployments, "m")["status", "summary"] == "PodNotReady")

        harness.time.advance(by: .seconds(5))
        let version = try await harness.get(.modelDeployments, "m").resourceVersion
        try await harness.reconcile()
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion == version, "nothing new to say")

        harness.time.advance(by: .seconds(66))
        #expect(try await harness.reconcile() == .awaitChange)
        for type in ["Progressing", "RolloutHealthy"] {
            let condition = try #require(try await harness.condition(type))
            #expect(condition.status == .isFalse)
            #expect(condition.reason == "ProgressDeadlineExceeded")
            #expect(condition.message.contains("m-r1-a"), "\(condition.message)")
        }
        #expect(try await harness.events("PodNotReady").count == 1)
        #expect(try await harness.events("ProgressDeadlineExceeded").count == 1)
    }

    @Test("why the cluster makes no more pods is told beside those that serve", arguments: [true, false])
    func quota(isReady: Bool) async throws {
        let harness = try await ReconcilerHarness(
            OperatorHarness.model(spec: ["scaling": ["minReplicas": 3, "maxReplicas": 5]])
        )
        try await harness.reconcile()
        let why = "pods \"m-r1-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
        let status: JSONValue = [
            "replicas": 1, "readyReplicas": isReady ? 1 : 0,
            "conditions": [
                ["type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": .string(why)]
            ],
        ]
        try await harness.client.patch(
            .deployments,
            OperatorHarness.key("m-r1"),
            .merge(["status": status]),
            subresource: "status"
        )
        let pod = isReady ? OperatorHarness.ready("10.0.0.1") : Self.unready(started: false, since: harness.time.now())
        try await harness.addPod("m-r1-a", revision: 1, status: pod)
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect((ready.status == .isTrue) == isReady)
        #expect(
            ready.message.contains("no more pod of Deployment m-r1 can be created (FailedCreate): \(why)") == isReady
        )
        let summary = try await harness.get(.modelDeployments, "m")["status", "summary"]
        #expect(summary == (isReady ? "Serving, 2 not ready" : "Loading"), "the first pods start: no trouble yet")
        if isReady { #expect(ready.message.hasPrefix("1 of 3 replicas are ready; ")) }
    }

    @Test(
        "a quota that is used up is no room, as full nodes are: after a minute replicas are replaced one after the other"
    )
    func noQuotaLeft() async throws {
        let harness = try await ReconcilerHarness(
            OperatorHarness.model(spec: ["scaling": ["minReplicas": 3, "maxReplicas": 5]])
        )
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 3, ready: 3)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        let why = "pods \"m-r2-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"
        let condition: JSONValue = [
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": .string(why),
        ]
        try await harness.client.patch(
            .deployments,
            OperatorHarness.key("m-r2"),
            .merge(["status": ["conditions": [condition]]]),
            subresource: "status"
        )
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 3)
        harness.time.advance(by: .seconds(61))
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await harness.events("ReplacingReplicas").count == 1)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 2)
    }

    @Test("where the pods share the requests, a model is as ready as the track that has them all")
    func readyShared() throws {
        var model = OperatorHarness.model()
        model["metadata", "uid"] = "u"
        let owner = [OwnerReference(controller: model)].compactMap(\.self)
        func deployment(_ number: Int, ready: Int) -> KubeObject {
            var deployment = KubeObject(.deployments, namespace: "default", name: "m-r\(number)")
            deployment.labels = [FleetAPI.revisionLabel: "\(number)"]
            deployment.ownerReferences = owner
            deployment["spec"] = ["replicas": JSONValue(ready)]
            deployment["status"] = ["replicas": JSONValue(ready), "readyReplicas": JSONValue(ready)]
            return deployment
        }
        let stores = FleetStores()
        stores.models.replaceAll([model])
        stores.runtimes.replaceAll([ServingRuntime.builtIn])
        stores.deployments.replaceAll([deployment(1, ready: 0), deployment(2, ready: 3)])
        let time = WallTime(seconds: 1_800_000_000)
        let key = OperatorHarness.key("m")
        let observation = try #require(ModelObservation(key, stores: stores, scaling: nil, time: time))
        var decision = RolloutDecision(stable: 1, state: nil)
        (decision.rootRevision, decision.canaryRevision) = (nil, 2)
        let input = RevisionInput(model: observation.model, runtime: ServingRuntime(ServingRuntime.builtIn))
        let builder = StatusBuilder(observation, decision, wanted: 2, failure: nil, input: input)
        let ready = builder.conditions["Ready"]
        #expect(
            ready?.status == .isTrue && ready?.message == "3 of 3 replicas are ready",
            "\(String(describing: ready))"
        )
    }

    @Test("a second revision whose pod is late keeps waiting until the deadline, then says what it waited for")
    func lateSecondRevision() async throws {
        let harness = try await ReconcilerHarness(
            OperatorHarness.model(spec: ["rollout": ["progressDeadlineSeconds": 100]])
        )
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.addPod("m-r2-a", revision: 2, status: Self.unready(started: true, since: harness.time.now()))
        harness.time.advance(by: .seconds(40))
        #expect(try await harness.reconcile() == .requeue(after: .seconds(61)))
        #expect(try await harness.condition("RolloutHealthy")?.status == .isTrue)
        harness.time.advance(by: .seconds(61))
        try await harness.reconcile()
        let healthy = try #require(try await harness.condition("RolloutHealthy"))
        #expect(healthy.status == .isFalse)
        #expect(healthy.message.contains("m-r2-a"), "\(healthy.message)")
        #expect(try await harness.condition("Ready")?.status == .isTrue)
        #expect(try await harness.selected() == "1")
    }

    @Test("no pod can be created: the Deployment's reason is passed on")
    func noPods() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let condition: JSONValue = [
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods is forbidden: exceeded quota",
        ]
        let status: JSONValue = ["status": ["conditions": [condition]]]
        try await harness.client.patch(
            .deployments,
            OperatorHarness.key("m-r1"),
            .merge(status),
            subresource: "status"
        )
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.reason == "PodsNotCreated")
        #expect(ready.message.contains("exceeded quota"))
    }

    private static func pod(_ status: JSONValue) -> KubeObject {
        var pod = KubeObject(.pods, namespace: "default", name: "m-r1-a")
        pod["status"] = status
        return pod
    }

    @Test("an init container that has done its work is no failure; one that fails is named")
    func initContainers() throws {
        func failure(_ state: JSONValue, restarts: Int = 0) -> PodFailure? {
            let status: JSONValue = ["name": "fetch", "restartCount": JSONValue(restarts), "state": state]
            return PodDiagnosis.failure(Self.pod(["initContainerStatuses": [status]]))
        }
        #expect(failure(["terminated": ["exitCode": 0, "reason": "Completed"]]) == nil)
        #expect(failure(["terminated": ["exitCode": 0]], restarts: 3) == nil)
        let failed = try #require(failure(["terminated": ["exitCode": 7]], restarts: 2))
        #expect(failed.reason == "ServerExits")
        let hint = "see `kubectl logs m-r1-a -c fetch --previous`"
        #expect(
            failed.message == "pod m-r1-a: the init container \"fetch\" exits with code 7 (2 restarts): \(hint)"
        )
        let blocked = failure(["waiting": ["reason": "CreateContainerConfigError"]])
        #expect(blocked?.message.contains("the init container \"fetch\" can't start") == true)
        let server: JSONValue = ["name": "server", "restartCount": 0, "state": ["terminated": ["exitCode": 0]]]
        let ended = PodDiagnosis.failure(Self.pod(["containerStatuses": [server]]))
        #expect(ended?.message.contains("the server exits with code 0") == true, "a server has no end")
        let killed: JSONValue = [
            "name": "server", "restartCount": 1, "state": ["running": [:]],
            "lastState": ["terminated": ["exitCode": 137, "reason": "OOMKilled"]],
        ]
        let hungry = PodDiagnosis.failure(Self.pod(["containerStatuses": [killed]]))
        #expect(hungry?.message.contains("more memory than its limit") == true, "\(hungry?.message ?? "")")
    }

    @Test("a pod that is over is not the reason why others aren't ready", arguments: ["Failed", "Succeeded"])
    func over(phase: String) async throws {
        let status: JSONValue = [
            "phase": .string(phase), "reason": "Evicted",
            "containerStatuses": [["name": "server", "restartCount": 0, "state": ["terminated": ["exitCode": 137]]]],
        ]
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.addPod("m-r1-a", revision: 1, status: status)
        try await harness.setStatus("m-r1", replicas: 1, ready: 0)
        try await harness.reconcile()
        #expect(try await harness.condition("Ready")?.reason == "Loading")
    }

    @Test("a stored spec that is invalid today: condition and event name the field; what serves keeps serving")
    func invalidStored() async throws {
        let harness = try await ReconcilerHarness(loosely: true)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        let selector = try await harness.get(.modelDeployments, "m")["status", "selector"]
        #expect(selector != nil)
        let before = try await harness.get(.deployments, "m-r1")
        try await harness.patchModel(["scaling": ["maxReplicas": 0]])
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.status == .isTrue)
        #expect(ready.message.contains("spec.scaling.maxReplicas"), "\(ready.message)")
        let healthy = try #require(try await harness.condition("RolloutHealthy"))
        #expect(healthy.reason == "InvalidSpec")
        #expect(try await harness.get(.modelDeployments, "m")["status", "selector"] == selector)
        #expect(try await harness.get(.deployments, "m-r1").resourceVersion == before.resourceVersion)
        #expect(try await harness.events("InvalidSpec").count == 1)
    }

    @Test("a new spec that is invalid: Ready=False with reason InvalidSpec and the field path, and an event")
    func invalidNew() async throws {
        let model = OperatorHarness.model(spec: ["model": ["format": ["name": "onnx"], "uri": "ftp://x/m.onnx"]])
        let harness = try await ReconcilerHarness(model, loosely: true)
        try await harness.reconcile()
        let ready = try #require(try await harness.condition("Ready"))
        #expect(ready.status == .isFalse)
        #expect(ready.reason == "InvalidSpec")
        #expect(ready.message.hasPrefix("spec.model.uri: "), "\(ready.message)")
        let event = try #require(try await harness.events("InvalidSpec").first)
        #expect(event["type"] == "Warning")
        #expect(event["message"]?.string?.contains("spec.model.uri") == true)
        #expect(try await harness.find(.deployments, "m-r1") == nil)
    }

    @Test("a preview shows what would be applied, without an owner where the model isn't stored")
    func preview() throws {
        let objects = try RenderPreview.objects(for: OperatorHarness.model(), runtimes: [ServingRuntime.builtIn])
        #expect(objects.map(\.kind) == ["Deployment", "Service"])
        #expect(objects.map(\.name) == ["m-r1", "m"])
        #expect(objects.allSatisfy { $0["metadata", "ownerReferences"] == nil })
        let hpa = OperatorHarness.model(spec: ["scaling": ["engine": "HorizontalPodAutoscaler"]])
        let more = try RenderPreview.objects(for: hpa, runtimes: [ServingRuntime.builtIn])
        #expect(more.map(\.kind) == ["Deployment", "Service", "HorizontalPodAutoscaler"])
        var stored = OperatorHarness.model()
        stored["metadata", "uid"] = "u1"
        let owned = try RenderPreview.objects(for: stored, runtimes: [ServingRuntime.builtIn])
        #expect(owned.allSatisfy { $0.controller?.uid == "u1" })
        let error = #expect(throws: RenderPreviewError.self) {
            try RenderPreview.objects(for: OperatorHarness.model(), runtimes: [])
        }
        #expect(error?.reason == .noRuntime)
        #expect(error?.message.contains("no ServingRuntime supports") == true)
    }

    @Test("a model that wakes after a long sleep isn't late before its time")
    func wakes() async throws {
        let scaling: JSONValue = ["minReplicas": 0, "scaleToZero": ["idleSeconds": 60]]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: ["scaling": scaling]))
        let key = OperatorHarness.key("m-r1")
        func say(_ available: String) async throws {
            let condition: JSONValue = [
                "type": "Available", "status": .string(available),
                "lastTransitionTime": .string(harness.time.now().rfc3339),
            ]
            let status: JSONValue = ["status": ["conditions": [condition]]]
            try await harness.client.patch(.deployments, key, .merge(status), subresource: "status")
        }
        func reason() async throws -> String? {
            try await harness.reconcile()
            return try await harness.condition(ModelDeploymentCondition.progressing)?.reason
        }
        try await harness.reconcile()
        try await harness.client.setReplicas(0, of: .deployments, key)
        try await say("True")
        #expect(try await reason() == "Settled")
        harness.time.advance(by: .seconds(7200))
        try await harness.client.setReplicas(1, of: .deployments, key)
        #expect(try await reason() == "WaitingForReplicas")
        try await say("False")
        #expect(try await reason() == "WaitingForReplicas")
        #expect(try await harness.events("ProgressDeadlineExceeded").isEmpty)
        harness.time.advance(by: .seconds(602))
        #expect(try await reason() == "ProgressDeadlineExceeded")
    }
}
