// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Runs what a plan asks for, one after the other.
struct Bench {
    /// What to measure.
    let plan: BenchPlan
    /// Where files and logs go.
    let folder: String

    /// Measures; `report` gets the figures of each part as soon as they are there.
    func run(_ report: ([Figure]) -> Void) async throws {
        if plan.runs.contains(.server) {
            try await withServer { server in report(try await ServerRun(server: server, limit: plan.limit).figures()) }
        }
        let others = plan.runs.filter { ![.server, .growth, .decide].contains($0) }
        if !others.isEmpty { try await withServer { server in try await runFleet(server, others, report) } }
        if plan.runs.contains(.growth) {
            try await withServer { server in
                let run = GrowthRun(plan: plan, server: server, folder: folder)
                report(try await run.figures())
            }
        }
        if plan.runs.contains(.decide) {
            try await withServer { server in
                report(try await DecisionRun(plan: plan, server: server, folder: folder).figures())
            }
        }
    }

    private func withServer(_ body: (BenchServer) async throws -> Void) async throws {
        let server = try await BenchServer.start(plan, folder: folder)
        do {
            try await body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// The runs that share one fleet: they create it, leave it alone, change it, and start the operator anew.
    private func runFleet(_ server: BenchServer, _ runs: [Run], _ report: ([Figure]) -> Void) async throws {
        var fleet = Fleet(server: server)
        let subject = try Subject.start(plan, server: server, folder: folder)
        do {
            let creation = CreationRun(plan: plan, folder: folder, subject: subject)
            let created = try await creation.figures(&fleet)
            if runs.contains(.create) { report(created) }
            if runs != [.create] { try await fleet.makeReady(subject, limit: plan.limit) }
            if runs.contains(.steady) {
                report(try await SteadyRun(plan: plan, server: server, subject: subject).figures())
            }
            if runs.contains(.reaction) {
                report(try await ReactionRun(plan: plan, server: server, subject: subject).figures())
                if runs.contains(.coldstart) { try await fleet.makeReady(subject, limit: plan.limit) }
            }
        } catch {
            await subject.process.stop()
            throw error
        }
        await subject.process.stop()
        if runs.contains(.coldstart) {
            report(try await ColdStartRun(plan: plan, server: server, folder: folder).figures())
        }
    }
}
