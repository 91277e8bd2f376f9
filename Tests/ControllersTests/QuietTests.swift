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
import Logging
import Synchronization
import Telemetry
import Templates
import Testing

@testable import Controllers

@Suite("Unchanged models", .timeLimit(.minutes(3)))
struct QuietTests {
    /// Counts requests on their way to a server.
    private final class Meter: HTTPExchange {
        private let next: any HTTPExchange
        private let counts = Mutex<(reads: Int, writes: Int)>((0, 0))

        init(_ next: any HTTPExchange) { self.next = next }

        var taken: (reads: Int, writes: Int) { counts.withLock { $0 } }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            counts.withLock { counts in
                if request.head.method == .get { counts.reads += 1 } else { counts.writes += 1 }
            }
            return try await next.exchange(request)
        }
    }

    @Test("a reconcile that finds nothing different sends nothing, by its memory and without it")
    func nothing() async throws {
        let server = APIServer()
        let meter = Meter(server)
        var harness = try await ReconcilerHarness(exchange: meter)
        for _ in 0..<4 { try await harness.reconcile() }
        let world = try await harness.versions()
        try await harness.sync()
        let before = meter.taken
        for _ in 0..<3 { #expect(try await harness.reconcileStale() != .requeue(after: .zero)) }
        #expect(meter.taken == before, "from memory")
        harness.restart(templates: .builtIn)
        try await harness.sync()
        let fresh = meter.taken
        for _ in 0..<3 { try await harness.reconcileStale() }
        #expect(meter.taken == fresh, "a process that has just started")
        #expect(try await harness.versions() == world)
    }

    @Test("the operator's own status is no news to it; somebody else's change on top of it is")
    func ownStatus() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.reconcile()
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        for _ in 0..<4 { try await harness.reconcile() }
        func isRemembered() throws -> Bool {
            let settled = harness.reconciler.settled
            let inputs = settled.inputs(
                harness.key,
                stores: harness.stores,
                scaling: harness.reconciler.scaling,
                ledger: harness.reconciler.ledger
            )
            return settled.outcome(harness.key, try #require(inputs), now: harness.time.now()) != nil
        }
        #expect(try isRemembered())
        // Only the status is to be written.
        try await harness.setStatus("m-r1", replicas: 1, ready: 0)
        try await harness.sync()
        #expect(try !isRemembered())
        let before = try await harness.get(.modelDeployments, "m").resourceVersion
        try await harness.reconcileStale()
        #expect(try await harness.get(.modelDeployments, "m").resourceVersion != before)
        #expect(try isRemembered(), "the store doesn't show it yet: nothing is decided anew meanwhile")
        try await harness.sync(["modeldeployments"])
        #expect(try isRemembered())
        let told = try await harness.versions()
        try await harness.reconcile()
        #expect(try await harness.versions() == told)
        // The same once more, with another's change after it.
        try await harness.setStatus("m-r1", replicas: 1, ready: 1)
        try await harness.reconcile()
        try await harness.patchModel(["scaling": ["minReplicas": 1, "maxReplicas": 7]])
        try await harness.sync()
        #expect(try !isRemembered())
        try await harness.reconcile()
        let model = try await harness.get(.modelDeployments, "m")
        #expect(model["status", "observedGeneration"]?.integer == model.generation)
    }

    @Test("drift of a live object is found although the model was settled")
    func drift() async throws {
        let harness = try await ReconcilerHarness()
        for _ in 0..<4 { try await harness.reconcile() }
        let selector: JSONValue = ["spec": ["selector": [FleetAPI.revisionLabel: "9"]]]
        try await harness.client.patch(
            .services,
            harness.key,
            .merge(selector),
            options: WriteOptions(fieldManager: "eve")
        )
        try await harness.reconcile()
        #expect(try await harness.selected() == "1")
        let events = try await harness.events("FieldConflict")
        #expect(events.count == 1)
        #expect(events.first?["message"]?.string?.contains("eve set") == true)
    }

    @Test("a status that was decided on an old version is refused, and decided again")
    func statusConflict() async throws {
        let harness = try await ReconcilerHarness()
        try await harness.sync()
        try await harness.patchModel(["scaling": ["maxReplicas": 9]])
        await #expect(throws: KubeError.self) { try await harness.reconcileStale() }
        #expect(try await harness.get(.modelDeployments, "m")["status", "observedGeneration"] == nil)
        try await harness.reconcile()
        #expect(try await harness.get(.modelDeployments, "m")["status", "observedGeneration"] == 2)
    }

    @Test("a definition that drops part of the status is named, once")
    func outdatedDefinition() async throws {
        let harness = try await ReconcilerHarness()
        let name = ObjectKey(namespace: nil, name: "modeldeployments.modelfleet.dev")
        var definition = try await harness.client.get(.customResourceDefinitions, name)
        var version = try #require(definition["spec", "versions"]?[0])
        var known = try #require(version.at("schema", "openAPIV3Schema", "properties", "status", "properties")?.object)
        known["observedGeneration"] = nil
        version.set(.object(known), at: "schema", "openAPIV3Schema", "properties", "status", "properties")
        definition["spec", "versions"] = [version]
        try await harness.client.replace(.customResourceDefinitions, definition)
        for _ in 0..<4 { try await harness.reconcile() }
        let events = try await harness.events("DefinitionOutdated")
        #expect(events.count == 1 && events.first?["count"]?.int ?? 1 == 1)
        let message = events.first?["message"]?.string ?? ""
        #expect(message.contains("doesn't keep status.observedGeneration: it is older"), "\(message)")
    }

    @Test("the queue's metrics are exported")
    func metrics() async throws {
        let harness = try await OperatorHarness()
        try await harness.client.create(.modelDeployments, OperatorHarness.model())
        try await harness.withOperator { harness in
            try await harness.expect(.services, "m") { _ in true }
            let wanted = [
                "modelfleet_workqueue_adds_total{name=\"modeldeployment\"}", "modelfleet_workqueue_depth",
                "modelfleet_workqueue_work_duration_seconds_bucket",
                "modelfleet_workqueue_queue_duration_seconds_count",
            ]
            while !wanted.allSatisfy({ harness.metrics.render().contains($0) }) {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test("only the namespaces that were named are looked after")
    func namespaces() async throws {
        let harness = try await OperatorHarness()
        for name in ["x", "y", "z"] {
            try await harness.client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: name))
            var model = OperatorHarness.model()
            model.namespace = name
            try await harness.client.create(.modelDeployments, model)
        }
        try await harness.withOperator(namespaces: ["x", "y"]) { harness in
            for name in ["x", "y"] {
                let key = ObjectKey(namespace: name, name: "m")
                while try await harness.client.find(.services, key) == nil {
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
        }
        #expect(try await harness.client.find(.deployments, ObjectKey(namespace: "z", name: "m-r1")) == nil)
    }

    @Test(
        "three operators share the models; each is written by one, and one that ends leaves its models to the others",
        .timeLimit(.minutes(3))
    )
    func sharded() async throws {
        let harness = try await OperatorHarness()
        // Each shard has models: an operator with none would never write.
        let names = (0..<12).map { "model-\($0)" }
        #expect(Set(names.map { ShardMap(count: 3).shard(of: OperatorHarness.key($0)) }) == [0, 1, 2])
        for name in names { try await harness.client.create(.modelDeployments, OperatorHarness.model(name)) }
        let timing = LeaseTiming(
            leaseDuration: .seconds(5),
            renewDeadline: .seconds(4),
            retryPeriod: .milliseconds(150)
        )
        let writers = WriterLog()
        func service(_ name: String) -> OperatorService {
            harness.service(
                exchange: writers.exchange(name, harness.client.exchange),
                configuration: OperatorConfiguration(
                    shards: 3,
                    leaseTiming: timing,
                    leaseNamespace: "default",
                    identity: name
                )
            )
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let ends = Atomic<Bool>(false)
            for name in ["a", "b"] { group.addTask { [service = service(name)] in try await service.run() } }
            group.addTask { [service = service("c")] in
                try await withThrowingTaskGroup(of: Void.self) { inner in
                    inner.addTask { try await service.run() }
                    while !ends.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(5)) }
                    inner.cancelAll()
                    try? await inner.waitForAll()
                }
            }
            for name in names { try await harness.expect(.services, name) { _ in true } }
            // All three have a share once each has written something of a changed fleet.
            var version = 2
            while Set(writers.byModel.values.flatMap(\.self)).count < 3 {
                try await harness.change(names, version: version)
                version += 1
            }
            ends.store(true, ordering: .relaxed)
            try await harness.change(names, version: version)
            group.cancelAll()
            try? await group.waitForAll()
        }
        #expect(writers.overlaps == 0)
    }
}

/// Who wrote what, and whether two ever wrote for one model at the same time.
private final class WriterLog: Sendable {
    private struct State {
        var writers: [String: Set<String>] = [:]
        var inFlight: [String: Set<String>] = [:]
        var overlaps = 0
    }

    private let state = Mutex(State())

    var byModel: [String: Set<String>] { state.withLock { $0.writers } }
    var overlaps: Int { state.withLock { $0.overlaps } }

    func exchange(_ writer: String, _ next: any HTTPExchange) -> any HTTPExchange {
        ClosureExchange { [self] request in
            let path = request.path
            guard request.head.method == .patch, let range = path.firstRange(of: "model-") else {
                return try await next.exchange(request)
            }
            let model = String(path[range.lowerBound...].prefix { $0 != "/" && $0 != "?" })
                .split(separator: "-").prefix(2).joined(separator: "-")
            state.withLock { state in
                state.writers[model, default: []].insert(writer)
                state.inFlight[model, default: []].insert(writer)
                if state.inFlight[model]?.count ?? 0 > 1 { state.overlaps += 1 }
            }
            defer { state.withLock { _ = $0.inFlight[model]?.remove(writer) } }
            return try await next.exchange(request)
        }
    }
}
