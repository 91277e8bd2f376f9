// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import FleetAPI
import Foundation
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel

/// The API server that everything runs against: our own in a process of its own, or the one of a kubeconfig.
struct BenchServer: Sendable {
    /// The kubeconfig file.
    let kubeconfig: String
    /// How to reach it.
    let connection: ClusterConnection
    /// Our own server's process; `nil` for somebody else's.
    let process: BenchProcess?
    /// What carries this program's requests: one connection for all.
    let exchange: any HTTPExchange

    /// The namespace in which everything happens.
    static let namespace = "modelfleet-bench"

    /// Starts the server, or connects to the one that `plan` names, and makes the namespace.
    static func start(_ plan: BenchPlan, folder: String) async throws -> BenchServer {
        var process: BenchProcess?
        let kubeconfig = plan.kubeconfig ?? "\(folder)/kubeconfig"
        if plan.kubeconfig == nil {
            let arguments = ["local", "--only-api-server", "--stop-with-parent", "--kubeconfig", kubeconfig]
            let started = try BenchProcess(plan.modelfleet, arguments, log: "\(folder)/server.log")
            try await waitUntil("the API server's kubeconfig", limit: .seconds(30)) {
                guard started.isRunning else { throw BenchError("the API server ended: \(started.lastWords)") }
                return FileManager.default.fileExists(atPath: kubeconfig)
            }
            process = started
        }
        let connection = try KubeConfiguration.load(environment: [:], explicitPath: kubeconfig)
        let server = BenchServer(
            kubeconfig: kubeconfig,
            connection: connection,
            process: process,
            exchange: exchange(connection, http2: true)
        )
        let client = server.client
        if process == nil {
            for definition in FleetAPI.customResourceDefinitions {
                try await client.apply(.customResourceDefinitions, definition, force: true)
            }
            try await waitUntil("the definitions", limit: .seconds(30), every: .milliseconds(200)) {
                do { return try await client.list(.servingRuntimes).items.count >= 0 } catch { return false }
            }
            try await client.apply(.servingRuntimes, ServingRuntime.builtIn, force: true)
        }
        try await client.apply(.namespaces, KubeObject(.namespaces, namespace: nil, name: namespace), force: true)
        return server
    }

    /// An exchange with connections of its own.
    static func exchange(_ connection: ClusterConnection, http2: Bool) -> any HTTPExchange {
        var configuration = CurlConfiguration(tls: connection.tls, userAgent: "modelfleet-bench")
        configuration.http2 = http2
        return AuthorizingExchange(CurlExchange(configuration: configuration), credentials: connection.credentials)
    }

    /// A client.
    var client: KubeClient {
        KubeClient(
            exchange: exchange,
            baseURL: connection.server,
            fieldManager: "modelfleet-bench",
            timeout: .seconds(60)
        )
    }

    /// Reads a path as bytes.
    func bytes(_ path: String, accept: String = "application/json") async throws -> [UInt8] {
        let answer = try await open(path, accept: accept, timeout: .seconds(60))
        let body = try await answer.body.collect(upTo: 1 << 30)
        guard answer.head.status == .ok else {
            throw BenchError(
                "GET \(path): \(answer.head.status.code) \(String(decoding: body.prefix(300), as: UTF8.self))"
            )
        }
        return body
    }

    /// Begins to read a path.
    func open(_ path: String, accept: String, timeout: Duration?) async throws -> HTTPResponseMessage {
        var fields = HTTPFields()
        fields[.accept] = accept
        let address = connection.server.split(separator: "://", maxSplits: 1).map(String.init)
        let head = HTTPRequest(
            method: .get,
            scheme: address.first ?? "https",
            authority: address.last ?? "",
            path: path,
            headerFields: fields
        )
        return try await exchange.exchange(
            HTTPRequestMessage(head: head, timeout: timeout, maximumResponseBytes: 1 << 30)
        )
    }

    /// Deletes what this program made, and stops the server if it is ours.
    func stop() async {
        if let process { return await process.stop() }
        let types: [ResourceType] = [.modelDeployments, .deployments, .services, .configMaps]
        for type in types {
            _ = try? await client.raw(.delete, type.path(namespace: Self.namespace), query: [])
        }
        _ = try? await client.delete(.namespaces, ObjectKey(namespace: nil, name: Self.namespace))
    }
}

/// What the server counted: answered requests by verb and resource, without this program's look at the counts.
struct RequestTotals {
    /// Counts by `VERB resource/subresource`.
    private(set) var counts: [String: Int] = [:]

    /// Reads the server's `apiserver_request_total`.
    init(_ server: BenchServer) async throws {
        let text = String(decoding: try await server.bytes("/metrics", accept: "*/*"), as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix("apiserver_request_total{") {
            guard let end = line.lastIndex(of: "}"), let count = Double(line[line.index(after: end)...].dropFirst())
            else { continue }
            func label(_ name: String) -> Substring {
                guard let start = line.firstRange(of: "\(name)=\"") else { return "" }
                return line[start.upperBound...].prefix { $0 != "\"" }
            }
            let (resource, subresource) = (label("resource"), label(",subresource"))
            guard !resource.isEmpty else { continue }
            let name = "\(label("verb")) \(resource)\(subresource.isEmpty ? "" : "/\(subresource)")"
            counts[name, default: 0] += Int(count)
        }
    }

    /// What was counted since `earlier`.
    func since(_ earlier: RequestTotals) -> [String: Int] {
        counts.merging(earlier.counts.mapValues { -$0 }) { $0 + $1 }.filter { $0.value > 0 }
    }
}
