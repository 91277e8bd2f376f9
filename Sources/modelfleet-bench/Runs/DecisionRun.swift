// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

/// Many models with a pod each, whose pages are scraped and decided on every two seconds; some get a queue and need more
/// replicas.
struct DecisionRun {
    /// What to measure.
    let plan: BenchPlan
    /// The server.
    let server: BenchServer
    /// Where logs go.
    let folder: String

    /// The most models of this run.
    private static let models = 1000
    private static let lanes = 16
    /// How many models get a queue at one time.
    private static let batch = 10

    /// The processor time of the operator while nothing but decisions goes on, and the time from a page to the write.
    func figures() async throws -> [Figure] {
        let count = min(Self.models, plan.models)
        let clock = Stopwatch()
        let pages = PageServer(count: count, clock: clock)
        try await pages.start()
        let subject = try Subject.start(plan, server: server, folder: folder)
        let standIn = ClusterStandIn(server: server)
        do {
            let figures = try await withThrowingTaskGroup(of: [Figure].self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    try await standIn.run()
                    throw BenchError("decide: the cluster's stand-in ended too early")
                }
                group.addTask { try await measure(subject, pages, count: count, clock: clock) }
                return try await group.next() ?? []
            }
            await subject.process.stop()
            await pages.stop()
            return figures
        } catch {
            await subject.process.stop()
            await pages.stop()
            throw error
        }
    }

    private func measure(
        _ subject: Subject,
        _ pages: PageServer,
        count: Int,
        clock: Stopwatch
    ) async throws -> [Figure] {
        let client = server.client
        try await inLanes(Self.lanes, count: count) { index in
            try await client.create(.modelDeployments, Self.model(index))
        }
        try await subject.settle(count: count, limit: plan.limit)
        try await inLanes(Self.lanes, count: count) { index in
            try await client.create(.pods, Self.pod(index))
            try await client.patch(
                .pods,
                Self.pod(index).key,
                .merge(["status": Self.status(pages.address(index))]),
                subresource: "status"
            )
        }
        // Each is read a few times, so that rates are known.
        let before = pages.pages
        try await waitUntil("every pod is scraped", limit: plan.limit) { pages.pages >= before + 5 * count }
        let name = "decisions, \(count) models every 2 s"
        let (usage, read, requests) = (try subject.process.usage, pages.pages, try await RequestTotals(server))
        let start = clock.seconds
        try await Task.sleep(for: plan.steadyTime)
        let seconds = clock.seconds - start
        let used = try subject.process.usage.processorSeconds - usage.processorSeconds
        let scraped = Double(pages.pages - read)
        let made = try await RequestTotals(server).since(requests).filter { !$0.key.contains("leases") }
        let list = made.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
        let steady = [
            Figure(
                "\(name): processor",
                used / seconds * 100,
                "%",
                goal: 25,
                note: "of one core, scraping, deciding and status; asked for in \(Int(seconds)) s: \(list)"
            ),
            Figure("\(name): pages", scraped / seconds, "/s", note: "\(count / 2) are due"),
            Figure("\(name): processor time of a page and its decision", used / scraped * 1_000_000, "µs"),
            Figure("\(name): resident memory", try subject.process.usage.residentMiB, "MiB"),
        ]
        for figure in steady { print(figure.line) }
        let reactions = try await react(pages, count: count, clock: clock)
        return steady + [
            Figure("\(name): page to scale write, p50", percentile(0.5, of: reactions), "ms"),
            Figure(
                "\(name): page to scale write, p99",
                percentile(0.99, of: reactions),
                "ms",
                goal: 1000,
                note: "from the first page with a queue to the Deployment's event, \(reactions.count) times; longest "
                    + "\(Int(reactions.max() ?? 0)) ms"
            ),
        ]
    }

    /// Gives models a queue, some at a time, and waits for the Deployments' events; milliseconds.
    private func react(_ pages: PageServer, count: Int, clock: Stopwatch) async throws -> [Double] {
        let version = try await LineWatch.newest(.deployments, server)
        let arrivals = Shared<[Int: Double]>([:])
        let server = server
        let changes = min(plan.changes, count)
        let limit = plan.limit
        return try await withThrowingTaskGroup(of: [Double].self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await LineWatch(server: server, type: .deployments, version: version).read { line in
                    let now = clock.seconds
                    if let model = Self.grownModel(line) { arrivals.change { $0[model] = $0[model] ?? now } }
                    return true
                }
                throw BenchError("decide: the watch of Deployments ended too early")
            }
            group.addTask {
                var milliseconds: [Double] = []
                for first in stride(from: 0, to: changes, by: Self.batch) {
                    let batch = (first..<min(first + Self.batch, changes)).filter { arrivals.value[$0] == nil }
                    for model in batch { pages.show(9, on: model) }
                    try await waitUntil("the models grow", limit: limit) {
                        batch.allSatisfy { arrivals.value[$0] != nil }
                    }
                    for model in batch {
                        guard let sent = pages.sent(model), let arrived = arrivals.value[model] else { continue }
                        milliseconds.append((arrived - sent) * 1000)
                    }
                }
                return milliseconds
            }
            return try await group.next() ?? []
        }
    }

    /// The model whose Deployment asks for more than one replica, in an event's line.
    private static func grownModel(_ line: ArraySlice<UInt8>) -> Int? {
        guard let event = try? JSONValue(parsing: Array(line)), let object = event["object"],
            object.at("spec", "replicas")?.int ?? 1 > 1,
            let model = object.at("metadata", "labels", FleetAPI.modelLabel)?.string
        else { return nil }
        return Int(model.drop { !$0.isNumber })
    }

    /// A model with a latency objective, and a target beside it.
    private static func model(_ index: Int) -> KubeObject {
        var model = Fleet.model(index)
        model["spec", "scaling"] = [
            "minReplicas": 1, "maxReplicas": 4, "intervalSeconds": 2,
            "objective": ["latency": ["percentile": 95, "milliseconds": 500]],
            "targets": [["signal": "QueueLength", "value": 4]],
        ]
        return model
    }

    private static func pod(_ index: Int) -> KubeObject {
        var pod = KubeObject(.pods, namespace: BenchServer.namespace, name: "\(Fleet.name(index))-r1-0")
        pod.labels = [FleetAPI.modelLabel: Fleet.name(index), FleetAPI.revisionLabel: "1"]
        pod["spec"] = ["containers": [["name": "server", "image": "modelfleet/server:0.1.0"]]]
        return pod
    }

    private static func status(_ address: String) -> JSONValue {
        [
            "phase": "Running", "podIP": .string(address),
            "conditions": [["type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"]],
        ]
    }
}
