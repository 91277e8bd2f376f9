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
import KubeTesting
import Synchronization
import Templates
import Testing

@testable import Controllers

/// What the simulation found, one step at a time.
@Suite("The operator with an old view", .timeLimit(.minutes(5)))
struct OldViewTests {
    private static let all: Set<String> = [
        "modeldeployments", "servingruntimes", "deployments", "services", "horizontalpodautoscalers", "pods",
    ]

    @Test("the revision that serves is not emptied by an operator that doesn't see it serve")
    func serving() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.setStatus("m-r2", replicas: 1, ready: 1)
        // The operator turns the traffic to r2; from here on its watch of Services is silent, and shows r1.
        try await harness.reconcile()
        #expect(try await harness.selected() == "2")
        let blind = Self.all.subtracting(["services"])
        try await harness.patchModel(["model": ["version": "3"]])
        try await harness.sync(blind)
        for _ in 0..<4 {
            harness.time.advance(by: .seconds(10))
            _ = try? await harness.reconcileStale()
            try await harness.sync(blind)
        }
        let deployment = try await harness.get(.deployments, "m-r2")
        #expect(deployment["spec", "replicas"]?.int == 1)
        #expect(try await harness.selected() == "2")
    }

    @Test("a status that was decided from an old version is not written")
    func status() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.sync()
        try await harness.patchModel(["scaling": ["minReplicas": 1, "maxReplicas": 9]])
        await #expect(throws: KubeError.self) { try await harness.reconcileStale() }
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "observedGeneration"]?.integer == model.generation)
    }

    @Test("a change of engine leaves nothing of the old one in the status, and then nothing is written")
    func engine() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let old: JSONValue = ["scaling": ["desiredReplicas": 1, "lastDecision": ["reason": "QueueLength"]]]
        try await harness.client.patch(.modelDeployments, harness.key, .merge(["status": old]), subresource: "status")
        try await harness.patchModel(["scaling": ["engine": "External"], "replicas": 2])
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "scaling"] == ["desiredReplicas": 2, "engine": "External"])
        try await harness.reconcile()
        try await harness.reconcile()
        let same = try await harness.get(.modelDeployments, "m")
        try await harness.reconcile()
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion == same.resourceVersion)
    }

    @Test("an outside count reaches the revision that serves while another fails to come up")
    func outside() async throws {
        let external: JSONValue = ["scaling": ["engine": "External"], "replicas": 1]
        let harness = try await ReconcilerHarness(OperatorHarness.model(spec: external))
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        try await harness.patchModel(["replicas": 3])
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1")["spec", "replicas"]?.int == 3)
        #expect(try await harness.selected() == "1")
    }

    @Test("what serves is kept as it was rendered while another revision doesn't come up")
    func driftOfServing() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        let image = try await harness.get(.deployments, "m-r1").image
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["model": ["version": "2"]])
        try await harness.reconcile()
        let before = try await harness.get(.deployments, "m-r1")
        try await harness.reconcile()
        #expect(try await harness.get(.deployments, "m-r1").resourceVersion == before.resourceVersion)
        let containers: JSONValue = [["name": "server", "image": "evil:1"]]
        let drift: JSONValue = ["spec": ["template": ["spec": ["containers": containers]]]]
        try await harness.client.patch(.deployments, OperatorHarness.key("m-r1"), .strategicMerge(drift))
        try await harness.reconcile()
        let after = try await harness.get(.deployments, "m-r1")
        #expect(after.image == image)
        #expect(after.labels == before.labels)
        #expect(after.annotations == before.annotations)
        #expect(after["spec", "template"] == before["spec", "template"])
        #expect(try await harness.selected() == "1")
        #expect(try await harness.get(.deployments, "m-r2").revisionLabel == "2")
    }

    @Test("what was taken away from a model that is gone is not made again, whatever an old view says")
    func gone() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.client.delete(.modelDeployments, harness.key)
        // The collector takes what the model owned; only the watch of models is silent.
        let blind = Set(["servingruntimes", "deployments", "services", "horizontalpodautoscalers", "pods"])
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        try await harness.client.delete(.services, harness.key)
        try await harness.sync(blind)
        for _ in 0..<3 { #expect(try await harness.reconcileStale() == .awaitChange) }
        #expect(try await harness.find(.deployments, "m-r1") == nil)
        #expect(try await harness.find(.services, "m") == nil)
        // Another model of that name gets its own, as soon as it is seen.
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
    }

    @Test("what a person took away from a model that stays is made again at once")
    func taken() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.client.delete(.services, harness.key)
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        try await harness.reconcile()
        #expect(try await harness.find(.services, "m") != nil)
        #expect(try await harness.find(.deployments, "m-r1") != nil)
    }

    @Test("a number that was given away is not given to another rendering, when nobody knows of the first any more")
    func number() async throws {
        let cut = Cut(APIServer())
        var harness = try await ReconcilerHarness(exchange: cut)
        // The process ends when the Deployment is made, before it hears of it.
        cut.arm { $0.head.method == .patch && $0.path.contains("/deployments/") }
        await #expect(throws: (any Error).self) { try await harness.reconcile() }
        cut.mend()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        try await harness.patchModel(["model": ["version": "2"]])
        harness.restart(templates: .builtIn)
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") == nil)
        #expect(try await harness.get(.deployments, "m-r2").revisionLabel == "2")
    }

    @Test("a number is kept for what it was given to, until that is made")
    func kept() async throws {
        let cut = Cut(APIServer())
        var harness = try await ReconcilerHarness(exchange: cut)
        // The process ends before the Deployment is made, three times.
        for _ in 0..<3 {
            cut.arm(before: true) { $0.path.contains("/deployments/") }
            await #expect(throws: (any Error).self) { try await harness.reconcile() }
            cut.mend()
            #expect(try await harness.find(.deployments, "m-r1") == nil)
            #expect(try await harness.get(.modelDeployments, "m")["status", "latestRevision", "number"] == 1)
            harness.restart(templates: .builtIn)
        }
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") != nil)
    }

    @Test("two that don't see each other's Deployments give one number to one rendering, and never two")
    func twoLeaders() async throws {
        let harness = try await ReconcilerHarness()
        let blind = Self.all.subtracting(["deployments"])
        try await harness.reconcile()
        var other = harness
        other.restart(templates: .builtIn)
        // The other leader sees no Deployment: it wants the same, under the same number, and looks for it first.
        try await other.sync(blind)
        try await other.reconcileStale()
        #expect(try await harness.find(.deployments, "m-r2") == nil)
        // What it makes of the next spec, the first one doesn't see.
        try await harness.patchModel(["model": ["version": "2"]])
        try await other.sync()
        try await other.reconcileStale()
        let second = try await harness.get(.deployments, "m-r2")
        try await harness.patchModel(["model": ["version": "3"]])
        try await harness.sync(blind)
        for _ in 0..<3 { _ = try? await harness.reconcileStale() }
        #expect(try await harness.get(.deployments, "m-r2")["spec", "template"] == second["spec", "template"])
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r3") != nil)
    }

    @Test("a number is kept while a spec is wrong and its Deployment is gone")
    func blocked() async throws {
        var harness = try await ReconcilerHarness(loosely: true)
        try await harness.reconcile()
        try await harness.reconcile()
        try await harness.patchModel(["model": ["uri": 7]])
        try await harness.client.delete(.deployments, OperatorHarness.key("m-r1"))
        harness.restart(templates: .builtIn)
        try await harness.reconcile()
        #expect(try await harness.condition("Progressing")?.reason == "InvalidSpec")
        try await harness.patchModel(["model": ["uri": "file:///models/other.onnx"]])
        try await harness.reconcile()
        #expect(try await harness.find(.deployments, "m-r1") == nil)
        #expect(try await harness.find(.deployments, "m-r2") != nil)
    }
}

