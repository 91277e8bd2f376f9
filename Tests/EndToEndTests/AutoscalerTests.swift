// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization
import Testing

extension EndToEnd {
    @Suite("Scaling by a HorizontalPodAutoscaler on the operator's metrics", .serialized)
    struct Autoscaler {
        private static let key = ObjectKey(namespace: "default", name: "iris")
        private static let revision = ObjectKey(namespace: "default", name: "iris-r1")
        private static let apiService = ObjectKey(namespace: nil, name: "v1beta1.external.metrics.k8s.io")

        /// A model that wants a replica for each ten requests a second, at most three.
        private static func model(engine: String) -> KubeObject {
            var model = Samples.model("iris")
            model["spec", "scaling"] = [
                "engine": .string(engine), "minReplicas": 1, "maxReplicas": 3, "intervalSeconds": 1,
                "targets": [["signal": "RequestRate", "value": 10]],
            ]
            return model
        }

        @Test(
            "a real load raises the count through the HPA, and its end lowers it; what the HPA read is in its status",
            .timeLimit(.minutes(3))
        )
        func upAndDown() async throws {
            try await LocalRun.run(["--operator", "--horizontal-pod-autoscaler-sync-period", "2s"]) { local in
                var model = Self.model(engine: "HorizontalPodAutoscaler")
                model["spec", "scaling", "behavior"] = ["scaleDown": ["stabilizationWindowSeconds": 4]]
                try await local.client.apply(Samples.models, model)
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let address = try await Self.address(local)
                _ = try await eventually(within: .seconds(30), "a first reading of the HPA") {
                    let found = try await local.client.find(.horizontalPodAutoscalers, Self.key)
                    return found.flatMap { ConditionSet($0)["ScalingActive"]?.status == .isTrue ? true : nil }
                }
                #expect(try await Self.replicas(local) == 1)

                let load = try Self.load(address, seconds: 45, folder: local.folder)
                try await Self.wait(for: 3, within: .seconds(40), local)
                let scaler = try await local.client.get(.horizontalPodAutoscalers, Self.key)
                #expect(scaler["status", "desiredReplicas"] == 3)
                let shown = scaler["status", "currentMetrics"]?.array?.first?["external"]
                #expect(shown?.at("metric", "name") == "modelfleet_request_rate")
                #expect(Quantity(shown?.at("current", "averageValue"))?.double ?? 0 > 0)
                try await local.model("iris", within: .seconds(30)) { $0.isTrue }
                let pods = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/modelfleet_request_rate"
                let items = try await eventually(within: .seconds(20), "a value of each pod") {
                    let items = try await local.client.raw(.get, pods)["items"]?.array ?? []
                    return items.count == 3 ? items : nil
                }
                #expect(items.allSatisfy { $0.at("describedObject", "kind") == "Pod" })

                if Programs.kubectl != nil {
                    let top = try await eventually(within: .seconds(40), "`kubectl top pods` with three pods") {
                        let top = try await local.kubectl(["top", "pods"])
                        return top.output.components(separatedBy: "iris-r1-").count == 4 ? top : nil
                    }
                    #expect(top.status == 0 && top.output.contains("Mi"), "\(top.output)")
                    let nodes = try await local.kubectl(["top", "nodes"])
                    #expect(nodes.status == 0 && nodes.output.contains("%"), "\(nodes.output)")
                }

                #expect(try await load.end(within: .seconds(60)) == 0, "\(load.output)")
                #expect(load.output.contains(" 0 failed"), "\(load.output)")
                try await Self.wait(for: 1, within: .seconds(40), local)
                let events = try await local.client.list(.events, namespace: "default").items.filter {
                    $0["reason"] == "SuccessfulRescale"
                }
                let messages = Set(events.compactMap { $0["message"]?.string })
                #expect(messages.contains { $0.contains("modelfleet_request_rate") && $0.contains("above target") })
                #expect(messages.contains { $0.contains("New size: 1; reason: All metrics below target") })
                let service = try await local.client.get(.apiServices, Self.apiService)
                #expect(ConditionSet(service)["Available"]?.status == .isTrue)
                #expect(service["spec", "caBundle"]?.string?.isEmpty == false)
            }
        }

