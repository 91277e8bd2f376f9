// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeAPI
import KubeModel

/// Changes models one after the other and measures when their Deployments show it.
struct ReactionRun {
    /// What to measure.
    let plan: BenchPlan
    /// The server.
    let server: BenchServer
    /// The operator.
    let subject: Subject

    /// The times from sending the change of a model's file to the watch event of a Deployment that has the new file.
    func figures() async throws -> [Figure] {
        let server = server
        let version = try await LineWatch.newest(.deployments, server)
        let (events, source) = AsyncStream<Double>.makeStream(bufferingPolicy: .bufferingNewest(16))
        let marker = Shared<[UInt8]>([])
        let clock = Stopwatch()
        let before = try subject.process.usage.processorSeconds
        let milliseconds = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await LineWatch(server: server, type: .deployments, version: version).read { line in
                    let now = clock.seconds
                    let wanted = marker.value
                    if !wanted.isEmpty, contains(line, wanted) {
                        marker.change { $0 = [] }
                        source.yield(now)
                    }
                    return true
                }
            }
            defer { group.cancelAll() }
            return try await measure(events, marker, clock)
        }
        let used = try subject.process.usage.processorSeconds - before
        let name = "reaction, \(plan.models) models, \(plan.changes) changes"
        return [
            Figure("\(name): p50", percentile(0.5, of: milliseconds), "ms"),
            Figure(
                "\(name): p99",
                percentile(0.99, of: milliseconds),
                "ms",
                goal: 50,
                note: "from sending the change to the Deployment's event; longest "
                    + "\(Int(milliseconds.max() ?? 0)) ms"
            ),
            Figure("\(name): processor time of one", used / Double(plan.changes) * 1000, "ms"),
        ]
    }

    private func measure(
        _ events: AsyncStream<Double>,
        _ marker: Shared<[UInt8]>,
        _ clock: Stopwatch
    ) async throws -> [Double] {
        let client = server.client
        var arrivals = events.makeAsyncIterator()
        var milliseconds: [Double] = []
        let stride = plan.models / plan.changes
        for change in 0..<plan.changes {
            let file = "https://models.example.com/bench-change-\(change)/model.onnx"
            marker.change { $0 = Array("bench-change-\(change)/".utf8) }
            let patch: JSONValue = ["spec": ["model": ["uri": .string(file)]]]
            let sent = clock.seconds
            try await client.patch(.modelDeployments, Fleet.key(change * stride), .merge(patch))
            guard let arrived = await arrivals.next() else { throw CancellationError() }
            milliseconds.append((arrived - sent) * 1000)
            // A pause, so that one change's aftermath isn't the next one's delay.
            try await Task.sleep(for: .milliseconds(30))
        }
        return milliseconds
    }
}

/// Whether `text` holds `part`.
private func contains(_ text: ArraySlice<UInt8>, _ part: [UInt8]) -> Bool {
    guard let first = part.first else { return true }
    var start = text.startIndex
    while let found = text[start...].firstIndex(of: first) {
        if text[found...].starts(with: part) { return true }
        start = found + 1
    }
    return false
}
