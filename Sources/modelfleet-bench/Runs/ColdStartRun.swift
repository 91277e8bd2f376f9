// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Starts the operator when everything exists already and nothing has changed.
struct ColdStartRun {
    /// What to measure.
    let plan: BenchPlan
    /// The server.
    let server: BenchServer
    /// Where logs go.
    let folder: String

    /// The medians of several starts.
    func figures() async throws -> [Figure] {
        var times: [Double] = []
        var processor: [Double] = []
        var resident: [Double] = []
        var peaks: [Double] = []
        var requests: [String: Int] = [:]
        for _ in 0..<plan.starts {
            let before = try await RequestTotals(server)
            let clock = Stopwatch()
            let subject = try Subject.start(plan, server: server, folder: folder)
            do {
                try await subject.settle(count: plan.models, limit: plan.limit)
                times.append(clock.seconds)
                processor.append(try subject.process.usage.processorSeconds)
                // What a start leaves in memory counts, not what is freed a moment later.
                try await Task.sleep(for: .seconds(5))
                let usage = try subject.process.usage
                resident.append(usage.residentMiB)
                peaks.append(usage.peakMiB)
                requests = try await RequestTotals(server).since(before)
            } catch {
                await subject.process.stop()
                throw error
            }
            await subject.process.stop()
        }
        let writes = requests.filter { !["GET", "LIST", "WATCH"].contains($0.key.split(separator: " ").first ?? "") }
        let list = writes.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
        let all = times.map { String(($0 * 100).rounded() / 100) }.joined(separator: ", ")
        let name = "cold start, \(plan.models) models"
        return [
            Figure("\(name): time until all is reconciled", percentile(0.5, of: times), "s", goal: 2, note: all + " s"),
            Figure("\(name): processor time", percentile(0.5, of: processor), "s"),
            Figure(
                "\(name): resident memory",
                percentile(0.5, of: resident),
                "MiB",
                goal: 64,
                note: "5 s later; peak \(Int(percentile(0.5, of: peaks))) MiB"
            ),
            Figure("\(name): writes", Double(writes.values.reduce(0, +)), "", goal: 0, note: list),
        ]
    }
}
