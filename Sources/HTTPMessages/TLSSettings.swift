// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What a client or a server needs to speak TLS; every certificate and key is PEM text.
public struct TLSSettings: Sendable, Hashable {
    /// Certificate authorities to trust instead of the system's; `nil` for the system's.
    public var authorities: String?
    /// The own certificate chain, leaf first.
    public var certificate: String?
    /// The private key of the own certificate.
    public var privateKey: String?
    /// Whether the peer's certificate is checked; only a user's explicit wish turns it off.
    public var verifiesPeer: Bool
    /// The name to check the peer's certificate against, where it isn't the host of the URL.
    public var serverName: String?

    /// Settings; by default the system's authorities and no certificate of our own.
    public init(
        authorities: String? = nil,
        certificate: String? = nil,
        privateKey: String? = nil,
        verifiesPeer: Bool = true,
        serverName: String? = nil
    ) {
        self.authorities = authorities
        self.certificate = certificate
        self.privateKey = privateKey
        self.verifiesPeer = verifiesPeer
        self.serverName = serverName
    }
}
