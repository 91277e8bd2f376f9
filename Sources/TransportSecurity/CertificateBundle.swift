// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A certificate authority made for one purpose and a server certificate that it signed; all PEM text.
public struct CertificateBundle: Sendable, Hashable {
    /// The certificate authority's certificate: what clients trust.
    public var authority: String
    /// The server's certificate.
    public var certificate: String
    /// The server's private key.
    public var privateKey: String

    /// Makes a fresh authority, lets it sign one server certificate and forgets the authority's key.
    ///
    /// - Parameters:
    ///   - hosts: the names and IP addresses that the certificate is valid for; the first becomes its common name.
    ///   - now: the certificates are valid from an hour before.
    ///   - validity: how long they are valid; ten years at most.
    ///   - random: gives the serial numbers; the keys come from OpenSSL.
    public static func make(
        hosts: [String],
        now: WallTime,
        validity: Duration,
        random: any RandomSource
    ) throws(SecurityError) -> CertificateBundle {
        let period = (now - .seconds(3600), now + min(validity, .seconds(10 * 365 * 86_400)))
        let authorityKey = try PrivateKey.generate()
        let authority = unsafe try Certificate.make(
            CertificateRequest(
                commonName: "modelfleet-ca",
                serial: random.next() >> 1,
                notBefore: period.0,
                notAfter: period.1,
                extensions: [(.basicConstraints, "critical,CA:TRUE"), (.keyUsage, "critical,keyCertSign,cRLSign")]
            ),
            key: authorityKey,
            issuer: nil,
            issuerKey: authorityKey
        )
        let key = try PrivateKey.generate()
        let names = hosts.map { ($0.allSatisfy { "0123456789.:".contains($0) } ? "IP:" : "DNS:") + $0 }
        let leaf = unsafe try Certificate.make(
            CertificateRequest(
                commonName: hosts.first ?? "localhost",
                serial: random.next() >> 1,
                notBefore: period.0,
                notAfter: period.1,
                extensions: [
                    (.basicConstraints, "critical,CA:FALSE"), (.keyUsage, "critical,digitalSignature"),
                    (.extendedKeyUsage, "serverAuth"), (.subjectAlternativeName, names.joined(separator: ",")),
                ]
            ),
            key: key,
            issuer: authority.pointer,
            issuerKey: authorityKey
        )
        return CertificateBundle(
            authority: try authority.pem(),
            certificate: try leaf.pem(),
            privateKey: try key.pem()
        )
    }
}

/// What a certificate says.
struct CertificateRequest {
    /// The extensions in use, by OpenSSL's numbers for them (`NID_…`, fixed for ever).
    enum Extension: Int32 {
        case keyUsage = 83
        case subjectAlternativeName = 85
        case basicConstraints = 87
        case extendedKeyUsage = 126
    }

    var commonName: String
    var serial: UInt64
    var notBefore: WallTime
    var notAfter: WallTime
    var extensions: [(Extension, String)]
}
