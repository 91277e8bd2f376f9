// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@Suite("The HPA's formula for shares of requests")
struct HPAUtilizationTests {
    /// A row of `replica_calculator_test.go` (Kubernetes 1.36): CPU in thousandths, the same request for each pod.
    struct Row: Sendable {
        var name: String
        var current: Int
        var usage: [Int64]
        var missing = 0
        var unready = 0
        var request: Int64 = 1000
        var target: Int
        var replicas: Int
        var utilization: Int
    }

    private static let rows = [
        Row(name: "scale up", current: 3, usage: [300, 500, 700], target: 30, replicas: 5, utilization: 50),
        Row(
            name: "unready pods lessen a scale up",
            current: 3,
            usage: [500, 700],
            unready: 1,
            target: 30,
            replicas: 4,
            utilization: 60
        ),
        Row(
            name: "unready pods prevent a scale up",
            current: 3,
            usage: [400],
            unready: 2,
            target: 30,
            replicas: 3,
            utilization: 40
        ),
        Row(
            name: "scale down",
            current: 5,
            usage: [100, 300, 500, 250, 250],
            target: 50,
            replicas: 3,
            utilization: 28
        ),
        Row(
            name: "unready pods don't count in a scale down",
            current: 5,
            usage: [100, 300, 500],
            unready: 2,
            target: 50,
            replicas: 2,
            utilization: 30
        ),
        Row(name: "close enough", current: 3, usage: [1010, 1030, 1020], target: 100, replicas: 3, utilization: 102),
        Row(
            name: "missing pods lessen a scale up",
            current: 3,
            usage: [500, 700],
            missing: 1,
            target: 30,
            replicas: 4,
            utilization: 60
        ),
        Row(
            name: "missing pods prevent a scale down",
            current: 4,
            usage: [100, 300, 500],
            missing: 1,
            target: 50,
            replicas: 4,
            utilization: 30
        ),
        Row(
            name: "a missing pod counts as its request in a scale down",
            current: 5,
            usage: [100, 100, 100, 100],
            missing: 1,
            target: 50,
            replicas: 3,
            utilization: 10
        ),
        Row(
            name: "or as the target, where that is more",
            current: 4,
            usage: [100, 100],
            missing: 2,
            target: 150,
            replicas: 3,
            utilization: 10
        ),
        Row(
            name: "missing pods turn no fall into a rise",
            current: 4,
            usage: [100],
            missing: 3,
            target: 50,
            replicas: 4,
            utilization: 10
        ),
        Row(
            name: "on target missing pods change nothing",
            current: 4,
            usage: [500, 500],
            missing: 2,
            target: 50,
            replicas: 4,
            utilization: 50
        ),
        Row(
            name: "missing pods share a rise that is no more than the tolerance then",
            current: 10,
            usage: [210, 210, 210, 210, 210],
            missing: 5,
            target: 10,
            replicas: 10,
            utilization: 21
        ),
        Row(
            name: "unready pods share it as well",
            current: 10,
            usage: [210, 210, 210, 210, 210],
            unready: 5,
            target: 10,
            replicas: 10,
            utilization: 21
        ),
        Row(
            name: "a rise lowers nothing",
            current: 5,
            usage: [900],
            unready: 1,
            target: 30,
            replicas: 5,
            utilization: 90
        ),
        Row(
            name: "a fall raises nothing",
            current: 3,
            usage: [150, 150, 150, 150, 150],
            missing: 1,
            target: 50,
            replicas: 3,
            utilization: 15
        ),
    ]

    @Test("counts as Kubernetes does", arguments: rows)
    func counts(row: Row) throws {
        let answer = HPAReplicaCalculator().utilization(
            row.usage.map { PodUtilization(usage: $0, request: row.request) },
            missing: Array(repeating: row.request, count: row.missing),
            unready: Array(repeating: row.request, count: row.unready),
            target: row.target,
            current: row.current
        )
        #expect(answer?.replicas == row.replicas, "\(row.name)")
        #expect(answer?.utilization == row.utilization, "\(row.name)")
    }

    @Test("without requests, pods or a target there is no answer; the largest numbers are no trouble")
    func limits() {
        let calculator = HPAReplicaCalculator()
        let pods = [PodUtilization(usage: .max, request: 1), PodUtilization(usage: .max, request: .max)]
        func answer(_ pods: [PodUtilization], _ target: Int) -> UtilizationAnswer? {
            calculator.utilization(pods, missing: [.max], unready: [], target: target, current: 1)
        }
        #expect(answer(pods, 50) != nil)
        #expect(answer([], 50) == nil)
        #expect(answer(pods, 0) == nil)
        #expect(answer([PodUtilization(usage: 5, request: 0)], 50) == nil)
    }
}
