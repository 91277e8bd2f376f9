// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import HTTPMessages
import KubeServer
import Synchronization
import TransportSecurity

/// Reaches the servers behind the local cluster's APIServices through libcurl, over TLS, with a front proxy's certificate.
final class CurlAggregation: AggregationTransport {
    private let proxy: CertificateBundle
    private let exchanges = Mutex<[TLSSettings: CurlExchange]>([:])

    /// How many different servers keep their connections; with more of them all start anew.
    private static let limit = 16

    /// Shows the certificate of `proxy` to the servers.
    init(proxy: CertificateBundle) { self.proxy = proxy }

    func exchange(_ request: HTTPRequestMessage, with backend: AggregatedBackend) async throws -> HTTPResponseMessage {
        let tls = TLSSettings(
            authorities: backend.authorities,
            certificate: proxy.certificate,
            privateKey: proxy.privateKey,
            verifiesPeer: backend.verifiesPeer,
            serverName: backend.serverName
        )
        return try await exchange(tls).exchange(request)
    }

    private func exchange(_ tls: TLSSettings) -> CurlExchange {
        exchanges.withLock { exchanges in
            if let known = exchanges[tls] { return known }
            if exchanges.count >= Self.limit { exchanges.removeAll() }
            let made = CurlExchange(
                configuration: CurlConfiguration(tls: tls, userAgent: "kube-aggregator", noProxy: "*")
            )
            exchanges[tls] = made
            return made
        }
    }
}
