// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Logging
import Synchronization
import Telemetry
import Testing

@testable import Controllers

/// A real API server in this process, an operator that talks to it, and hands to play Deployment controller and kubelet.
final class OperatorHarness: Sendable {
    let client: KubeClient
    let pages = Mutex<[String: String]>([:])
    let metrics = MetricsRegistry()
    private let server: APIServer

    init() async throws {
        server = APIServer()
        client = KubeClient(exchange: server)
        for definition in FleetAPI.customResourceDefinitions {
            try await client.create(.customResourceDefinitions, definition)
        }
        try await client.create(.servingRuntimes, ServingRuntime.builtIn)
    }

    /// Runs an operator while `body` runs.
    func withOperator(
        namespaces: [String] = [],
        configuration: OperatorConfiguration = OperatorConfiguration(),
        _ body: @Sendable @escaping (OperatorHarness) async throws -> Void
    ) async throws {
        let service = service(namespaces: namespaces, configuration: configuration)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            group.addTask { try await body(self) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// An operator, by default over the harness's own client.
    func service(
        exchange: (any HTTPExchange)? = nil,
        namespaces: [String] = [],
        configuration: OperatorConfiguration = OperatorConfiguration()
    ) -> OperatorService {
        let scrape = ClosureExchange { [self] request in
            let page = pages.withLock { $0[request.head.authority ?? ""] }
            guard let page else { return HTTPResponseMessage(status: .notFound, text: "") }
            return HTTPResponseMessage(status: .ok, text: page)
        }
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var client = client
        if let exchange { client.exchange = exchange }
        return OperatorService(
            client: client,
            scrapeExchange: scrape,
            logger: logger,
            namespaces: namespaces,
            configuration: configuration,
            metrics: metrics
        )
    }

    /// Gives models a new version, and waits until somebody has made its Deployment.
    func change(_ names: [String], version: Int) async throws {
        for name in names {
            let patch: JSONValue = ["spec": ["model": ["version": .string("\(version)")]]]
            try await client.patch(.modelDeployments, Self.key(name), .merge(patch))
        }
        for name in names { try await expect(.deployments, "\(name)-r\(version)") { _ in true } }
    }

    static func model(_ name: String = "m", spec: JSONValue = [:]) -> KubeObject {
        var json: JSONValue = [
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ModelDeployment",
            "metadata": ["name": .string(name), "namespace": "default"],
            "spec": ["model": ["format": ["name": "onnx"], "uri": "file:///models/m.onnx"]],
        ]
        for (key, value) in spec.object ?? JSONObject() { json.set(value, at: "spec", key) }
        return KubeObject(json)
    }

    static func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }

    /// Reads until `accept` answers true; the suite's time limit ends it otherwise.
    @discardableResult
    func expect(
        _ type: ResourceType,
        _ name: String,
        _ accept: @Sendable (KubeObject) -> Bool
    ) async throws -> KubeObject {
        while true {
            if let object = try await client.find(type, Self.key(name)), accept(object) { return object }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func expectGone(_ type: ResourceType, _ name: String) async throws {
        while let object = try await client.find(type, Self.key(name)), !object.isBeingDeleted {
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func condition(_ object: KubeObject, _ type: String) -> Condition? { ConditionSet(object)[type] }

    /// Plays the Deployment controller: says how many replicas are ready.
    func setReady(_ deployment: String, _ count: Int, replicas: Int? = nil, generation: Int = 1) async throws {
        let status: JSONValue = [
            "replicas": JSONValue(replicas ?? count), "readyReplicas": JSONValue(count),
            "observedGeneration": JSONValue(generation),
        ]
        try await client.patch(
            .deployments,
            Self.key(deployment),
            .merge(["status": status]),
            subresource: "status"
        )
    }

    /// Plays the kubelet: a pod of a revision with a status.
    func addPod(_ name: String, model: String = "m", revision: Int = 1, status: JSONValue) async throws {
        var pod = KubeObject(.pods, namespace: "default", name: name)
        pod.labels = [FleetAPI.modelLabel: model, FleetAPI.revisionLabel: "\(revision)"]
        pod["spec"] = ["containers": [["name": "server", "image": "modelfleet/server:0.1.0"]]]
        try await client.create(.pods, pod)
        try await client.patch(.pods, Self.key(name), .merge(["status": status]), subresource: "status")
    }

    static func ready(_ address: String) -> JSONValue {
        [
            "phase": "Running", "podIP": .string(address),
            "conditions": [["type": "Ready", "status": "True"]],
        ]
    }

    static func waiting(_ reason: String, _ message: String, terminated: JSONValue? = nil) -> JSONValue {
        var container: JSONValue = [
            "name": "server", "image": "modelfleet/server:0.1.0", "imageID": "", "ready": false, "restartCount": 3,
            "state": ["waiting": ["reason": .string(reason), "message": .string(message)]],
        ]
        if let terminated { container["lastState"] = ["terminated": terminated] }
        return ["phase": "Pending", "containerStatuses": [container]]
    }
}