        @Test(
            "the engine changes on a live model under load, to the HPA and back, and the count doesn't move",
            .timeLimit(.minutes(3))
        )
        func handover() async throws {
            try await LocalRun.run(["--operator", "--horizontal-pod-autoscaler-sync-period", "2s"]) { local in
                try await local.client.apply(Samples.models, Self.model(engine: "Direct"))
                try await local.model("iris", within: .seconds(60)) { $0.isTrue }
                let load = try Self.load(try await Self.address(local), seconds: 120, folder: local.folder)
                try await Self.wait(for: 3, within: .seconds(60), local)
                try await local.model("iris", within: .seconds(30)) { $0.isTrue }
                let seen = Counts()
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        while !seen.isOver {
                            seen.add(try await Self.replicas(local))
                            try await Task.sleep(for: .milliseconds(20))
                        }
                    }
                    try await Self.change(local, to: "HorizontalPodAutoscaler")
                    _ = try await eventually(within: .seconds(40), "two decisions of the HPA") {
                        let found = try await local.client.find(.horizontalPodAutoscalers, Self.key)
                        let isActive = found.flatMap { ConditionSet($0)["ScalingActive"] }?.status == .isTrue
                        return isActive && found?["status", "currentReplicas"] == 3 ? true : nil
                    }
                    try await seen.more(200)
                    #expect(try await local.client.get(Samples.models, Self.key)["spec", "replicas"] == 3)

                    try await Self.change(local, to: "Direct")
                    _ = try await eventually(within: .seconds(40), "a decision of the operator, and no HPA") {
                        let model = try await local.client.get(Samples.models, Self.key)
                        let isGone = try await local.client.find(.horizontalPodAutoscalers, Self.key) == nil
                        let decision = model["status", "scaling", "lastDecision"]
                        return isGone && decision != nil && model["status", "scaling", "engine"] == "Direct"
                            ? true : nil
                    }
                    try await seen.more(200)
                    seen.finish()
                    try await group.waitForAll()
                }
                #expect(seen.counts == [3], "the count moved: \(seen.counts)")
                await load.stop()
            }
        }

        private static func change(_ local: LocalRun, to engine: String) async throws {
            let patch: JSONValue = ["spec": ["scaling": ["engine": .string(engine)]]]
            _ = try await local.client.patch(Samples.models, Self.key, .merge(patch))
        }

        private static func replicas(_ local: LocalRun) async throws -> Int {
            try await local.client.get(.deployments, Self.revision)["spec", "replicas"]?.int ?? -1
        }

        private static func wait(for count: Int, within limit: Duration, _ local: LocalRun) async throws {
            var last: KubeObject?
            _ = try await eventually(
                within: limit,
                "\(count) ready replicas",
                seen: { "Last: \(last?["status"]?.jsonText ?? "")" }
            ) {
                let found = try await local.client.get(.deployments, Self.revision)
                last = found
                let isThere = found["spec", "replicas"]?.int == count && found["status", "readyReplicas"]?.int == count
                return isThere ? true : nil
            }
        }

        private static func address(_ local: LocalRun) async throws -> String {
            let service = try await local.client.get(.services, Self.key)
            let port = geteuid() == 0 ? "" : ":8080"
            return (service["spec", "clusterIP"]?.string ?? "") + port
        }

        /// Thirty requests a second, evenly spaced.
        private static func load(_ address: String, seconds: Int, folder: String) throws -> ProgramRun {
            try ProgramRun(
                Programs.modelfleet(),
                [
                    "load", "http://\(address)/v1/models/iris:predict", "--body",
                    #"{"instances": [[5.1, 3.5, 1.4, 0.2]]}"#,
                    "--rate", "30", "--seconds", "\(seconds)", "--uniform",
                ],
                folder: folder
            )
        }
    }
}

/// The counts that a Deployment was seen with.
private final class Counts: Sendable {
    private struct State {
        var counts: Set<Int> = []
        var looks = 0
        var isOver = false
    }

    private let state = Mutex(State())

    var counts: Set<Int> { state.withLock { $0.counts } }
    var isOver: Bool { state.withLock { $0.isOver } }

    func add(_ count: Int) {
        state.withLock { state in
            state.counts.insert(count)
            state.looks += 1
        }
    }

    func finish() { state.withLock { $0.isOver = true } }

    /// Waits for this many further looks.
    func more(_ count: Int) async throws {
        let goal = state.withLock { $0.looks } + count
        _ = try await eventually(within: .seconds(60), "\(count) more looks") {
            self.state.withLock { $0.looks >= goal ? true : nil }
        }
    }
}
