// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import CurlHTTP
import ExtensionServer
import HTTPMessages
import HTTPServing
import KubeAPI
import KubeModel
import Logging
import ServiceLifecycle
import Synchronization

/// Puts the operator's metrics APIs on a port: the certificate first, then who may read, then the APIs.
struct MetricsAPIServer: Service {
    /// Where it listens.
    let host: String
    /// The port; 0 for any that is free.
    let port: Int
    /// The API server.
    let client: KubeClient
    /// Where the certificate comes from.
    let source: ServingCertificate.Source
    /// The Service that the APIServices name.
    let service: ObjectKey
    /// The operator.
    let operatorService: OperatorService
    /// Where log lines go.
    let logger: Logger
    /// Called with the real port; then the APIServices are told whom to trust.
    var onListening: @Sendable (Int) async -> Void = { _ in }

    /// The most connections at once. API servers and other copies of the operator keep a few each; whoever else opens some must
    /// not take the file descriptors that the operator itself needs.
    private static let maximumConnections = 1024

    /// Serves until cancelled or shut down.
    func run() async throws {
        let (materials, arrival) = AsyncStream<ServingMaterial>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let credentials = Mutex<ServerCredentials?>(nil)
        let certificate = ServingCertificate(
            client: client,
            source: source,
            service: service,
            apiServices: OperatorService.metricsAPIServices,
            logger: logger
        ) { arrival.yield($0) }
        let peers = PeerTransport(certificate: certificate, service: service)
        let server = ExtensionServer(
            operatorService.metricsAPI { try await peers.exchange($0) },
            client: client,
            logger: logger,
            isPeer: { certificate.isOwn($0) },
            isReady: { operatorService.isReady }
        )
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask {
                defer { arrival.finish() }
                try await certificate.run()
            }
            group.addTask { try await server.run() }
            for await material in materials {
                if let known = credentials.withLock({ $0 }) {
                    try? known.replace(by: material.settings)
                    continue
                }
                let first = ServerCredentials(material.settings)
                credentials.withLock { $0 = first }
                let http = HTTPService(
                    exchange: server,
                    host: host,
                    port: port,
                    credentials: first,
                    asksForClientCertificate: true,
                    limits: HTTPServiceLimits(maximumConnections: Self.maximumConnections, drain: .seconds(5)),
                    logger: logger
                ) { port in
                    await onListening(port)
                    await certificate.inform()
                }
                group.addTask { try await http.run() }
            }
        }
    }
}

/// Carries requests to other processes of the operator, which know us by the certificate that all of them share.
private final class PeerTransport: Sendable {
    private let certificate: ServingCertificate
    private let service: ObjectKey
    private let made = Mutex<(settings: TLSSettings, exchange: CurlExchange)?>(nil)

    /// A transport that shows and trusts `certificate`.
    init(certificate: ServingCertificate, service: ObjectKey) {
        self.certificate = certificate
        self.service = service
    }

    /// Sends a request to its authority.
    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard let material = certificate.material else {
            throw CommandFailure("the certificate for other copies of the operator isn't there yet")
        }
        let settings = material.peerSettings(serverName: "\(service.name).\(service.namespace ?? "default").svc")
        return try await exchange(settings).exchange(request)
    }

    private func exchange(_ settings: TLSSettings) -> CurlExchange {
        made.withLock { made in
            if let made, made.settings == settings { return made.exchange }
            let exchange = CurlExchange(
                configuration: CurlConfiguration(
                    tls: settings,
                    connectTimeout: .seconds(2),
                    userAgent: "modelfleet-operator/\(Version.current)",
                    noProxy: "*"
                )
            )
            made = (settings, exchange)
            return exchange
        }
    }
}
