// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Watches an operator while nothing changes.
struct SteadyRun {
    /// What to measure.
    let plan: BenchPlan
    /// The server, which counts the requests.
    let server: BenchServer
    /// The operator.
    let subject: Subject

    /// Waits, then says what was used and asked meanwhile.
    func figures() async throws -> [Figure] {
        let before = try subject.process.usage
        let requests = try await RequestTotals(server)
        let clock = Stopwatch()
        try await Task.sleep(for: plan.steadyTime)
        let after = try subject.process.usage
        let seconds = clock.seconds
        let made = try await RequestTotals(server).since(requests).filter { !$0.key.contains("leases") }
        let share = (after.processorSeconds - before.processorSeconds) / seconds * 100
        let list = made.sorted { $0.key < $1.key }.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")
        return [
            Figure(
                "steady, \(plan.models) models: requests in \(Int(seconds)) s",
                Double(made.values.reduce(0, +)),
                "",
                goal: 0,
                note: "counted at the server, without leases\(list.isEmpty ? "" : ": \(list)")"
            ),
            Figure("steady, \(plan.models) models: processor", share, "%", goal: 1, note: "of one core"),
            Figure("steady, \(plan.models) models: resident memory", after.residentMiB, "MiB"),
        ]
    }
}
