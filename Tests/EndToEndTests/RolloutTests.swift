// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("New versions under load", .serialized)
    struct Rollouts {
        /// What comes of one version.
        private struct Outcome {
            var outcome: String
            var reason: String
            /// From the change of the spec to the outcome in status.
            var time: Duration
            /// Until the last of its requests was on the version that serves from then on.
            var load: SteadyLoad.Tally
        }

        @Test(
            """
            a good version is promoted; one with 5 % errors, one of twice the latency and one that answers otherwise come back by \
            themselves, and no client sees more of it than the bad version's own answers
            """,
            .timeLimit(.minutes(10))
        )
        func byThemselves() async throws {
            try await LocalRun.run(["--operator", "--image", "test/model=" + Programs.modelServer()]) { local in
                try await local.client.apply(Samples.runtimes, Self.runtime, force: true)
                try await local.client.create(Samples.models, Self.model("1", "/first?milliseconds=30"))
                try await local.model("m", within: .seconds(60)) { $0.status == .isTrue }
                let service = try await local.client.get(.services, Self.key)
                let address = service["spec", "clusterIP"]?.string ?? ""
                let load = SteadyLoad(local.curl, authority: try await Self.authority(address, local))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await load.run(clients: 12) }
                    defer { group.cancelAll() }
                    var report: [String] = []
                    for (version, uri, expected, words) in [
                        ("2", "/good?milliseconds=30", "Promoted", "promoted"),
                        ("3", "/failing?milliseconds=30&errors=0.05", "RolledBack", "errors"),
                        ("4", "/slow?milliseconds=60", "RolledBack", "slower with"),
                        ("5", "/other?milliseconds=30&cats=0.8", "RolledBack", "canary outputs"),
                    ] {
                        let before = load.seen
                        let outcome = try await Self.roll(version, uri, load, local)
                        #expect(outcome.outcome == expected, "version \(version): \(outcome.reason)")
                        #expect(outcome.reason.contains(words), "version \(version): \(outcome.reason)")
                        #expect(outcome.load.failures == before.failures)
                        report.append(
                            "version \(version) (\(uri)): \(outcome.outcome) after \(outcome.time), "
                                + "\(outcome.load.total - before.total) requests, "
                                + "\(outcome.load.modelErrors - before.modelErrors) errors: \(outcome.reason)"
                        )
                    }
                    print(report.joined(separator: "\n"))
                    // The last rolled back version gets nothing any more, and the good one serves on.
                    let status = try await local.client.get(Samples.models, Self.key)["status"]
                    #expect(status?["stable"]?["version"] == "2")
                    let last = load.seen
                    _ = try await eventually(within: .seconds(20), "two hundred requests more") {
                        load.seen.total > last.total + 200 ? true : nil
                    }
                    for bad in ["/failing", "/slow", "/other"] {
                        #expect(load.seen.answers[bad] == last.answers[bad])
                    }
                }
                #expect(load.seen.failures == [])
                #expect(load.seen.modelErrors <= load.seen.answers["/failing"] ?? 0)
            }
        }

        private static let key = ObjectKey(namespace: "default", name: "m")

        /// Gives the model another version and waits for its outcome.
        private static func roll(
            _ version: String,
            _ uri: String,
            _ load: SteadyLoad,
            _ local: LocalRun
        ) async throws -> Outcome {
            let start = ContinuousClock.now
            let model: JSONValue = ["version": .string(version), "uri": .string("file://" + uri)]
            try await local.client.patch(Samples.models, key, .merge(["spec": ["model": model]]))
            var last: JSONValue?
            let entry = try await eventually(
                within: .seconds(170),
                "the outcome of version \(version)",
                seen: { "\(last ?? .null) \(load.seen.answers) \(load.seen.failures.suffix(3))" }
            ) { () -> JSONValue? in
                let status = try await local.client.get(Samples.models, key)["status"]
                last = status
                let entry = status?["history"]?.array?.first { $0["version"]?.string == version }
                // Its pods are gone, and the requests are where they are from now on.
                guard let entry, status?["canary"] == nil || entry["outcome"] != "Promoted" else { return nil }
                return entry
            }
            return Outcome(
                outcome: entry["outcome"]?.string ?? "",
                reason: entry["reason"]?.string ?? "",
                time: start.duration(to: .now),
                load: load.seen
            )
        }

        /// Where the Service listens: its port, or the one that stands for it where that needs root.
        private static func authority(_ address: String, _ local: LocalRun) async throws -> String {
            try await eventually(within: .seconds(20), "an answer of the Service") {
                for port in [80, 8080] {
                    let probe = SteadyLoad(local.curl, authority: "\(address):\(port)")
                    await probe.ask()
                    if !probe.seen.answers.isEmpty { return "\(address):\(port)" }
                }
                return nil
            }
        }

        /// A canary in two steps, with short analyses and a short warm-up: the load is what 12 clients ask. One run in a thousand may call a good
        /// version worse.
        private static func model(_ version: String, _ uri: String) -> KubeObject {
            var object = Samples.model("m", uri: "file://" + uri, format: "test", replicas: 2)
            object["spec", "model", "version"] = .string(version)
            object["spec", "rollout"] = [
                "strategy": "Canary",
                "steps": [
                    ["setWeight": 25], ["analysis": .emptyObject], ["setWeight": 50], ["analysis": .emptyObject],
                ],
                "analysis": [
                    "warmupSeconds": 2, "intervalSeconds": 1, "durationSeconds": 120, "minimumRequests": 20,
                    "onInconclusive": "Rollback", "onNoData": "Rollback", "falseRollbackRate": 0.001, "maxDrift": 0.1,
                ],
            ]
            return object
        }

        private static let runtime: KubeObject = {
            var object = Samples.runtime(
                "test",
                image: "test/model:1",
                arguments: ["--model-uri", "${model.uri}", "--port", "8080"]
            )
            object["spec", "metrics"] = [
                "path": "/metrics", "inFlight": ["name": "requests_in_flight"],
                "latency": ["name": "request_duration_seconds", "unit": "Seconds"],
                "requests": ["name": "requests_total", "codeLabel": "code", "errorCodes": ["5"]],
                "outputs": ["name": "outputs_total", "categoryLabel": "class"],
            ]
            return object
        }()
    }
}
