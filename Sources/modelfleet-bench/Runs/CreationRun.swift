// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Creates the fleet with two `kubectl create -f`, a small one and the rest, while the operator runs.
struct CreationRun {
    /// What to measure.
    let plan: BenchPlan
    /// Where files go.
    let folder: String
    /// The operator.
    let subject: Subject

    /// Creates the models; afterwards all their children exist.
    func figures(_ fleet: inout Fleet) async throws -> [Figure] {
        try await subject.settle(count: 0, limit: .seconds(60))
        try await Task.sleep(for: .seconds(1))
        let idle = try subject.process.usage
        var figures = [
            Figure("idle without a model: resident memory", idle.residentMiB, "MiB", note: "\(idle.threads) threads")
        ]
        let first = plan.models / 5
        for (count, goal) in [(first, 1.0), (plan.models - first, 2.0)] {
            let before = try subject.process.usage.processorSeconds
            let (kubectl, children) = try await create(count, &fleet)
            try await subject.settle(count: 0, limit: plan.limit)
            let used = try subject.process.usage.processorSeconds - before
            figures += [
                Figure(
                    "create \(count): all children after kubectl's end",
                    children,
                    "s",
                    goal: goal,
                    note: "kubectl itself took \(Int(kubectl * 1000)) ms"
                ),
                Figure("create \(count): processor time", used, "s"),
            ]
        }
        let usage = try subject.process.usage
        figures.append(
            Figure(
                "after creating \(plan.models): resident memory",
                usage.residentMiB,
                "MiB",
                goal: 96,
                note: "peak \(Int(usage.peakMiB)) MiB"
            )
        )
        return figures
    }

    /// Creates `count` models; answers kubectl's seconds, and those from its end to the last child.
    private func create(_ count: Int, _ fleet: inout Fleet) async throws -> (kubectl: Double, children: Double) {
        let server = fleet.server
        let ends = Shared<[Double]>([])
        let clock = Stopwatch()
        let limit = plan.limit
        var versions: [(ResourceType, String)] = []
        for type in [ResourceType.deployments, .services] {
            versions.append((type, try await LineWatch.newest(type, server)))
        }
        var kubectl = 0.0
        var ended = 0.0
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for (type, version) in versions {
                group.addTask {
                    var seen = 0
                    try await LineWatch(server: server, type: type, version: version).read { line in
                        if LineWatch.isAddition(line) { seen += 1 }
                        return seen < count
                    }
                    ends.change { $0.append(clock.seconds) }
                    return true
                }
            }
            group.addTask {
                try await Task.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            kubectl = try await fleet.create(count, folder: folder)
            ended = clock.seconds
            for _ in versions where try await group.next() == false {
                throw BenchError("the children of \(count) models aren't there within \(limit)")
            }
        }
        return (kubectl, max(0, (ends.value.max() ?? 0) - ended))
    }
}
