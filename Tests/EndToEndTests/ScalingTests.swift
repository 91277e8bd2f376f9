// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    /// Real servers under real requests. Each client waits for its answer before it asks again and a request takes a second,
    /// so that almost as many requests are in flight as there are clients; a replica is to have two.
    @Suite("Scaling under load", .serialized)
    struct Scaling {
        private static let scaling: JSONValue = [
            "minReplicas": 1, "maxReplicas": 6, "targets": [["signal": "InFlight", "value": 2]],
            "behavior": ["scaleDown": ["stabilizationWindowSeconds": 3]],
        ]

        /// Runs so many clients around `body`, each with an own connection for each request.
        private static func withClients(
            _ count: Int,
            of client: StrictClient,
            _ tally: RequestTally,
            _ body: () async throws -> Void
        ) async throws {
            var client = client
            client.keepsConnection = false
            let part = RequestTally(partOf: tally)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<count { group.addTask { [client] in await client.run(part) } }
                defer { part.finish() }
                try await body()
            }
        }

        @Test(
            "a step up, a burst up to the bound, a step down, and a pod that is killed meanwhile",
            .timeLimit(.minutes(3))
        )
        func steps() async throws {
            try await LocalRun.run(["--operator"]) { local in
                try await local.client.apply(
                    Samples.models,
                    Samples.slowModel("iris", milliseconds: 1000, scaling: Self.scaling)
                )
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let client = try await local.strictClient("iris")
                let tally = RequestTally()
                try await Self.withClients(1, of: client, tally) {
                    try await local.settles("iris", at: 1...1)
                    try await Self.withClients(6, of: client, tally) {
                        try await local.settles("iris", at: 3...4)
                        try await Self.withClients(12, of: client, tally) {
                            try await local.settles("iris", at: 6...6)
                        }
                    }
                    try await local.settles("iris", at: 1...1)
                }
                #expect(tally.lost.isEmpty)
                #expect(tally.answered > 30)
                let changes = try await local.model("iris")["status", "scaling", "recentChanges"]?.array ?? []
                #expect(changes.count >= 3)
                #expect(changes.allSatisfy { $0["message"]?.string?.contains("in flight") == true })
            }
        }

        @Test("a server that is killed under load lowers nothing and comes back", .timeLimit(.minutes(2)))
        func crash() async throws {
            try await LocalRun.run(["--operator"]) { local in
                var scaling = Self.scaling
                scaling["behavior"] = ["scaleDown": ["stabilizationWindowSeconds": 0]]
                scaling["minReplicas"] = 1
                scaling["maxReplicas"] = 4
                try await local.client.apply(
                    Samples.models,
                    Samples.slowModel("iris", milliseconds: 1000, scaling: scaling)
                )
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let client = try await local.strictClient("iris")
                let tally = RequestTally()
                try await Self.withClients(12, of: client, tally) {
                    try await local.settles("iris", at: 4...4)
                    let servers = ProcessTable.descendants(of: local.program.id).filter { $0.isServer }
                    let victim = try #require(servers.first)
                    kill(victim.id, SIGKILL)
                    let restarted = try await eventually(within: .seconds(30), "a restart that was counted") {
                        #expect(try await local.replicas(of: "iris") == 4, "the others would do for fewer")
                        let pods = try await local.pods(of: "iris")
                        return pods.first { $0["status", "containerStatuses"]?[0]?["restartCount"]?.int ?? 0 > 0 }
                    }
                    _ = try await eventually(within: .seconds(30), "\(restarted.name) is ready again") {
                        #expect(try await local.replicas(of: "iris") == 4)
                        let pod = try await local.client.get(.pods, restarted.key)
                        return ConditionSet(pod).isTrue("Ready") ? true : nil
                    }
                }
                // What the killed server had in hand, and no more.
                #expect(tally.lost.count <= 12, "\(tally.lost)")
                #expect(tally.answered > 12)
            }
        }

        @Test(
            "an operator that is killed under load and comes back goes on from what runs",
            .timeLimit(.minutes(3))
        )
        func restart() async throws {
            try await LocalRun.run([]) { local in
                try await local.install()
                let first = try local.startOperator()
                try await local.client.apply(
                    Samples.models,
                    Samples.slowModel("iris", milliseconds: 1000, scaling: Self.scaling)
                )
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let client = try await local.strictClient("iris")
                let tally = RequestTally()
                try await Self.withClients(1, of: client, tally) {
                    try await Self.withClients(7, of: client, tally) {
                        try await local.settles("iris", at: 4...4)
                        first.send(SIGKILL)
                        #expect(try await first.end(within: .seconds(5)) == 128 + SIGKILL)
                        try await Self.withClients(12, of: client, tally) {
                            let second = try local.startOperator()
                            _ = try await eventually(within: .seconds(45), "six replicas", pause: .milliseconds(100)) {
                                () -> Bool? in
                                let count = try await local.replicas(of: "iris")
                                #expect(count >= 4, "the new operator lowered what ran")
                                return count == 6 ? true : nil
                            }
                            #expect(second.isRunning, "\(second.output)")
                        }
                    }
                    try await local.settles("iris", at: 1...1)
                }
                #expect(tally.lost.isEmpty)
                let changes = try await local.model("iris")["status", "scaling", "recentChanges"]?.array ?? []
                #expect(changes.contains { $0["toReplicas"]?.int == 4 }, "what the first one did")
            }
        }

        @Test(
            "zero replicas after a while without a request, and back on the first one, which is answered",
            .timeLimit(.minutes(2))
        )
        func zero() async throws {
            try await LocalRun.run(["--operator"]) { local in
                var model = Samples.model("iris")
                model["spec", "scaling", "scaleToZero"] = ["idleSeconds": 10]
                try await local.client.apply(Samples.models, model)
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let (host, port) = try await local.address(of: "iris")
                #expect(try await local.predict("iris", address: "\(host):\(port)") == 200)
                try await local.settles("iris", at: 0...0)
                // The last one is gone: while it went it would still have answered.
                _ = try await eventually(within: .seconds(30), "no pod") { () -> Bool? in
                    try await local.client.list(.pods, namespace: "default").items.isEmpty ? true : nil
                }
                try await local.model("iris", within: .seconds(10)) { $0.isTrue && $0.reason == "ScaledToZero" }
                #expect(try await local.predict("iris", address: "\(host):\(port)", within: .seconds(60)) == 200)
                try await local.settles("iris", at: 1...1)
            }
        }
    }
}
