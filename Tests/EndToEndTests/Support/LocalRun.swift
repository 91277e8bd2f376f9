// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import YAML

/// A running `modelfleet local` with a client for it.
struct LocalRun: Sendable {
    /// The program.
    let program: ProgramRun
    /// The kubeconfig that it wrote.
    let kubeconfig: String
    /// Where it and its helpers write.
    let folder: String
    /// A client.
    let client: KubeClient
    /// What carries the client's requests; it also reaches pods and Services.
    let curl: CurlExchange

    /// Starts one, hands it to `body`, and stops it, however `body` ends.
    static func run(
        _ arguments: [String],
        _ body: (LocalRun) async throws -> Void
    ) async throws {
        let folder = try TestFolder()
        let local = try await start(arguments, folder: folder.path)
        do {
            try await body(local)
        } catch {
            await local.stop()
            throw error
        }
        await local.stop()
    }

    /// Starts one that the caller stops.
    static func start(_ arguments: [String], folder: String) async throws -> LocalRun {
        let kubeconfig = folder + "/kubeconfig"
        let program = try ProgramRun(
            Programs.modelfleet(),
            ["local", "--kubeconfig", kubeconfig, "--stop-with-parent", "--log-level", "error"] + arguments,
            folder: folder,
            environment: ["TMPDIR": folder]
        )
        do {
            let connection: ClusterConnection = try await eventually(
                within: .seconds(30),
                "the kubeconfig of the local cluster",
                seen: { program.output }
            ) {
                guard program.isRunning else { throw TestFailure("modelfleet local ended: \(program.output)") }
                guard FileManager.default.fileExists(atPath: kubeconfig) else { return nil }
                return try KubeConfiguration.load(environment: [:], explicitPath: kubeconfig)
            }
            let curl = CurlExchange(configuration: CurlConfiguration(tls: connection.tls))
            let client = KubeClient(
                exchange: AuthorizingExchange(curl, credentials: connection.credentials),
                baseURL: connection.server,
                fieldManager: "modelfleet-tests"
            )
            if arguments.contains("--operator") {
                _ = try await eventually(within: .seconds(15), "the operator's kinds", seen: { program.output }) {
                    do throws(KubeError) {
                        _ = try await client.list(Samples.models)
                        return try await client.list(Samples.runtimes).items.isEmpty ? nil : true
                    } catch {
                        if error.isNotFound { return nil }
                        throw error
                    }
                }
            }
            return LocalRun(program: program, kubeconfig: kubeconfig, folder: folder, client: client, curl: curl)
        } catch {
            await program.stop()
            throw error
        }
    }

    /// Stops it.
    func stop() async {
        await program.stop()
        curl.shutdown()
    }

    /// Runs real `kubectl` against it.
    func kubectl(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        guard let kubectl = Programs.kubectl else { throw TestFailure("kubectl is not installed") }
        return try await ProgramRun.result(kubectl, ["--kubeconfig", kubeconfig] + arguments, folder: folder)
    }

    /// Waits until a condition of a model is as wanted.
    @discardableResult
    func model(
        _ name: String,
        within limit: Duration,
        until isWanted: (_ ready: Condition) -> Bool
    ) async throws -> Condition {
        var last: Condition?
        return try await eventually(
            within: limit,
            "the wanted condition Ready of \(name)",
            seen: { "Last: \(last.map { "\($0.status) \($0.reason): \($0.message)" } ?? "none")" }
        ) {
            let model = try await client.get(Samples.models, ObjectKey(namespace: "default", name: name))
            guard let ready = ConditionSet(model)["Ready"] else { return nil }
            last = ready
            return isWanted(ready) ? ready : nil
        }
    }

    /// Asks a model for a prediction through its Service; the HTTP status.
    func predict(_ name: String, address: String, within limit: Duration = .seconds(10)) async throws -> Int {
        let head = HTTPRequest(
            method: .post,
            scheme: "http",
            authority: address,
            path: "/v1/models/\(name):predict",
            headerFields: [.contentType: "application/json"]
        )
        let body: JSONValue = ["instances": [[5.1, 3.5, 1.4, 0.2]]]
        let response = try await curl.exchange(
            HTTPRequestMessage(head: head, body: StreamingBody(body.encoded()), timeout: limit)
        )
        _ = try await response.body.collect(upTo: 1 << 20)
        return response.head.status.code
    }
}

/// Objects that the tests apply.
enum Samples {
    /// ModelDeployments.
    static let models = ResourceType(
        group: "modelfleet.dev",
        version: "v1alpha1",
        kind: "ModelDeployment",
        plural: "modeldeployments",
        isNamespaced: true
    )

    /// ServingRuntimes.
    static let runtimes = ResourceType(
        group: "modelfleet.dev",
        version: "v1alpha1",
        kind: "ServingRuntime",
        plural: "servingruntimes",
        isNamespaced: false
    )

    /// A model of the example's file.
    static func model(
        _ name: String,
        uri: String = "file://" + Programs.exampleModel,
        format: String = "onnx",
        replicas: Int = 1
    ) -> KubeObject {
        var object = KubeObject(models, namespace: "default", name: name)
        object["spec", "model"] = ["format": ["name": .string(format)], "uri": .string(uri), "version": "1"]
        object["spec", "scaling"] = [
            "minReplicas": JSONValue(replicas), "maxReplicas": JSONValue(replicas + 2), "intervalSeconds": 1,
        ]
        return object
    }

    /// A runtime whose container only runs an image with arguments, and says on `/ready` when it is ready.
    static func runtime(_ name: String, image: String, arguments: [String]) -> KubeObject {
        var object = KubeObject(runtimes, namespace: nil, name: name)
        object["spec", "supportedModelFormats"] = [["name": .string(name), "autoSelect": true]]
        object["spec", "container"] = [
            "image": .string(image), "args": .array(arguments.map(JSONValue.string)),
            "ports": [["name": "http", "containerPort": 8080]],
            "readinessProbe": ["httpGet": ["path": "/ready", "port": "http"], "periodSeconds": 1],
        ]
        return object
    }

    /// The objects of a YAML text.
    static func objects(_ text: String) throws -> [KubeObject] {
        try JSONValue.documents(yaml: text).map(KubeObject.init)
    }
}
