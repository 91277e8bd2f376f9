// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ExtensionServer
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import Scaling
import Synchronization
import Testing

@testable import Controllers
@testable import Telemetry

@Suite("Metrics of several operator processes", .timeLimit(.minutes(5)))
struct MetricsPeersTests {
    private static let root = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/modelfleet_queue_length"

    /// One process: its readings, and its metrics API.
    private final class Process: Sendable {
        let name: String
        let address: String
        let state = ScalingState()
        let models = ObjectStore()
        let membership = Membership()

        init(_ name: String, address: String) {
            self.name = name
            self.address = address
            membership.join(as: name)
        }

        /// It holds one shard of so many.
        func hold(_ shard: Int, of count: Int) {
            membership.join(as: name, map: ShardMap(count: count))
            membership.note(shard, isHeld: true)
        }

        /// It has read a model.
        func read(_ model: String, queue: Double, at time: WallTime) {
            var entry = ScalingState.Entry(policy: ScalingPolicy(minReplicas: 1, maxReplicas: 2), shown: nil)
            entry.readings[.queueLength] = ExternalReading(total: queue, time: time)
            state.keep(entry, for: ObjectKey(namespace: "default", name: model))
        }
    }

    /// Processes that share Leases.
    private struct World {
        let harness: OperatorHarness
        let processes: [Process]
        let isSharded: Bool
        let time = SystemTime()

        init(_ count: Int, isSharded: Bool) async throws {
            harness = try await OperatorHarness()
            self.isSharded = isSharded
            processes = (0..<count).map { Process("p\($0)", address: "10.0.0.\($0):6443") }
            guard isSharded else { return }
            for (shard, process) in processes.enumerated() {
                process.hold(shard, of: count)
                try await lease("modelfleet-operator-shard-\(shard)", holder: process.name, address: process.address)
            }
        }

        func lease(_ name: String, holder: String, address: String) async throws {
            var lease = KubeObject(.leases, namespace: "default", name: name)
            lease.labels = [ShardElection.label: "modelfleet-operator"]
            LeaseRecord(
                holder: holder,
                durationSeconds: 15,
                acquired: time.now(),
                renewed: time.now(),
                transitions: 0,
                address: address
            ).write(to: &lease)
            try await harness.client.apply(.leases, lease, force: true)
        }

        func api(_ process: Process) -> MetricsAPI {
            MetricsAPI(
                readings: MetricsReadings(
                    state: process.state,
                    models: process.models,
                    pods: ObjectStore(),
                    board: ScrapeBoard(
                        scraper: Scraper(exchange: ClosureExchange { _ in throw CancellationError() }, time: time),
                        time: time,
                        random: SystemRandom()
                    ),
                    time: time
                ) { process.membership.holds($0) },
                membership: process.membership,
                peers: MetricsPeers(
                    client: harness.client,
                    namespace: "default",
                    lease: "modelfleet-operator",
                    shards: isSharded ? processes.count : 1,
                    membership: process.membership,
                    time: time
                ) { [self] request in
                    #expect(request.head.headerFields[ExtensionServer.peerMark] != nil)
                    guard let other = processes.first(where: { $0.address == request.head.authority }) else {
                        throw CancellationError()
                    }
                    return try await api(other).exchange(request)
                }
            )
        }

        func get(_ process: Process, _ query: String = "") async throws -> (
            code: Int, values: [String], message: String
        ) {
            let head = HTTPRequest(method: .get, scheme: nil, authority: nil, path: MetricsPeersTests.root + query)
            let response = try await api(process).exchange(HTTPRequestMessage(head: head))
            let json = try JSONValue(parsing: try await response.body.collect(upTo: 1 << 20))
            let values = (json["items"]?.array ?? []).map { item in
                "\(item.at("metricLabels", FleetAPI.modelLabel)?.string ?? "") \(item["value"]?.string ?? "")"
            }
            return (response.head.status.code, values, json["message"]?.string ?? "")
        }
    }

    private static func model(_ name: String) -> String { "?labelSelector=modelfleet.dev%2Fmodel%3D\(name)" }

    @Test(
        "a process that waits for the leader hands on to it; without one, or with one that can't be asked, it says so"
    )
    func leader() async throws {
        let world = try await World(2, isSharded: false)
        let (leader, waiting) = (world.processes[0], world.processes[1])
        waiting.membership.wait(true)
        // What it read while it led itself is of no use.
        waiting.read("m", queue: 1, at: world.time.now())
        leader.read("m", queue: 7, at: world.time.now())
        let nobody = try await world.get(waiting, Self.model("m"))
        #expect(nobody.code == 503 && nobody.message.contains("no process of the operator leads"))
        try await world.lease("modelfleet-operator", holder: leader.name, address: leader.address)
        for query in [Self.model("m"), ""] {
            #expect(try await world.get(waiting, query).values == ["m 7"])
            #expect(try await world.get(leader, query).values == ["m 7"])
        }
        let other = try await world.get(waiting, Self.model("n"))
        #expect(other.code == 404 && other.message.contains("no model in namespace default"))
        try await world.lease("modelfleet-operator", holder: "b", address: "10.9.9.9:6443")
        let away = try await world.get(waiting, Self.model("m"))
        #expect(away.code == 503 && away.message.contains("b at 10.9.9.9:6443"), "\(away.message)")
        try await world.lease("modelfleet-operator", holder: "c", address: "")
        let silent = try await world.get(waiting, Self.model("m"))
        #expect(silent.code == 503 && silent.message.contains("--metrics-api-port"), "\(silent.message)")
    }

