// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    /// Pods whose pages say what the test wants, so that it knows what ought to be decided.
    @Suite("Metrics that can't be trusted", .serialized)
    struct MetricsTrouble {
        private static let scaling: JSONValue = [
            "minReplicas": 1, "maxReplicas": 6, "targets": [["signal": "QueueLength", "value": 4]],
            "behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]],
        ]

        private static func page(_ queue: String) -> String {
            "modelfleet_queue_length \(queue)\nmodelfleet_requests_in_flight 1\n"
        }

        /// What is said of three replicas with a queue of three each: three are needed, two of them would do for two.
        private static let honest = "queue 3 under target 4 on 3 replicas"

        /// Gives all pods another page at one moment, as the operator sees it.
        private static func show(_ queue: String, in local: LocalRun) async throws {
            try await local.patchScaling("m", ["paused": true])
            _ = try await eventually(within: .seconds(20), "m is paused") { () -> Bool? in
                let decision = try await local.model("m")["status", "scaling", "lastDecision"]
                return decision?["reason"]?.string == "Paused" ? true : nil
            }
            for pod in try await local.pods(of: "m") { try await local.tell(pod, "/page", page(queue)) }
            for pod in try await local.pods(of: "m") { try await local.isRead(pod) }
            try await local.patchScaling("m", ["paused": false])
        }

        /// A cluster with one model of three replicas, each with a queue near its target.
        private static func run(_ body: (LocalRun) async throws -> Void) async throws {
            let fixture = try Programs.fixtureServer()
            try await LocalRun.run(["--operator", "--image", "fixture/server=\(fixture)"]) { local in
                try await local.client.apply(Samples.runtimes, Samples.fixtureRuntime, force: true)
                try await local.client.apply(Samples.models, Samples.fixtureModel("m", scaling: Self.scaling))
                try await local.model("m", within: .seconds(60)) { $0.isTrue }
                try await local.tell(try #require(try await local.pods(of: "m").first), "/page", page("12"))
                try await local.settles("m", at: 3...3)
                try await show("3", in: local)
                try await local.decides("m", Self.honest)
                #expect(try await local.replicas(of: "m") == 3)
                try await body(local)
            }
        }

        @Test(
            "a page that hangs, lies or vanishes is missing: the count holds and the reason names the pod; a huge one raises",
            .timeLimit(.minutes(3))
        )
        func missing() async throws {
            try await Self.run { local in
                let pods = try await local.pods(of: "m")
                let liar = try #require(pods.first)
                for (path, body, words) in [
                    ("/page", Self.page("-5"), "modelfleet_queue_length is -5"),
                    ("/page", Self.page("NaN"), "modelfleet_queue_length is NaN"),
                    ("/page", Self.page("+Inf"), "modelfleet_queue_length is +Inf"),
                    ("/hang", "", "no metrics from pod \(liar.name)"), ("/page", Self.page("3"), Self.honest),
                    ("/vanish", "", "no metrics from pod \(liar.name)"),
                ] {
                    try await local.tell(liar, path, body)
                    let said = try await local.decides("m", words)
                    #expect(try await local.replicas(of: "m") == 3, "\(said)")
                }
                // Without any page nothing can be decided, and that is said; with all of them again the count falls.
                for pod in pods { try await local.tell(pod, "/vanish") }
                let reason = try await eventually(within: .seconds(20), "ScalingActive is false") {
                    let condition = ConditionSet(try await local.model("m"))["ScalingActive"]
                    return condition?.status == .isFalse ? condition?.reason : nil
                }
                #expect(reason == "MissingData")
                #expect(try await local.replicas(of: "m") == 3)
                try await Self.show("1", in: local)
                try await local.settles("m", at: 1...1)
                // A huge number is believed as far as the bounds go, and the truth brings the count back.
                try await local.tell(try #require(try await local.pods(of: "m").first), "/page", Self.page("1e300"))
                try await local.settles("m", at: 6...6)
                try await local.decides("m", "by maxReplicas")
                try await Self.show("0", in: local)
                try await local.settles("m", at: 1...1)
            }
        }
    }
}
