// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import Foundation
import KubeAPI
import KubeModel

/// The models that are measured with, and their children.
struct Fleet: Sendable {
    /// The server that holds them.
    let server: BenchServer
    /// The number of models that exist.
    private(set) var count = 0

    /// A fleet without a model.
    init(server: BenchServer) { self.server = server }

    /// The name of a model.
    static func name(_ index: Int) -> String { "model-\(String(100_000 + index).dropFirst())" }

    /// The key of a model.
    static func key(_ index: Int) -> ObjectKey { ObjectKey(namespace: BenchServer.namespace, name: name(index)) }

    /// A model as a user would write it: format, file, version, resources and bounds.
    static func model(_ index: Int) -> KubeObject {
        var object = KubeObject(.modelDeployments, namespace: BenchServer.namespace, name: name(index))
        object["spec"] = [
            "model": [
                "format": ["name": "onnx"], "uri": .string("https://models.example.com/\(name(index))/model.onnx"),
                "version": "1.0.0",
            ],
            "resources": ["requests": ["cpu": "500m", "memory": "512Mi"]],
            "scaling": ["minReplicas": 1, "maxReplicas": 4],
        ]
        return object
    }

    /// Creates `more` models with one `kubectl create -f`; answers its seconds.
    mutating func create(_ more: Int, folder: String) async throws -> Double {
        let file = "\(folder)/models-\(count)-\(more).json"
        let documents = (count..<count + more).map { Self.model($0).json.encoded() + [UInt8(ascii: "\n")] }
        try Data(documents.joined()).write(to: URL(fileURLWithPath: file))
        count += more
        let watch = Stopwatch()
        let kubectl = try BenchProcess(
            "/usr/bin/env",
            ["kubectl", "create", "--kubeconfig", server.kubeconfig, "-o", "name", "-f", file],
            log: "\(folder)/kubectl-\(count).log"
        )
        try await waitUntil("kubectl create", limit: .seconds(600), every: .milliseconds(5)) { !kubectl.isRunning }
        let seconds = watch.seconds
        guard kubectl.exitCode == 0 else { throw BenchError("kubectl create failed: \(kubectl.lastWords)") }
        return seconds
    }

    /// Says of every Deployment that its replicas are ready, as a Deployment controller would, until the operator has
    /// nothing left to do.
    func makeReady(_ subject: Subject, limit: Duration) async throws {
        let server = server
        let deadline = ContinuousClock.now.advanced(by: limit)
        var quiet = 0
        while quiet < 3 {
            guard ContinuousClock.now < deadline else { throw BenchError("the fleet doesn't settle within \(limit)") }
            let changed = try await markDeployments(server)
            let before = try await subject.activity()
            try await Task.sleep(for: .seconds(2))
            let after = try await subject.activity()
            // An old revision goes 5 s after its successor got the traffic: three quiet rounds are more than that.
            quiet = changed == 0 && before.reconciles == after.reconciles && after.isSettled ? quiet + 1 : 0
        }
    }

    /// One round; answers the number of Deployments that were different.
    private func markDeployments(_ server: BenchServer) async throws -> Int {
        let client = server.client
        let all = try await client.list(.deployments, namespace: BenchServer.namespace).items
        let stale = all.filter { Self.readyStatus(of: $0) != nil }
        try await inLanes(16, count: stale.count) { index in
            guard let status = Self.readyStatus(of: stale[index]) else { return }
            do throws(KubeError) {
                try await client.patch(
                    .deployments,
                    stale[index].key,
                    .merge(["status": status]),
                    subresource: "status"
                )
            } catch { if !error.isNotFound { throw error } }
        }
        return stale.count
    }

    /// The status of a Deployment of which every replica is ready; `nil` where it has that already.
    static func readyStatus(of deployment: KubeObject) -> JSONValue? {
        let count = deployment["spec", "replicas"]?.integer ?? 1
        let isReady = deployment["status", "readyReplicas"]?.integer ?? 0 == count
        if isReady, deployment["status", "observedGeneration"]?.integer == deployment.generation { return nil }
        return [
            "observedGeneration": .integer(deployment.generation ?? 1), "replicas": .integer(count),
            "updatedReplicas": .integer(count), "readyReplicas": .integer(count),
            "availableReplicas": .integer(count),
            "conditions": [
                ["type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "ready"]
            ],
        ]
    }
}
