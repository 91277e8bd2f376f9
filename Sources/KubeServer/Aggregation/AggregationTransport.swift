// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages

/// The server behind an APIService: where it listens and how its certificate is checked.
public struct AggregatedBackend: Sendable, Hashable {
    /// The address: an endpoint's, or the name of an `ExternalName` Service.
    public var host: String
    /// The port there.
    public var port: Int
    /// The name that the certificate must hold: `SERVICE.NAMESPACE.svc`.
    public var serverName: String
    /// The certificate authorities as PEM text (`spec.caBundle`); `nil` for the system's.
    public var authorities: String?
    /// Whether the certificate is checked (`spec.insecureSkipTLSVerify` turns it off).
    public var verifiesPeer: Bool

    /// A backend whose certificate is checked against the system's authorities, unless told otherwise.
    public init(
        host: String,
        port: Int,
        serverName: String,
        authorities: String? = nil,
        verifiesPeer: Bool = true
    ) {
        self.host = host
        self.port = port
        self.serverName = serverName
        self.authorities = authorities
        self.verifiesPeer = verifiesPeer
    }

    /// `10.0.0.1:443`, `[::1]:443`
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Carries requests from the API server to the servers behind APIServices.
public protocol AggregationTransport: Sendable {
    /// Sends `request`, whose scheme, authority and identity headers are set, within the request's timeout.
    /// - Throws: whatever kept the backend from answering.
    func exchange(_ request: HTTPRequestMessage, with backend: AggregatedBackend) async throws -> HTTPResponseMessage
}
