// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

/// Measures an API server by itself: writes, watch events, lists.
struct ServerRun {
    /// The server.
    let server: BenchServer
    /// The longest time of one measurement.
    let limit: Duration

    private static let objects = 5000
    private static let lanes = 16
    private static let watchers = 100
    private static let updates = 1000

    /// Measures everything.
    func figures() async throws -> [Figure] {
        var figures: [Figure] = []
        let client = server.client
        figures += try await writes("create ModelDeployments", count: Self.objects) { index in
            try await client.create(.modelDeployments, Fleet.model(index))
        }
        figures += try await writes("create ConfigMaps of 1 KiB", count: Self.objects) { index in
            try await client.create(.configMaps, Self.map(index, round: 0))
        }
        figures += try await writes("replace ConfigMaps of 1 KiB", count: Self.objects) { index in
            try await client.replace(.configMaps, Self.map(index, round: 1))
        }
        figures += try await watchEvents()
        figures += try await lists(.modelDeployments)
        figures += try await lists(.configMaps)
        if let process = server.process {
            let usage = try process.usage
            figures.append(
                Figure("server: resident memory", usage.residentMiB, "MiB", note: "peak \(Int(usage.peakMiB)) MiB")
            )
        }
        return figures
    }

    private static func map(_ index: Int, round: Int) -> KubeObject {
        var object = KubeObject(.configMaps, namespace: BenchServer.namespace, name: "map-\(index)")
        object["data"] = ["round": .string(String(round)), "text": .string(String(repeating: "x", count: 1024))]
        return object
    }

    private func writes(
        _ name: String,
        count: Int,
        _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> [Figure] {
        let before = try server.process?.usage.processorSeconds ?? 0
        let clock = Stopwatch()
        try await inLanes(Self.lanes, count: count, body)
        let seconds = clock.seconds
        return [
            Figure(
                "server: \(name)",
                Double(count) / seconds,
                "/s",
                note: "\(Self.lanes) at a time\(try cost(since: before, count))"
            )
        ]
    }

    /// What one piece cost our own server; somebody else's processor time isn't known.
    private func cost(since before: Double, _ count: Int) throws -> String {
        guard let process = server.process else { return "" }
        let used = try process.usage.processorSeconds - before
        return "; \(Int(used / Double(count) * 1_000_000)) µs of the server's processor for each"
    }

    private func watchEvents() async throws -> [Figure] {
        let server = server
        let client = server.client
        let version = try await LineWatch.newest(.configMaps, server)
        let before = try server.process?.usage.processorSeconds ?? 0
        let opened = Shared(0)
        let total = Self.watchers * Self.updates
        let exchange = BenchServer.exchange(server.connection, http2: true)
        var seconds = 0.0
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.watchers {
                group.addTask {
                    var seen = 0
                    opened.change { $0 += 1 }
                    let watch = LineWatch(server: server, type: .configMaps, version: version, exchange: exchange)
                    try await watch.read { _ in
                        seen += 1
                        return seen < Self.updates
                    }
                }
            }
            defer { group.cancelAll() }
            try await waitUntil("the watchers", limit: limit) {
                opened.value == Self.watchers
            }
            try await Task.sleep(for: .seconds(1))
            let clock = Stopwatch()
            try await inLanes(Self.lanes, count: Self.updates) { index in
                try await client.replace(.configMaps, Self.map(index, round: 2))
            }
            try await group.waitForAll()
            seconds = clock.seconds
        }
        return [
            Figure(
                "server: watch events over \(Self.watchers) watchers",
                Double(total) / seconds,
                "/s",
                note: "of ConfigMaps of 1 KiB\(try cost(since: before, total))"
            )
        ]
    }

    private func lists(_ type: ResourceType) async throws -> [Figure] {
        let before = try server.process?.usage.processorSeconds ?? 0
        var times: [Double] = []
        var bytes = 0
        for _ in 0..<5 {
            let clock = Stopwatch()
            bytes = try await server.bytes(type.path(namespace: BenchServer.namespace)).count
            times.append(clock.seconds)
        }
        let median = percentile(0.5, of: times)
        let mebibytes = Double(bytes) / 1_048_576
        return [
            Figure(
                "server: list of \(Self.objects) \(type.plural)",
                median * 1000,
                "ms",
                note: "\(Int(mebibytes * 10) / 10) MiB, \(Int(mebibytes / median)) MiB/s\(try cost(since: before, 5))"
            )
        ]
    }
}