    @Test(
        "with shards each process answers for all: the readings of all holders, the newest of a model that changes hands"
    )
    func shards() async throws {
        let world = try await World(3, isSharded: true)
        let now = world.time.now()
        for (number, process) in world.processes.enumerated() {
            process.read("m\(number)", queue: Double(number), at: now)
        }
        world.processes[0].read("moved", queue: 100, at: now - .seconds(20))
        world.processes[1].read("moved", queue: 50, at: now)
        for process in world.processes {
            #expect(try await world.get(process).values == ["m0 0", "m1 1", "m2 2", "moved 50"])
            #expect(try await world.get(process, Self.model("m2")).values == ["m2 2"])
        }
    }

    @Test("a value that one holder misses fails the sum of all, and so does a holder that is away")
    func missing() async throws {
        let world = try await World(2, isSharded: true)
        let (one, other) = (world.processes[0], world.processes[1])
        one.read("m", queue: 3, at: world.time.now())
        other.read("n", queue: 3, at: world.time.now() - .seconds(60))
        let stale = try await world.get(one)
        #expect(stale.code == 404 && stale.message.contains(/model n is \d+ s old/), "\(stale.message)")
        #expect(try await world.get(one, Self.model("m")).values == ["m 3"])
        try await world.lease("modelfleet-operator-shard-1", holder: "b", address: "10.9.9.9:1")
        #expect(try await world.get(one).code == 503)
        #expect(try await world.get(one, Self.model("m")).code == 200)
    }

    @Test("a question about one model is answered by who has its value, whoever else is away or lacks one of its own")
    func one() async throws {
        let world = try await World(3, isSharded: true)
        world.processes[1].read("m", queue: 3, at: world.time.now())
        try await world.lease("modelfleet-operator-shard-2", holder: "b", address: "10.9.9.9:1")
        #expect(try await world.get(world.processes[0], Self.model("m")).values == ["m 3"])
        let other = try await world.get(world.processes[0], Self.model("n"))
        #expect(other.code == 503 && other.message.contains("b at 10.9.9.9:1"), "\(other.message)")
    }

    @Test("a model of this process that has no ready replica fails the sum of all, and that of those that are named")
    func unread() async throws {
        let world = try await World(2, isSharded: true)
        let map = ShardMap(count: 2)
        for (model, engine) in [("a", "HorizontalPodAutoscaler"), ("b", "HorizontalPodAutoscaler"), ("c", "Direct")] {
            let object = OperatorHarness.model(model, spec: ["scaling": ["engine": .string(engine)]])
            // Each process sees all models, and reads its own.
            for process in world.processes { process.models.replaceAll(process.models.all() + [object]) }
        }
        let owner = world.processes[map.shard(of: OperatorHarness.key("a"))]
        owner.read("a", queue: 3, at: world.time.now())
        let unread = world.processes[map.shard(of: OperatorHarness.key("b"))]
        for query in ["", "?labelSelector=modelfleet.dev%2Fmodel%20in%20(a%2Cb)"] {
            for process in world.processes {
                let sum = try await world.get(process, query)
                #expect(sum.code == 404 && sum.message.contains("no ready replica of model b"), "\(sum.message)")
            }
        }
        for process in world.processes { #expect(try await world.get(process, Self.model("a")).values == ["a 3"]) }
        unread.read("b", queue: 4, at: world.time.now())
        for process in world.processes { #expect(try await world.get(process).values == ["a 3", "b 4"]) }
    }

    @Test("without addresses a sum over all models isn't the sum over one's own")
    func noAddresses() async throws {
        let world = try await World(2, isSharded: true)
        for (shard, process) in world.processes.enumerated() {
            try await world.lease("modelfleet-operator-shard-\(shard)", holder: process.name, address: "")
            process.read("m\(shard)", queue: 1, at: world.time.now())
        }
        let sum = try await world.get(world.processes[0])
        #expect(sum.code == 503 && sum.message.contains("--metrics-api-port"), "\(sum.message)")
        #expect(try await world.get(world.processes[0], Self.model("m0")).values == ["m0 1"])
    }

    @Test(
        "while nobody holds a shard, or a process that was lost does, there is no sum; one that took its address says so"
    )
    func lostShard() async throws {
        let world = try await World(2, isSharded: true)
        let (one, other) = (world.processes[0], world.processes[1])
        one.read("m", queue: 3, at: world.time.now())
        #expect(try await world.get(one).values == ["m 3"])
        for holder in ["", "before"] {
            try await world.lease("modelfleet-operator-shard-1", holder: holder, address: other.address)
            let sum = try await world.get(one)
            #expect(
                sum.code == 503 && sum.message.contains(holder.isEmpty ? "holds shard 1" : "is gone"),
                "\(sum.message)"
            )
            #expect(try await world.get(one, Self.model("m")).values == ["m 3"])
        }
        // The Lease doesn't know of the loss yet.
        try await world.lease("modelfleet-operator-shard-1", holder: other.name, address: other.address)
        one.membership.note(0, isHeld: false)
        #expect(try await world.get(one).code == 503)
    }
}
