// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import KubeAPI
import KubeModel
import Testing

extension EndToEnd {
    @Suite("What a user is told when something is wrong", .serialized)
    struct Failures {
        /// A model that can't serve, and what its condition says.
        private struct Case {
            var model: KubeObject
            var reason: String
            /// Texts that the message must hold: what is wrong, and what to do.
            var words: [String]
        }

        private static func cases(_ folder: String) throws -> [Case] {
            let whole = try Data(contentsOf: URL(fileURLWithPath: Programs.exampleModel))
            let corrupt = folder + "/corrupt.onnx"
            try whole.prefix(300).write(to: URL(fileURLWithPath: corrupt))
            var sum = Samples.model("sum")
            sum["spec", "model", "sha256"] = .string(String(repeating: "0", count: 64))
            return [
                Case(
                    model: Samples.model("missing", uri: "file://\(folder)/none.onnx"),
                    reason: "ServerExits",
                    words: ["\(folder)/none.onnx", "no such file", "check the path"]
                ),
                Case(
                    model: Samples.model("corrupt", uri: "file://" + corrupt),
                    reason: "ServerExits",
                    words: [corrupt, "isn't a valid ONNX model", "export it again"]
                ),
                Case(
                    model: sum,
                    reason: "ServerExits",
                    words: ["sha256", String(repeating: "0", count: 64), "correct spec.model.sha256"]
                ),
                Case(
                    model: Samples.model("image", format: "nowhere"),
                    reason: "ImagePullFailed",
                    words: ["nowhere.example/none:1", "check spec.container.image of the ServingRuntime"]
                ),
                Case(
                    model: Samples.model("sleepy", format: "never"),
                    reason: "PodNotReady",
                    words: ["GET /ready on port http", "kubectl logs", "kubectl describe pod"]
                ),
            ]
        }

        @Test(
            "a missing or corrupt model, a wrong sha256, an unknown image and a pod that never gets ready are explained",
            .timeLimit(.minutes(2))
        )
        func explained() async throws {
            try await LocalRun.run(["--operator", "--image", "never/ready=/bin/sleep"]) { local in
                let cases = try Self.cases(local.folder)
                for runtime in [
                    Samples.runtime("nowhere", image: "nowhere.example/none:1", arguments: []),
                    Samples.runtime("never", image: "never/ready:1", arguments: ["3600"]),
                ] {
                    try await local.client.apply(Samples.runtimes, runtime, force: true)
                }
                for failing in cases { try await local.client.apply(Samples.models, failing.model) }
                for failing in cases {
                    let name = failing.model.name
                    let ready = try await local.model(name, within: .seconds(60)) { ready in
                        ready.status == .isFalse && ready.reason == failing.reason
                            && failing.words.allSatisfy(ready.message.contains)
                    }
                    #expect(ready.observedGeneration == 1, "\(name)")
                    let event = try await Self.warning(about: failing.model, reason: failing.reason, local)
                    #expect(failing.words.contains { event.contains($0) }, "\(name): \(event)")
                }
            }
        }

        /// The newest message of a warning about an object.
        private static func warning(about model: KubeObject, reason: String, _ local: LocalRun) async throws -> String {
            try await eventually(within: .seconds(10), "an event \(reason) about \(model.name)") {
                let events = try await local.client.list(.events, namespace: model.namespace).items
                return events.last { event in
                    event["type"] == "Warning" && event["reason"]?.string == reason
                        && event["involvedObject", "kind"] == "ModelDeployment"
                        && event["involvedObject", "name"]?.string == model.name
                }?["message"]?.string
            }
        }

        @Test("a wrong field is refused with its path and what is allowed", .timeLimit(.minutes(1)))
        func refused() async throws {
            try await LocalRun.run(["--operator"]) { local in
                let path = "/apis/modelfleet.dev/v1alpha1/namespaces/default/modeldeployments"
                func refusal(_ change: (inout KubeObject) -> Void) async throws -> KubeError {
                    var model = Samples.model("wrong")
                    change(&model)
                    let body = model.json
                    let error = await #expect(throws: KubeError.self) {
                        try await local.client.raw(
                            .post,
                            path,
                            query: [QueryItem("fieldValidation", "Strict")],
                            body: body
                        )
                    }
                    return try #require(error)
                }
                let unknown = try await refusal { $0["spec", "scaling", "maxReplica"] = 3 }
                #expect(unknown.status?.code == 400)
                #expect(unknown.message.contains("unknown field \"spec.scaling.maxReplica\""))
                let low = try await refusal { $0["spec", "scaling", "maxReplicas"] = 0 }
                #expect(low.isInvalid)
                #expect(low.message.contains("spec.scaling.maxReplicas"))
                #expect(low.message.contains("greater than or equal to 1"))
                let engine = try await refusal { $0["spec", "scaling", "engine"] = "Magic" }
                #expect(engine.isInvalid)
                #expect(engine.message.contains("spec.scaling.engine: Unsupported value: \"Magic\""))
                #expect(engine.message.contains("\"HorizontalPodAutoscaler\""))
                let format = try await refusal { $0["spec", "scaling", "minReplicas"] = 9 }
                #expect(format.isInvalid)
                #expect(format.message.contains("spec.scaling"))
                #expect(try await local.client.list(Samples.models).items.isEmpty)
            }
        }

        @Test(
            "real kubectl applies a model, applies its change, and refuses a wrong field",
            .enabled(if: Programs.kubectl != nil, "kubectl is not installed"),
            .timeLimit(.minutes(1))
        )
        func kubectl() async throws {
            try await LocalRun.run(["--operator"]) { local in
                func apply(_ model: KubeObject) async throws -> (status: Int32, output: String) {
                    let file = local.folder + "/model.json"
                    try model.json.encodedPretty().write(toFile: file)
                    return try await local.kubectl(["apply", "-f", file])
                }
                var model = Samples.model("iris")
                #expect(try await apply(model) == (0, "modeldeployment.modelfleet.dev/iris created\n"))
                #expect(try await apply(model) == (0, "modeldeployment.modelfleet.dev/iris unchanged\n"))
                model["spec", "scaling", "maxReplicas"] = 5
                #expect(try await apply(model) == (0, "modeldeployment.modelfleet.dev/iris configured\n"))
                model["spec", "scaling", "maxReplica"] = 5
                let refused = try await apply(model)
                #expect(refused.status == 1)
                #expect(refused.output.contains("unknown field \"spec.scaling.maxReplica\""))
                let explained = try await local.kubectl(["explain", "modeldeployment.spec.scaling"])
                #expect(explained.status == 0)
                #expect(explained.output.contains("maxReplicas\t<integer>"))
            }
        }
    }
}

extension [UInt8] {
    /// Writes a file.
    fileprivate func write(toFile path: String) throws { try Data(self).write(to: URL(fileURLWithPath: path)) }
}
