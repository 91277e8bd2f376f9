// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// A certificate authority made for one purpose and a certificate that it signed; all PEM text.
public struct CertificateBundle: Sendable, Hashable {
    /// The certificate authority's certificate: what clients trust.
    public var authority: String
    /// The signed certificate: the server's, or a client's.
    public var certificate: String
    /// Its private key.
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
        let names = hosts.map { ($0.allSatisfy { "0123456789.:".contains($0) } ? "IP:" : "DNS:") + $0 }
        return try make(
            commonName: hosts.first ?? "localhost",
            extensions: [(.extendedKeyUsage, "serverAuth"), (.subjectAlternativeName, names.joined(separator: ","))],
            now: now,
            validity: validity,
            random: random
        )
    }

    /// Makes a fresh authority, lets it sign one client certificate and forgets the authority's key.
    ///
    /// - Parameters:
    ///   - commonName: who the client is.
    ///   - organizations: the groups that the client is in.
    ///   - now: the certificates are valid from an hour before.
    ///   - validity: how long they are valid; ten years at most.
    ///   - random: gives the serial numbers; the keys come from OpenSSL.
    public static func makeClient(
        commonName: String,
        organizations: [String] = [],
        now: WallTime,
        validity: Duration,
        random: any RandomSource
    ) throws(SecurityError) -> CertificateBundle {
        try make(
            commonName: commonName,
            organizations: organizations,
            extensions: [(.extendedKeyUsage, "clientAuth")],
            now: now,
            validity: validity,
            random: random
        )
    }

    private static func make(
        commonName: String,
        organizations: [String] = [],
        extensions: [(CertificateRequest.Extension, String)],
        now: WallTime,
        validity: Duration,
        random: any RandomSource
    ) throws(SecurityError) -> CertificateBundle {
        let period = (now - .seconds(3600), now + min(validity, .seconds(10 * 365 * 86_400)))
        let authorityKey = try PrivateKey.generate()
        let authoritySerial = random.next() >> 1
        let authority = unsafe try Certificate.make(
            CertificateRequest(
                // Of its own: who trusts two authorities of one name may try the wrong one's key.
                commonName: "modelfleet-ca-" + String(authoritySerial, radix: 16),
                serial: authoritySerial,
                notBefore: period.0,
                notAfter: period.1,
                extensions: [(.basicConstraints, "critical,CA:TRUE"), (.keyUsage, "critical,keyCertSign,cRLSign")]
            ),
            key: authorityKey,
            issuer: nil,
            issuerKey: authorityKey
        )
        let key = try PrivateKey.generate()
        let leaf = unsafe try Certificate.make(
            CertificateRequest(
                commonName: commonName,
                organizations: organizations,
                serial: random.next() >> 1,
                notBefore: period.0,
                notAfter: period.1,
                extensions: [
                    (.basicConstraints, "critical,CA:FALSE"), (.keyUsage, "critical,digitalSignature"),
                ] + extensions
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
    var organizations: [String] = []
    var serial: UInt64
    var notBefore: WallTime
    var notAfter: WallTime
    var extensions: [(Extension, String)]
}
