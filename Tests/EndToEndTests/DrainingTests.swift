// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    /// `MODELFLEET_TEST_TERMINATIONS=1000` (`make test-drain`) takes as many replicas away instead of a hundred.
    @Suite("Going down under load", .serialized)
    struct Draining {
        /// How large one run is.
        private struct Size {
            var models: Int
            var replicas: Int
            var rounds: Int

            var terminations: Int { models * rounds * (replicas - 1) }

            static var wanted: Size {
                let environment = ProcessInfo.processInfo.environment
                let count = environment["MODELFLEET_TEST_TERMINATIONS"].flatMap { Int($0) } ?? 100
                return Size(models: 5, replicas: 11, rounds: max(1, (count + 49) / 50))
            }
        }

        @Test(
            "replicas that are taken away lose no request: open ones, slow bodies, kept connections",
            .timeLimit(.minutes(20))
        )
        func terminations() async throws {
            let size = Size.wanted
            let tally = RequestTally()
            let start = ContinuousClock.now
            // Each request takes a fifth of a second, so that some are open whenever a pod is told to go.
            try await LocalRun.run(["--operator"]) { local in
                let names = (1...size.models).map { "m\($0)" }
                for name in names {
                    try await local.client.apply(Samples.models, Samples.slowModel(name, milliseconds: 200))
                }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    try await withThrowingTaskGroup(of: [StrictClient].self) { models in
                        for name in names { models.addTask { try await Self.clients(of: name, local) } }
                        for try await clients in models {
                            for client in clients { group.addTask { await client.run(tally) } }
                        }
                    }
                    do {
                        try await Self.rounds(size, names, local)
                    } catch {
                        tally.finish()
                        throw error
                    }
                    tally.finish()
                    try await group.waitForAll()
                }
            }
            let seconds = (ContinuousClock.now - start).components.seconds
            print(
                "\(size.terminations) replicas taken away in \(seconds) s; \(tally.answered) requests answered over "
                    + "\(tally.connections) connections, \(tally.lost.count) lost"
            )
            #expect(tally.lost.isEmpty)
            #expect(tally.answered > size.terminations)
        }

        /// Who asks a model, once it is ready: two over connections that they keep, one with new ones, one with a body that
        /// takes longer than a server that is told to go serves on.
        private static func clients(of name: String, _ local: LocalRun) async throws -> [StrictClient] {
            try await local.model(name, within: .seconds(60)) { $0.isTrue }
            let keeping = try await local.strictClient(name)
            var fresh = keeping
            fresh.keepsConnection = false
            var slow = try await local.strictClient(name, inHalves: true)
            slow.pause = .seconds(4)
            return [keeping, keeping, fresh, slow]
        }

        /// Each model on its own: up, and down to one again.
        private static func rounds(_ size: Size, _ names: [String], _ local: LocalRun) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names {
                    group.addTask {
                        for _ in 0..<size.rounds {
                            try await scale(name, to: size.replicas, local)
                            try await scale(name, to: 1, local)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }

        /// Moves the bounds, and waits until the operator has done its part and exactly as many pods are there, all ready.
        private static func scale(_ name: String, to count: Int, _ local: LocalRun) async throws {
            try await local.patchScaling(name, ["minReplicas": JSONValue(count), "maxReplicas": JSONValue(count)])
            let options = ListOptions(labelSelector: LabelSelector(matching: ["modelfleet.dev/model": name]))
            _ = try await eventually(within: .seconds(120), "\(count) pods of \(name)", pause: .milliseconds(300)) {
                let pods = try await local.client.list(.pods, namespace: "default", options: options).items
                let ready = pods.count { !$0.isBeingDeleted && ConditionSet($0).isTrue("Ready") }
                return ready == count && pods.count == count ? true : nil
            }
        }
    }
}
