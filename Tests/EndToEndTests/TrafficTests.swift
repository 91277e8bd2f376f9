// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("Requests through the local cluster's Services", .serialized)
    struct Traffic {
        @Test(
            "weights are exact, and not one request fails while weights, pods and versions move",
            .timeLimit(.minutes(4))
        )
        func moving() async throws {
            try await LocalRun.run(["--image", "test/model=" + Programs.modelServer()]) { local in
                for track in ["m", "m-canary"] {
                    try await local.client.create(.deployments, Self.deployment(track))
                    try await local.client.create(.services, Self.service(track))
                }
                for track in ["m", "m-canary"] { try await Self.untilReady(track, 2, local) }
                let address = try await local.client.get(.services, Self.key("m"))["spec", "clusterIP"]?.string ?? ""
                try await Self.weigh(10, local)
                let quiet = SteadyLoad(local.curl, authority: address + ":8080")
                _ = try await eventually(within: .seconds(30), "an answer", seen: { "\(quiet.seen)" }) {
                    await quiet.ask()
                    return quiet.seen.answers.isEmpty ? nil : true
                }
                let before = quiet.seen
                for _ in 0..<300 { await quiet.ask() }
                #expect(quiet.seen.failures.count == before.failures.count)
                #expect((quiet.seen.answers["/m-canary"] ?? 0) - (before.answers["/m-canary"] ?? 0) == 30)
                let load = SteadyLoad(local.curl, authority: address + ":8080")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await load.run(clients: 8) }
                    defer { group.cancelAll() }
                    for round in 0..<3 {
                        for weight in [50, 100, 25] { try await Self.weigh(weight, local) }
                        try await Self.change("m", replicas: 1 + round % 2, version: round, local)
                        try await Self.change("m-canary", replicas: 2 - round % 2, version: round, local)
                        try await Self.weigh(0, local)
                        try await Self.untilReady("m", 1 + round % 2, local)
                        try await Self.untilReady("m-canary", 2 - round % 2, local)
                    }
                }
                #expect(load.seen.failures == [])
                #expect(load.seen.total > 500)
                #expect(Set(load.seen.answers.keys) == ["/m", "/m-canary"])
            }
        }

        private static func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }

        private static func weigh(_ weight: Int, _ local: LocalRun) async throws {
            let rule = TrafficRule(backends: [.init(service: "m-canary", weight: weight)])
            try await local.client.patch(
                .services,
                key("m"),
                .merge(["metadata": ["annotations": [FleetAPI.trafficAnnotation: .string(rule.annotation)]]])
            )
        }

        /// Rolls a Deployment to another template and another size.
        private static func change(_ name: String, replicas: Int, version: Int, _ local: LocalRun) async throws {
            let template: JSONValue = ["metadata": ["annotations": ["round": .string("\(version)")]]]
            try await local.client.patch(
                .deployments,
                key(name),
                .merge(["spec": ["replicas": JSONValue(replicas), "template": template]])
            )
        }

        private static func untilReady(_ name: String, _ replicas: Int, _ local: LocalRun) async throws {
            var last: JSONValue?
            _ = try await eventually(
                within: .seconds(60),
                "\(replicas) ready pods of \(name)",
                seen: { "\(last ?? .null)" }
            ) {
                let deployment = try await local.client.get(.deployments, key(name))
                last = deployment["status"]
                let status = deployment["status"]
                let isDone =
                    status?["observedGeneration"]?.int == deployment["metadata", "generation"]?.int
                    && status?["replicas"]?.int == replicas && status?["readyReplicas"]?.int == replicas
                    && status?["updatedReplicas"]?.int == replicas
                return isDone ? true : nil
            }
        }

        private static func deployment(_ name: String) -> KubeObject {
            var object = KubeObject(.deployments, namespace: "default", name: name)
            let container: JSONValue = [
                "name": "server", "image": "test/model:1",
                "args": ["--model-uri", .string("file:///\(name)?milliseconds=5"), "--port", "8080"],
                "env": [["name": "MODELFLEET_HOST", "valueFrom": ["fieldRef": ["fieldPath": "status.podIP"]]]],
                "ports": [["name": "http", "containerPort": 8080]],
                "readinessProbe": ["httpGet": ["path": "/ready", "port": "http"], "periodSeconds": 1],
            ]
            object["spec"] = [
                "replicas": 2, "selector": ["matchLabels": ["app": .string(name)]],
                "template": ["metadata": ["labels": ["app": .string(name)]], "spec": ["containers": [container]]],
            ]
            return object
        }

        private static func service(_ name: String) -> KubeObject {
            var object = KubeObject(.services, namespace: "default", name: name)
            object["spec"] = [
                "selector": ["app": .string(name)],
                "ports": [["name": "http", "port": 8080, "targetPort": "http"]],
            ]
            return object
        }
    }
}
