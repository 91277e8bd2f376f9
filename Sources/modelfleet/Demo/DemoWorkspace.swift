// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import FleetAPI
import Foundation
import KubeAPI
import KubeModel
import YAML

/// The demo's temporary folder, its child processes and how to reach its cluster.
final class DemoWorkspace: Sendable {
    /// The folder; removed at the end.
    let folder: String
    /// The kubeconfig in it.
    var kubeconfig: String { folder + "/kubeconfig" }
    /// Real `kubectl`, where one is installed.
    let kubectl: String?
    private let program: String

    /// Makes the folder.
    init() throws {
        folder = NSTemporaryDirectory() + "modelfleet-demo-" + SystemRandom().nameSuffix(length: 8)
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        program = Bundle.main.executablePath ?? CommandLine.arguments[0]
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        kubectl = path.split(separator: ":").map { "\($0)/kubectl" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Removes the folder.
    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Starts another run of this program.
    func start(_ name: String, _ arguments: [String]) throws -> ChildProcess {
        try ChildProcess(
            executable: program,
            arguments: arguments + ["--stop-with-parent", "--log-level", "notice"],
            log: "\(folder)/\(name).log"
        )
    }

    /// A client for the demo's cluster.
    func client() throws -> KubeClient {
        let connection = try KubeConfiguration.load(environment: [:], explicitPath: kubeconfig)
        return KubeClient(
            exchange: AuthorizingExchange(
                CurlExchange(configuration: CurlConfiguration(tls: connection.tls)),
                credentials: connection.credentials
            ),
            baseURL: connection.server
        )
    }

    /// The model as it is applied: the example with the uri of the file in this checkout.
    func model(_ plan: DemoPlan) throws -> KubeObject {
        guard let text = try? String(contentsOfFile: plan.model, encoding: .utf8) else {
            throw DemoError("\(plan.model) can't be read; run the demo from the project's folder, or say --model")
        }
        let file = URL(fileURLWithPath: plan.modelFile).path
        guard FileManager.default.isReadableFile(atPath: file) else {
            throw DemoError("\(plan.modelFile) can't be read; say --model-file")
        }
        let documents = try JSONValue.documents(yaml: text).map(KubeObject.init)
        guard var model = documents.first(where: { $0.kind == "ModelDeployment" }) else {
            throw DemoError("\(plan.model) holds no ModelDeployment")
        }
        model["spec", "model", "uri"] = .string("file://" + file)
        if model.namespace == nil { model.namespace = "default" }
        return model
    }

    /// Applies objects with real `kubectl` where there is one, else with our own client; says which.
    func apply(_ objects: [KubeObject], name: String, client: KubeClient) async throws -> String {
        guard let kubectl else {
            for object in objects { try await applyDirectly(object, client) }
            return "modelfleet's own client"
        }
        let file = "\(folder)/\(name).yaml"
        try YAMLWriter().text(documents: objects.map(\.json)).write(toFile: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: kubectl)
        process.arguments = ["--kubeconfig", kubeconfig, "apply", "-f", file]
        let output = Pipe()
        process.standardOutput = FileHandle.nullDevice
        process.standardError = output
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder]
        try process.run()
        let errors = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw DemoError("kubectl apply failed: \(String(decoding: errors, as: UTF8.self))")
        }
        return "kubectl"
    }

    private func applyDirectly(_ object: KubeObject, _ client: KubeClient) async throws {
        let types: [ResourceType] = [.customResourceDefinitions, .servingRuntimes, .modelDeployments]
        guard let type = types.first(where: { $0.kind == object.kind && $0.apiVersion == object.apiVersion }) else {
            throw DemoError("the demo doesn't know the kind \(object.kind)")
        }
        try await client.apply(type, object, force: true)
    }
}
