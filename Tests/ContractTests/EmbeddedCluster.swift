// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import FleetAPI
import Foundation
import HTTPMessages
import HTTPServing
import KubeAPI
import KubeModel
import KubeServer
import LocalCluster
import Logging
import Synchronization
import TransportSecurity

/// What `modelfleet local` has for the rules in CEL that a real API server evaluates: our validation.
private struct Validation: AdmissionPlugin {
    func review(_ request: AdmissionRequest) throws(APIStatus) -> AdmissionResponse {
        guard request.resource == .modelDeployments, request.subresource == nil, request.operation != .delete else {
            return AdmissionResponse(object: request.object)
        }
        let causes = ModelDeploymentValidation.validate(request.object.json).errors
        if causes.isEmpty { return AdmissionResponse(object: request.object) }
        throw APIStatus(code: 422, reason: "Invalid", message: "the object is invalid", causes: causes)
    }
}

/// The local cluster, over TLS and a socket as a user has it, shared by all tests of the process.
enum EmbeddedCluster {
    private static let started = Task { try await start() }

    /// A client for it; the first call starts it.
    static func client() async throws -> KubeClient { try await started.value }

    private static func start() async throws -> KubeClient {
        let random = SystemRandom()
        let token = random.uuid()
        var logger = Logger(label: "contract")
        logger.logLevel = .error
        let certificates = try CertificateBundle.make(
            hosts: ["127.0.0.1"],
            now: SystemTime().now(),
            validity: .seconds(86_400),
            random: random
        )
        let directory = NSTemporaryDirectory() + "modelfleet-contract-\(random.nameSuffix(length: 8))"
        let cluster = LocalCluster(
            configuration: LocalClusterConfiguration(
                directory: directory,
                token: token,
                admission: [Validation()],
                probes: CurlExchange(),
                runsProxies: false,
                processes: SystemProcessSpawner(removing: directory),
                logger: logger
            )
        )
        let (ports, continuation) = AsyncStream<Int>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let front = HTTPService(
            exchange: cluster.apiServer,
            host: "127.0.0.1",
            port: 0,
            tls: TLSSettings(certificate: certificates.certificate, privateKey: certificates.privateKey),
            logger: logger
        ) { port in
            continuation.yield(port)
        }
        // Both end with the process; the cluster's pods end with it too.
        Task { try await front.run() }
        Task { try await cluster.run() }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else { throw CancellationError() }
        let curl = CurlExchange(
            configuration: CurlConfiguration(tls: TLSSettings(authorities: certificates.authority))
        )
        return KubeClient(
            exchange: AuthorizingExchange(curl, credentials: .token(token)),
            baseURL: "https://127.0.0.1:\(port)",
            fieldManager: "modelfleet-contract"
        )
    }
}
