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

    /// The memory after a tenth of the reconciles and after all of them.
    func figures() async throws -> [Figure] {
        let subject = try Subject.start(plan, server: server, folder: folder)
        do {
            let figures = try await measure(subject)
            await subject.process.stop()
            return figures
        } catch {
            await subject.process.stop()
            throw error
        }
    }

    private func measure(_ subject: Subject) async throws -> [Figure] {
        let clock = Stopwatch()
        let client = server.client
        let models = min(Self.models, plan.models)
        try await inLanes(Self.lanes, count: models) { try await client.create(.modelDeployments, Fleet.model($0)) }
        try await subject.settle(count: models, limit: plan.limit)
        try await change(subject, models: models, until: plan.reconciles / 10)
        let early = try subject.process.usage
        let earlySeconds = clock.seconds
        try await change(subject, models: models, until: plan.reconciles)
        let late = try subject.process.usage
        let growth = (late.residentMiB / early.residentMiB - 1) * 100
        let rate = Double(plan.reconciles * 9 / 10) / (clock.seconds - earlySeconds)
        return [
            Figure("growth: resident memory after \(plan.reconciles / 10) reconciles", early.residentMiB, "MiB"),
            Figure(
                "growth: resident memory after \(plan.reconciles) reconciles",
                late.residentMiB,
                "MiB",
                note: "\(Int(rate)) reconciles/s, \(Int(clock.seconds)) s"
            ),
            Figure("growth: between them", growth, "%", goal: 5),
        ]
    }

    /// Changes models at random until the operator has reconciled `goal` times: mostly bounds, some files (a new
    /// revision), some annotations, and now and then a model goes and comes back as a new one.
    private func change(_ subject: Subject, models: Int, until goal: Int) async throws {
        let client = server.client
        let isDone = Shared(false)
        let deadline = ContinuousClock.now.advanced(by: plan.limit * 8)
        try await withThrowingDiscardingTaskGroup { group in
            for lane in 0..<Self.lanes {
                group.addTask {
                    var round = 0
                    while !isDone.value {
                        let pick = Int(SystemRandom().unit() * Double(models / Self.lanes)) * Self.lanes + lane
                        try await Self.change(pick % models, round, client)
                        round += 1
                    }
                }
            }
            repeat {
                try await Task.sleep(for: .milliseconds(100))
                guard ContinuousClock.now < deadline else {
                    throw BenchError("growth: too slow for \(goal) reconciles")
                }
            } while try await subject.activity().reconciles < goal
            isDone.change { $0 = true }
        }
        try await subject.settle(count: goal, limit: plan.limit)
        try await Task.sleep(for: .seconds(2))
    }

    private static func change(_ index: Int, _ round: Int, _ client: KubeClient) async throws {
        let key = Fleet.key(index)
        let dice = SystemRandom().unit()
        let patch: JSONValue
        switch dice {
        case ..<0.02:
            _ = try? await client.delete(.modelDeployments, key)
            // What garbage collection does in a cluster.
            let owned = ListOptions(labelSelector: LabelSelector(matching: ["modelfleet.dev/model": key.name]))
            for old in try await client.list(.deployments, namespace: key.namespace, options: owned).items {
                _ = try? await client.delete(.deployments, old.key)
            }
            _ = try? await client.delete(.services, key)
            _ = try? await client.create(.modelDeployments, Fleet.model(index))
            return
        case ..<0.10:
            patch = ["spec": ["model": ["uri": .string("https://models.example.com/\(round)/model.onnx")]]]
        case ..<0.40: patch = ["metadata": ["annotations": ["bench": .string(String(round))]]]
        default: patch = ["spec": ["scaling": ["maxReplicas": .integer(Int64(2 + round % 7))]]]
        }
        do throws(KubeError) { try await client.patch(.modelDeployments, key, .merge(patch)) } catch {
            if !error.isNotFound { throw error }
        }
    }
}
