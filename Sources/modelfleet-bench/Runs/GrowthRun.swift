// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel

/// Changes a fleet for long and looks whether the operator's memory grows.
struct GrowthRun {
    /// What to measure.
    let plan: BenchPlan
    /// The server.
    let server: BenchServer
    /// Where logs go.
    let folder: String

    /// The models of the fleet: few, so that each changes often.
    private static let models = 500
    private static let lanes = 8
    /// With so many models waiting nothing more is changed: changes of one model that wait together are reconciled as
    /// one, and would cost the server's time only.
    private static let enoughWaiting = 48

    /// The memory after a tenth of the reconciles and after all of them.
    func figures() async throws -> [Figure] {
        let subject = try Subject.start(plan, server: server, folder: folder)
        let standIn = ClusterStandIn(server: server)
        do {
            let figures = try await withThrowingTaskGroup(of: [Figure].self) { group in
                defer { group.cancelAll() }
                group.addTask {
                    try await standIn.run()
                    throw BenchError("growth: the cluster's stand-in ended too early")
                }
                group.addTask { try await measure(subject, standIn) }
                return try await group.next() ?? []
            }
            await subject.process.stop()
            return figures
        } catch {
            await subject.process.stop()
            throw error
        }
    }

    private func measure(_ subject: Subject, _ standIn: ClusterStandIn) async throws -> [Figure] {
        let clock = Stopwatch()
        let client = server.client
        let models = min(Self.models, plan.models)
        let changes = FleetChanges(client: client, standIn: standIn, models: models, lanes: Self.lanes)
        try await inLanes(Self.lanes, count: models) { try await changes.create($0) }
        try await subject.settle(count: models, limit: plan.limit)
        let share = plan.reconciles / 10
        try await change(changes, subject, until: share)
        let (early, earlyServer) = (try subject.process.usage, try server.process?.usage)
        let earlySeconds = clock.seconds
        try await change(changes, subject, until: plan.reconciles)
        let (late, lateServer) = (try subject.process.usage, try server.process?.usage)
        let growth = (late.residentMiB / early.residentMiB - 1) * 100
        let rest = Double(plan.reconciles - share)
        let rate = rest / (clock.seconds - earlySeconds)
        func microseconds(_ early: ProcessUsage, _ late: ProcessUsage) -> Double {
            (late.processorSeconds - early.processorSeconds) / rest * 1_000_000
        }
        var cost = "\(Int(rate)) reconciles/s, \(Int(clock.seconds)) s in all"
        if let earlyServer, let lateServer {
            cost += "; the server takes \(Int(microseconds(earlyServer, lateServer))) µs meanwhile"
        }
        return [
            Figure("growth: resident memory after \(share) reconciles", early.residentMiB, "MiB"),
            Figure("growth: resident memory after \(plan.reconciles) reconciles", late.residentMiB, "MiB"),
            Figure("growth: between them", growth, "%", goal: 5),
            Figure("growth: processor time of one reconcile", microseconds(early, late), "µs", note: cost),
        ]
    }

    /// Changes models until the operator has reconciled `goal` times and has nothing left to do.
    private func change(_ changes: FleetChanges, _ subject: Subject, until goal: Int) async throws {
        let pace = Shared(Pace.change)
        let limit = plan.limit * 8
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<Self.lanes {
                group.addTask {
                    while true {
                        switch pace.value {
                        case .change: try await changes.change(lane)
                        case .wait: try await Task.sleep(for: .milliseconds(5))
                        case .end: return
                        }
                    }
                }
            }
            group.addTask {
                try await waitUntil("growth: \(goal) reconciles", limit: limit, every: .milliseconds(20)) {
                    let now = try await subject.activity()
                    pace.change { $0 = now.open < Self.enoughWaiting ? .change : .wait }
                    return now.reconciles >= goal
                }
                pace.change { $0 = .end }
            }
            for try await _ in group {}
        }
        try await subject.settle(count: goal, limit: plan.limit)
        // Revisions that are out of use go after five seconds.
        try await Task.sleep(for: .seconds(7))
        try await subject.settle(count: goal, limit: plan.limit)
    }

    private enum Pace { case change, wait, end }
}
