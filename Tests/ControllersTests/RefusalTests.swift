// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Synchronization
import Testing

@testable import Controllers

@Suite("What the API server refuses, for a moment or for good", .timeLimit(.minutes(5)))
struct RefusalTests {
    /// An API server that has read no roles yet: it refuses some writes, or it asks a webhook that doesn't answer.
    private final class Beginning: HTTPExchange {
        private let inner = APIServer()
        private let refused = Mutex<(path: String, reads: Bool)?>(nil)
        private let hasWebhook: Bool

        init(hasWebhook: Bool = false) { self.hasWebhook = hasWebhook }

        /// Refuses what is written to this path, or also read; `nil`: nothing.
        func refuse(_ path: String?, reads: Bool = false) { refused.withLock { $0 = path.map { ($0, reads) } } }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let isRefused = refused.withLock { refused in
                refused.map { request.path.contains($0.path) && ($0.reads || request.head.method != .get) } ?? false
            }
            guard isRefused else { return await inner.exchange(request) }
            if hasWebhook { return Self.failure }
            let status: JSONValue = [
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
                "message": "no RBAC policy matched",
            ]
            return HTTPResponseMessage(status: .forbidden, contentType: "application/json", bytes: status.encoded())
        }

        private static var failure: HTTPResponseMessage {
            let message =
                "Internal error occurred: failed calling webhook \"policy.example.com\": failed to call webhook: "
                + "Post \"https://policy.kyverno.svc:443/validate?timeout=10s\": connect: connection refused"
            let status: JSONValue = [
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500,
                "message": .string(message),
            ]
            return HTTPResponseMessage(
                status: .internalServerError,
                contentType: "application/json",
                bytes: status.encoded()
            )
        }
    }

    private static func isRejected(_ harness: ReconcilerHarness) async throws -> Bool {
        try await harness.condition(ModelDeploymentCondition.progressing)?.reason == "ApplyRejected"
    }

    @Test("a refusal that passes isn't told", arguments: ["/deployments/m-r1", "/services/m"])
    func passes(path: String) async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        for _ in 0..<2 {
            server.refuse(path)
            for _ in 0..<3 {
                #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
                #expect(try await !Self.isRejected(harness))
                harness.time.advance(by: .milliseconds(900))
            }
            server.refuse(nil)
            try await harness.reconcile()
            #expect(try await harness.find(.deployments, "m-r1") != nil)
            #expect(try await harness.selected() == "1")
            // The next one has its time again.
            try await harness.client.delete(.services, harness.key)
            try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
            harness.time.advance(by: .seconds(60))
        }
        #expect(try await harness.events("ApplyRejected").isEmpty)
    }

    @Test("a refusal that lasts is told within a few seconds, once, with its reason")
    func lasts() async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        server.refuse("/deployments/m-r1")
        var waited = Duration.zero
        while try await harness.reconcile() != .requeue(after: ModelReconciler.refusedDelay), waited < .seconds(60) {
            harness.time.advance(by: ModelReconciler.staleDelay)
            waited += ModelReconciler.staleDelay
        }
        #expect(waited <= .seconds(4))
        #expect(try await Self.isRejected(harness))
        #expect(try await harness.condition(ModelDeploymentCondition.ready)?.message.contains("no RBAC") == true)
        for _ in 0..<3 {
            harness.time.advance(by: ModelReconciler.refusedDelay)
            #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
        }
        let told = try await harness.events("ApplyRejected")
        #expect(told.count == 1 && told.first?["count"] == 1)
    }

    @Test("a webhook that doesn't answer is told once that lasts, and asked less and less often")
    func webhook() async throws {
        let server = Beginning(hasWebhook: true)
        let harness = try await ReconcilerHarness(exchange: server)
        server.refuse("/deployments/m-r1")
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
        #expect(try await harness.condition(ModelDeploymentCondition.progressing)?.reason == "WaitingForReplicas")
        harness.time.advance(by: .seconds(3))
        // It is thrown, so that the queue waits longer each time: a webhook that hangs holds up whoever asks.
        for _ in 0..<3 { await #expect(throws: KubeError.self) { try await harness.reconcile() } }
        let progressing = try await harness.condition(ModelDeploymentCondition.progressing)
        #expect(progressing?.reason == "ApplyFailed")
        let beginning =
            "cannot apply deployments.apps default/m-r1: Internal error occurred: failed calling webhook "
            + "\"policy.example.com\": "
        #expect(progressing?.message.hasPrefix(beginning) == true)
        #expect(try await harness.events("ApplyFailed").map { $0["count"] } == [1])
        server.refuse(nil)
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
        #expect(try await harness.condition(ModelDeploymentCondition.progressing)?.reason == "WaitingForReplicas")
    }

    @Test("a canary whose Deployment is refused is asked for with one write, not with another at each look")
    func canary() async throws {
        let server = Beginning()
        server.refuse("/deployments/m-r2")
        let harness = try await CanaryReconcileTests.harness(CanaryReconcileTests.steps, exchange: server)
        harness.time.advance(by: .seconds(3))
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await Self.isRejected(harness))
        let versions = try await harness.versions()
        for _ in 0..<5 { try await harness.reconcile() }
        #expect(try await harness.versions() == versions)
        server.refuse(nil)
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await harness.find(.deployments, "m-r2") != nil)
        #expect(try await harness.find(.controllerRevisions, "m-r2") != nil)
        #expect(try await harness.get(.modelDeployments, "m")["status", "keptRevision"] == 2)
    }

    @Test("a canary that was refused until its deadline is given up for that reason")
    func refusedTooLong() async throws {
        let server = Beginning()
        server.refuse("/deployments/m-r2")
        let harness = try await CanaryReconcileTests.harness(CanaryReconcileTests.steps, exchange: server)
        for _ in 0..<3 {
            harness.time.advance(by: .seconds(300))
            for _ in 0..<2 { try await harness.reconcile() }
        }
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "rollout", "phase"] == "RolledBack")
        let reason = model["status", "history"]?[0]?["reason"]?.string ?? ""
        #expect(reason.hasPrefix("revision 2 has 0 of 1 ready replicas after 600 s"), "\(reason)")
        #expect(reason.contains("no RBAC policy matched"), "\(reason)")
    }

    @Test("what may not be read on the way is told as well")
    func reads() async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        server.refuse("/deployments/m-r1", reads: true)
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        harness.time.advance(by: .seconds(3))
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
        #expect(try await Self.isRejected(harness))
        server.refuse(nil)
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
        #expect(try await !Self.isRejected(harness))
    }

    @Test("so is a revision that must be there and may not be looked at; what was true of it stays")
    func unseen() async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        try await Self.serve(harness)
        try await harness.reconcile()
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        server.refuse("/deployments/m-r1", reads: true)
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await !Self.isRejected(harness))
        for _ in 0..<2 {
            harness.time.advance(by: .seconds(3))
            #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
            #expect(try await Self.isRejected(harness))
        }
        let told = try await harness.events("ApplyRejected")
        #expect(told.count == 1 && told.first?["count"] == 1)
        #expect(told.first?["message"]?.string?.contains("no RBAC") == true)
        #expect(try await harness.condition(ModelDeploymentCondition.ready)?.isTrue == true)
        let status = try await harness.get(.modelDeployments, "m")["status"]
        #expect(status?.at("stable", "revision") == 1 && status?["readyReplicas"] == 1)
        server.refuse(nil)
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
        #expect(try await !Self.isRejected(harness))
    }

    @Test("a status that may not be written is an error for the log, since nothing else can say it")
    func status() async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        server.refuse("/modeldeployments/m/status")
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        harness.time.advance(by: .seconds(3))
        await #expect(throws: KubeError.self) { try await harness.reconcile() }
    }

    @Test("so is a count that an outside asks for")
    func counts() async throws {
        let server = Beginning()
        let external: JSONValue = ["scaling": ["engine": "External"], "replicas": 1]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: external), exchange: server)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["replicas": 3])
        server.refuse("/deployments/m-r1/scale")
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await harness.condition(ModelDeploymentCondition.progressing)?.reason != "ScaleRejected")
        harness.time.advance(by: .seconds(3))
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
        let progressing = try await harness.condition(ModelDeploymentCondition.progressing)
        #expect(progressing?.reason == "ScaleRejected")
        #expect(progressing?.message.contains("Deployment m-r1 can't be set to 3 replicas: no RBAC") == true)
        let ready = try await harness.condition(ModelDeploymentCondition.ready)
        #expect(ready?.isTrue == true && ready?.message.hasPrefix("what is there keeps serving; ") == true)
        server.refuse(nil)
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 3)
        #expect(try await harness.condition(ModelDeploymentCondition.progressing)?.reason != "ScaleRejected")
    }

    @Test("a count that the scaling decides and may not write is told once, if that lasts", arguments: [false, true])
    func decided(hasWebhook: Bool) async throws {
        let server = Beginning(hasWebhook: hasWebhook)
        let harness = try await ReconcilerHarness(exchange: server)
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.patchModel(["scaling": ["minReplicas": 3, "maxReplicas": 5]])
        try await harness.reconcile()
        let loop = harness.scalingLoop()
        func decide(_ count: Int) async {
            for _ in 0..<count {
                await loop.decide(harness.key)
                harness.time.advance(by: .seconds(1))
            }
        }
        server.refuse("/deployments/m-r1/scale")
        await decide(2)
        #expect(try await harness.events("ScaleRejected").isEmpty)
        await decide(6)
        let told = try await harness.events("ScaleRejected")
        #expect(told.count == 1 && told.first?["count"] == 1)
        let why = hasWebhook ? "Internal error occurred: failed calling webhook" : "no RBAC policy matched"
        let message = told.first?["message"]?.string
        #expect(message?.hasPrefix("Deployment m-r1 can't be set to 3 replicas: \(why)") == true)
        server.refuse(nil)
        await decide(1)
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"] == 3)
    }

    @Test("routes that may not be read are told where that lasts")
    func routes() async throws {
        let server = Beginning()
        server.refuse("/httproutes", reads: true)
        var rollout = CanaryReconcileTests.steps
        rollout["traffic"] = ["httpRoutes": ["web"]]
        let harness = try await CanaryReconcileTests.harness(rollout, exchange: server)
        func isTold() async throws -> Bool {
            let reason = try await harness.condition(ModelDeploymentCondition.rolloutHealthy)?.reason
            let events = try await harness.events("TrafficForbidden")
            return reason == "TrafficForbidden" && events.count == 1
        }
        for _ in 0..<2 {
            #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
            #expect(try await harness.events("TrafficForbidden").isEmpty)
            harness.time.advance(by: .seconds(1))
        }
        harness.time.advance(by: .seconds(2))
        for _ in 0..<2 { try await harness.reconcile() }
        #expect(try await isTold())
    }

    @Test("an old object that doesn't go is named, and made anew once it is gone", arguments: ["an-earlier-one", nil])
    func old(uid: String?) async throws {
        let harness = try await ReconcilerHarness()
        let own = try await harness.get(.modelDeployments, "m").uid
        var deployment = KubeObject(.deployments, namespace: "default", name: "m-r1")
        let owner: JSONValue = [
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment", "name": "m", "controller": true,
            "uid": JSONValue(uid ?? own) ?? "",
        ]
        deployment.json.set([owner], at: "metadata", "ownerReferences")
        if uid == nil { deployment.json.set(["example.com/hold"], at: "metadata", "finalizers") }
        let labels: JSONValue = ["app": "m"]
        deployment["spec"] = [
            "selector": ["matchLabels": labels],
            "template": ["metadata": ["labels": labels], "spec": ["containers": [["name": "c", "image": "i"]]]],
        ]
        try await harness.client.create(.deployments, deployment)
        let key = OperatorHarness.key("m-r1")
        if uid == nil { try await harness.client.delete(.deployments, key) }
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await harness.events("NameTaken").isEmpty)
        harness.time.advance(by: .seconds(3))
        for _ in 0..<2 { #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay)) }
        let told = try await harness.events("NameTaken")
        #expect(told.count == 1 && told.first?["count"] == 1)
        let what = uid == nil ? "is being deleted" : "is of an earlier ModelDeployment"
        #expect(told.first?["message"]?.string?.contains("the Deployment \"m-r1\" that is there \(what)") == true)
        if uid == nil {
            try await harness.client.patch(.deployments, key, .merge(["metadata": ["finalizers": .null]]))
        } else {
            try await harness.client.delete(.deployments, key)
        }
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1").label(FleetAPI.modelLabel) == "m")
    }

    // MARK: Kept specs

    private static func kept(_ harness: ReconcilerHarness) async throws -> KubeObject? {
        try await harness.find(.controllerRevisions, "m-r1")
    }

    /// What a ModelDeployment of this name, or something else, has left behind.
    private static func leftOver(_ harness: ReconcilerHarness, kind: String, finalizer: String? = nil) async throws {
        var object = KubeObject(.controllerRevisions, namespace: "default", name: "m-r1")
        let owner: JSONValue = [
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": .string(kind), "name": "m", "uid": "an-earlier-one",
            "controller": true,
        ]
        object.json.set([owner], at: "metadata", "ownerReferences")
        if let finalizer { object.json.set([.string(finalizer)], at: "metadata", "finalizers") }
        object["revision"] = 1
        object["data"] = ["spec": ["model": ["version": "old"]]]
        try await harness.client.create(.controllerRevisions, object)
    }

    private static func isKept(_ harness: ReconcilerHarness) async throws -> Bool {
        let model = try await harness.get(.modelDeployments, "m")
        let object = try await kept(harness)
        guard model["status", "keptRevision"] == 1 else { return false }
        return object?.controller?.uid == model.uid && object?["data", "spec", "model"] == model["spec", "model"]
    }

    private static func serve(_ harness: ReconcilerHarness) async throws {
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
    }

    @Test("the spec that an earlier model of the name has left behind is replaced")
    func earlier() async throws {
        let harness = try await ReconcilerHarness()
        try await Self.leftOver(harness, kind: "ModelDeployment")
        try await Self.serve(harness)
        try await harness.reconcile()
        #expect(try await Self.isKept(harness))
        #expect(try await harness.events("SpecNotKept").isEmpty)
    }

    @Test("one that an old view takes for an earlier model's, and is a later one's, stays")
    func later() async throws {
        let harness = try await ReconcilerHarness()
        try await Self.serve(harness)
        try await harness.sync()
        let model = try await harness.get(.modelDeployments, "m")
        try await harness.client.delete(.modelDeployments, harness.key)
        var next = KubeObject(.modelDeployments, namespace: "default", name: "m")
        next["spec"] = model["spec"]
        try await harness.client.create(.modelDeployments, next)
        try await Self.leftOver(harness, kind: "ModelDeployment")
        _ = try? await harness.reconcileStale()
        #expect(try await Self.kept(harness)?.controller?.uid == "an-earlier-one")
    }

    @Test("what doesn't go is named once, holds up nothing else, and the spec is kept once it is gone")
    func stuck() async throws {
        let harness = try await ReconcilerHarness()
        try await Self.leftOver(harness, kind: "ModelDeployment", finalizer: "example.com/hold")
        try await Self.serve(harness)
        #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.staleDelay))
        #expect(try await harness.condition(ModelDeploymentCondition.ready)?.isTrue == true)
        #expect(try await harness.events("SpecNotKept").isEmpty, "it may just be going")
        for _ in 0..<3 {
            harness.time.advance(by: .seconds(5))
            #expect(try await harness.reconcile() == .requeue(after: ModelReconciler.refusedDelay))
        }
        #expect(try await harness.get(.modelDeployments, "m")["status", "keptRevision"] == nil)
        let told = try await harness.events("SpecNotKept")
        #expect(told.count == 1 && told.first?["count"] == 1)
        #expect(told.first?["message"]?.string?.contains("earlier ModelDeployment") == true)
        let free: JSONValue = ["metadata": ["finalizers": .null]]
        try await harness.client.patch(.controllerRevisions, OperatorHarness.key("m-r1"), .merge(free))
        try await harness.reconcile()
        #expect(try await Self.isKept(harness))
    }

    @Test("somebody else's is left alone and named, and the spec is kept once that is deleted")
    func foreign() async throws {
        let harness = try await ReconcilerHarness()
        try await Self.leftOver(harness, kind: "StatefulSet")
        try await Self.serve(harness)
        for _ in 0..<3 {
            try await harness.reconcile()
            harness.time.advance(by: .seconds(5))
        }
        #expect(try await Self.kept(harness)?.controller?.kind == "StatefulSet")
        #expect(try await harness.events("SpecNotKept").count == 1)
        try await harness.client.delete(.controllerRevisions, OperatorHarness.key("m-r1"))
        try await harness.reconcile()
        #expect(try await Self.isKept(harness))
    }

    @Test("a refusal to keep a spec is told where it lasts, and where it passes the spec is kept", arguments: [2, 6])
    func unkept(seconds: Int) async throws {
        let server = Beginning()
        let harness = try await ReconcilerHarness(exchange: server)
        try await Self.serve(harness)
        server.refuse("/controllerrevisions")
        for _ in 0..<seconds {
            try await harness.reconcile()
            #expect(try await harness.condition(ModelDeploymentCondition.ready)?.isTrue == true)
            harness.time.advance(by: .seconds(1))
        }
        server.refuse(nil)
        try await harness.reconcile()
        let isPassing = seconds < 3
        #expect(try await (Self.kept(harness) != nil) == isPassing)
        #expect(try await harness.events("SpecNotKept").isEmpty == isPassing)
    }
}