/// Passes requests on until one is asked for that ends the connection, before or after it takes effect.
private final class Cut: HTTPExchange {
    private struct Wire {
        var isBefore: Bool
        var match: @Sendable (HTTPRequestMessage) -> Bool
        var isCut = false
    }

    private let inner: any HTTPExchange
    private let wire = Mutex<Wire?>(nil)

    init(_ inner: any HTTPExchange) { self.inner = inner }

    func arm(before isBefore: Bool = false, _ match: @escaping @Sendable (HTTPRequestMessage) -> Bool) {
        wire.withLock { $0 = Wire(isBefore: isBefore, match: match) }
    }

    func mend() { wire.withLock { $0 = nil } }

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        let (isBefore, isAfter) = wire.withLock { wire -> (Bool, Bool) in
            guard let armed = wire else { return (false, false) }
            if armed.isCut { return (true, true) }
            guard armed.match(request) else { return (false, false) }
            wire?.isCut = true
            return (armed.isBefore, true)
        }
        if isBefore { throw SimLink.ConnectionBroken(description: "cut") }
        let answer = try await inner.exchange(request)
        if isAfter { throw SimLink.ConnectionBroken(description: "cut") }
        return answer
    }
}

extension KubeObject {
    fileprivate var image: String? { self["spec", "template", "spec", "containers"]?[0]?["image"]?.string }
    fileprivate var revisionLabel: String? { labels[FleetAPI.revisionLabel] }
}

@Suite("Merge differences")
struct MergeDifferenceTests {
    @Test("a patch takes away at any depth, and equal values need none")
    func depth() {
        let old: JSONValue = ["a": ["b": 1, "c": ["d": 2]], "e": [1, 2], "f": "x"]
        let new: JSONValue = ["a": ["b": 1, "c": ["g": 3]], "e": [1], "h": true]
        let patch: JSONValue = ["a": ["c": ["d": .null, "g": 3]], "e": [1], "f": .null, "h": true]
        #expect(MergeDifference.patch(from: old, to: new) == patch)
        #expect(MergeDifference.patch(from: new, to: new) == nil)
    }
}
