// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Synchronization
import Testing

extension EndToEnd {
    @Suite("The operator's end and return", .serialized)
    struct OperatorRestart {
        /// What must not change while the operator is away.
        private struct Running: Equatable {
            var pods: Set<String>
            var restarts: Int
            var deployments: [String]

            init(_ local: LocalRun) async throws {
                let found = try await local.client.list(.pods, namespace: "default").items
                pods = Set(found.map { "\($0.name) \($0.uid ?? "")" })
                restarts = found.flatMap { $0["status", "containerStatuses"]?.array ?? [] }
                    .reduce(0) { $0 + ($1["restartCount"]?.int ?? 0) }
                deployments = try await local.client.list(.deployments, namespace: "default").items.map {
                    "\($0.name) version \($0.resourceVersion ?? "") generation \($0.generation ?? 0) "
                        + "replicas \($0["spec", "replicas"]?.int ?? -1)"
                }
            }
        }

        @Test(
            "SIGKILL of the operator and its return change nothing that runs; requests are answered all the time",
            .timeLimit(.minutes(2))
        )
        func killed() async throws {
            try await LocalRun.run([]) { local in
                try await local.install()
                let first = try local.startOperator()
                try await local.client.apply(Samples.models, Samples.model("iris", replicas: 2))
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let address = try await Self.settled(local)
                let before = try await Running(local)
                #expect(before.pods.count == 2)

                let requests = Requests()
                let second = try await withThrowingTaskGroup { group in
                    group.addTask {
                        while !requests.isOver { requests.count(try await local.predict("iris", address: address)) }
                    }
                    try await requests.more(20)
                    first.send(SIGKILL)
                    #expect(try await first.end(within: .seconds(5)) == 128 + SIGKILL)
                    try await requests.more(50)
                    #expect(try await Running(local) == before, "while the operator is away")

                    let second = try local.startOperator()
                    // Only a working operator observes this change; it asks for no other pods.
                    let patch: JSONValue = ["spec": ["scaling": ["maxReplicas": 5]]]
                    let key = ObjectKey(namespace: "default", name: "iris")
                    _ = try await local.client.patch(Samples.models, key, .merge(patch))
                    try await local.model("iris", within: .seconds(30)) { $0.isTrue && $0.observedGeneration == 2 }
                    try await requests.more(50)
                    requests.finish()
                    try await group.waitForAll()
                    return second
                }
                #expect(try await Running(local) == before, "after its return")
                #expect(requests.failures.isEmpty)

                _ = try await eventually(within: .seconds(20), "`modelfleet get` with both replicas") {
                    let listed = try await ProgramRun.result(
                        Programs.modelfleet(),
                        ["get", "--kubeconfig", local.kubeconfig],
                        folder: local.folder
                    )
                    #expect(listed.status == 0, "\(listed.output)")
                    return listed.output.contains("iris") && listed.output.contains("2/2") ? true : nil
                }
                second.send(SIGTERM)
                #expect(try await second.end(within: .seconds(15)) == 0, "\(second.output)")
            }
        }

        /// Waits until the Deployment has nothing left to do; the Service's address.
        private static func settled(_ local: LocalRun) async throws -> String {
            try await eventually(within: .seconds(20), "a settled Deployment and its Service's address") {
                let deployments = try await local.client.list(.deployments, namespace: "default").items
                guard let deployment = deployments.first, deployment["status", "availableReplicas"]?.int == 2,
                    deployment["status", "observedGeneration"]?.integer == deployment.generation,
                    ConditionSet(deployment)["Progressing"]?.reason == "NewReplicaSetAvailable"
                else { return nil }
                let key = ObjectKey(namespace: "default", name: "iris")
                return try await local.client.find(.services, key)?["spec", "clusterIP"]?.string
            }
        }
    }
}

/// Counts requests while they are sent.
private final class Requests: Sendable {
    private struct State {
        var answered = 0
        var failures: [Int] = []
        var isOver = false
    }

    private let state = Mutex(State())

    var isOver: Bool { state.withLock { $0.isOver } }

    /// The statuses of the requests that failed.
    var failures: [Int] { state.withLock { $0.failures } }

    func count(_ status: Int) {
        state.withLock { state in
            if status == 200 { state.answered += 1 } else { state.failures.append(status) }
        }
    }

    func finish() { state.withLock { $0.isOver = true } }

    /// Waits until this many more were answered.
    func more(_ count: Int) async throws {
        let goal = state.withLock { $0.answered } + count
        _ = try await eventually(within: .seconds(20), "\(count) more answers") {
            self.state.withLock { $0.answered >= goal ? true : nil }
        }
    }
}
