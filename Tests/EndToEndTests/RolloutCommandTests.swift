// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("The rollout commands", .serialized)
    struct RolloutCommandTests {
        private static let key = ObjectKey(namespace: "default", name: "iris")

        /// The API server alone, with a model whose status no operator writes.
        private static func run(_ body: (LocalRun) async throws -> Void) async throws {
            try await LocalRun.run(["--only-api-server"]) { local in
                let open: JSONValue = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                try await local.client.patch(
                    .customResourceDefinitions,
                    ObjectKey(namespace: nil, name: "modeldeployments.modelfleet.dev"),
                    .json([["op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": open]])
                )
                let model: JSONValue = [
                    "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment",
                    "metadata": ["name": "iris", "namespace": "default"],
                    "spec": [
                        "model": ["format": ["name": "onnx"], "uri": "file:///m.onnx", "version": "v4"],
                        "rollout": ["strategy": "Canary"],
                    ],
                ]
                // The definition that is open now takes a moment to be served.
                _ = try await eventually(within: .seconds(10), "a model with the open schema", seen: { "" }) {
                    _ = try? await local.client.delete(Samples.models, key)
                    try await local.client.create(Samples.models, KubeObject(model))
                    try await status(local, ["probe": true])
                    let stored = try await local.client.get(Samples.models, key)
                    return stored["status", "probe"] == true ? true : nil
                }
                try await status(local, rollout("Analyzing"))
                try await body(local)
            }
        }

        private static func status(_ local: LocalRun, _ status: JSONValue) async throws {
            try await local.client.patch(Samples.models, key, .merge(["status": status]), subresource: "status")
        }

        private static func rollout(_ phase: String, ready: String = "True") -> JSONValue {
            [
                "observedGeneration": 99,
                "conditions": [
                    [
                        "type": "Ready", "status": .string(ready), "reason": "R", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    ]
                ],
                "stable": ["revision": 3, "version": "v3", "replicas": 3, "readyReplicas": 3, "weight": 90],
                "canary": ["revision": 4, "version": "v4", "replicas": 1, "readyReplicas": 1, "weight": 10],
                "rollout": [
                    "phase": .string(phase), "strategy": "Canary", "stableRevision": 3, "canaryRevision": 4,
                    "stepIndex": 1, "stepCount": 6, "desiredWeight": 10, "message": .string("phase \(phase)"),
                ],
            ]
        }

        private static func modelfleet(_ local: LocalRun, _ line: String) async throws -> (
            status: Int32, output: String
        ) {
            let arguments = ["rollout"] + line.split(separator: " ").map(String.init)
            return try await ProgramRun.result(
                Programs.modelfleet(),
                arguments + ["--kubeconfig", local.kubeconfig],
                folder: local.folder
            )
        }

        @Test("shows a rollout and asks for what a person wants", .timeLimit(.minutes(2)))
        func orders() async throws {
            try await Self.run { local in
                func stored() async throws -> KubeObject { try await local.client.get(Samples.models, Self.key) }
                let shown = try await Self.modelfleet(local, "status iris")
                #expect(shown.status == 0)
                #expect(shown.output.contains("└─ canary  r4  v4  10 % of requests  1/1 ready\n"))
                #expect(shown.output.contains("   ▶ analysis\n"))
                let json = try JSONValue(
                    parsing: Array(try await Self.modelfleet(local, "status iris -o json").output.utf8)
                )
                #expect(json["phase"] == "Analyzing")
                for (line, request) in [
                    ("promote iris", "promote 4/1 "), ("promote iris --full", "promote-full 4/1 "),
                    ("abort iris", "abort 4/1 "),
                ] {
                    let result = try await Self.modelfleet(local, line)
                    #expect(result.status == 0, "\(result.output)")
                    let annotation = try await stored().annotation("modelfleet.dev/rollout-request") ?? ""
                    #expect(annotation.hasPrefix(request) && annotation.count > request.count)
                }
                #expect(try await Self.modelfleet(local, "pause iris -n default").status == 0)
                #expect(try await stored()["spec", "rollout", "paused"] == true)
                #expect(try await Self.modelfleet(local, "resume iris").status == 0)
                #expect(try await stored()["spec", "rollout", "paused"] == false)
                let refused = try await Self.modelfleet(local, "retry iris")
                #expect(refused.status == 1)
                #expect(refused.output.hasPrefix("Error: iris: no revision was rolled back"))
                #expect(try await Self.modelfleet(local, "status nobody").status == 1)
            }
        }

        @Test(
            "the list of models names the version that serves, and says that another is rolled out",
            .timeLimit(.minutes(2))
        )
        func listed() async throws {
            try await Self.run { local in
                try await Self.status(local, ["ready": "3/3", "summary": "Analyzing 10%"])
                let result = try await ProgramRun.result(
                    Programs.modelfleet(),
                    ["get", "iris", "--kubeconfig", local.kubeconfig],
                    folder: local.folder
                )
                let row = result.output.split(separator: "\n").dropFirst().first ?? ""
                let columns = ["default", "iris", "v3", "True", "3/3", "–", "Direct", "Analyzing 10%"]
                #expect(row.split(separator: "  ").map { $0.trimmingPrefix(" ") } == columns.map { $0[...] })
            }
        }

        @Test("follows a rollout to its end, and says by the exit code how that was", .timeLimit(.minutes(2)))
        func watches() async throws {
            try await Self.run { local in
                let watch = try ProgramRun(
                    Programs.modelfleet(),
                    ["rollout", "status", "iris", "-w", "--timeout", "60s", "--kubeconfig", local.kubeconfig],
                    folder: local.folder
                )
                _ = try await eventually(within: .seconds(20), "the first line", seen: { watch.output }) {
                    watch.output.contains("Analyzing, step 2 of 6") ? true : nil
                }
                try await Self.status(local, Self.rollout("RolledBack"))
                #expect(try await watch.end(within: .seconds(20)) == 1)
                #expect(watch.output.hasSuffix("RolledBack: phase RolledBack\n"))
                try await Self.status(local, Self.rollout("Settled", ready: "False"))
                let late = try await Self.modelfleet(local, "status iris -w --timeout 2s")
                #expect(late.status == 2)
                #expect(late.output.contains("has not ended within 2"))
                try await Self.status(local, Self.rollout("Settled"))
                #expect(try await Self.modelfleet(local, "status iris -w").status == 0)
            }
        }

        @Test("is a plugin of kubectl", .timeLimit(.minutes(2)), .enabled(if: Programs.kubectl != nil))
        func plugin() async throws {
            try await Self.run { local in
                let kubectl = try #require(Programs.kubectl)
                let bin = local.folder + "/bin"
                try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
                try FileManager.default.createSymbolicLink(
                    atPath: bin + "/kubectl-modelfleet",
                    withDestinationPath: try Programs.modelfleet()
                )
                let result = try await ProgramRun.result(
                    kubectl,
                    ["modelfleet", "rollout", "history", "iris", "-n", "default", "--kubeconfig", local.kubeconfig],
                    folder: local.folder,
                    environment: ["PATH": bin + ":" + (ProcessInfo.processInfo.environment["PATH"] ?? "")]
                )
                #expect(result.status == 0, "\(result.output)")
                #expect(result.output.hasPrefix("REVISION  VERSION"))
            }
        }
    }
}
