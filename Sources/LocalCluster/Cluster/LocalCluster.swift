// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
public import HTTPMessages
import HTTPTypes
public import KubeAPI
public import KubeServer
import Logging
public import ServiceLifecycle

/// A Kubernetes cluster in this process: API server, controllers, a node that runs pods as processes, Service proxies.
///
/// It keeps nothing when it ends: its pods are stopped and its folder is removed.
public final class LocalCluster: Service {
    /// Puts an exchange on a socket: calls `onListening` with the address (`https://127.0.0.1:6443`), returns at the end.
    public typealias Serve =
        @Sendable (_ exchange: any HTTPExchange, _ onListening: @escaping @Sendable (String) async -> Void) async throws
        -> Void

    /// What it was made of.
    public let configuration: LocalClusterConfiguration
    /// The API server; requests need no socket.
    public let apiServer: APIServer
    /// The exchange that reaches the API server in this process, with the token where one is needed.
    public let localExchange: any HTTPExchange
    private let serve: Serve?
    private let authority: String?
    private let onReady: @Sendable (ClusterAccess) async -> Void
    private let logs: LogShelf
    private let usage: UsageBoard

    /// A cluster that hasn't started.
    ///
    /// `serve` puts the API server on a socket (nowhere without it); `authority` is the PEM text of the certificate
    /// authority to tell clients of; `onReady` is called once clients can connect.
    public init(
        configuration: LocalClusterConfiguration,
        authority: String? = nil,
        serve: Serve? = nil,
        onReady: @escaping @Sendable (ClusterAccess) async -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.authority = authority
        self.serve = serve
        self.onReady = onReady
        logs = LogShelf()
        usage = UsageBoard()
        apiServer = APIServer(
            configuration: APIServerConfiguration(
                time: configuration.time,
                random: configuration.random,
                tokens: configuration.token.map { [$0] },
                serverVersion: configuration.serverVersion,
                admission: configuration.admission,
                podLogs: logs,
                aggregation: configuration.aggregation,
                extensions: [ResourceMetricsAPI.apiService: ResourceMetricsAPI(board: usage)],
                frontProxyAuthority: configuration.frontProxyAuthority,
                serviceRange: configuration.serviceRange
            )
        )
        localExchange = TokenExchange(base: apiServer, token: configuration.token)
    }

    /// A client of the API server in this process.
    public func client(fieldManager: String = "modelfleet") -> KubeClient {
        KubeClient(exchange: localExchange, fieldManager: fieldManager)
    }

    /// Runs the cluster until the service is shut down or the task is cancelled; then no process of it is left.
    /// - Throws: `LocalClusterError` when the folder or a range is unusable; what `serve` throws.
    public func run() async throws {
        try (configuration.processes as? SystemProcessSpawner)?.start()
        do {
            try FileManager.default.createDirectory(
                atPath: configuration.directory,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw LocalClusterError(
                "can't make the cluster's folder \(configuration.directory): \(SystemError(error)?.description ?? "\(error)")"
            )
        }
        let parts = try ClusterParts(
            configuration: configuration,
            client: client(fieldManager: "modelfleet-local"),
            logs: logs,
            usage: usage
        )
        defer {
            parts.proxy?.closeConnections()
            try? FileManager.default.removeItem(atPath: configuration.directory)
            (configuration.processes as? SystemProcessSpawner)?.shutDown()
        }
        try await withTaskCancellationHandler {
            try await runAll(parts)
        } onCancel: {
            for node in parts.nodes { node.kill() }
        }
    }

    private func runAll(_ parts: ClusterParts) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for service in parts.services { group.addTask { try await service.run() } }
            group.addTask { [self] in
                let access = ClusterAccess(server: "", authority: authority, token: configuration.token)
                guard let serve else { return await onReady(access) }
                try await serve(apiServer) { [self] server in
                    var access = access
                    access.server = server
                    await onReady(access)
                }
            }
        }
    }
}

/// Adds the bearer token to requests that stay in this process.
private struct TokenExchange: HTTPExchange {
    let base: APIServer
    let token: String?

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard let token else { return await base.exchange(request) }
        var request = request
        request.head.headerFields[.authorization] = "Bearer \(token)"
        return await base.exchange(request)
    }
}
