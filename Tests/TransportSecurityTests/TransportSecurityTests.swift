// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import TransportSecurity

@Suite("TransportSecurity")
struct TransportSecurityTests {
    @Test("SHA-256 gives the examples of FIPS 180-4")
    func digestVectors() throws {
        #expect(
            try SHA256Digest.hex(of: Array("abc".utf8))
                == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        )
        #expect(
            try SHA256Digest.hex(of: [])
                == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        )
    }

    @Test("HMAC-SHA-256 gives the test cases of RFC 4231 (the fifth, a truncated code, left out)", arguments: hmacCases)
    func hmac(_ row: HMACCase) throws {
        #expect(try HMACSHA256.hex(of: row.message, key: row.key) == row.code)
    }

    /// A key, a message and their code.
    struct HMACCase: Sendable {
        var key: [UInt8]
        var message: [UInt8]
        var code: String
    }

    static let hmacCases = [
        HMACCase(
            key: [UInt8](repeating: 0x0b, count: 20),
            message: Array("Hi There".utf8),
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        HMACCase(
            key: Array("Jefe".utf8),
            message: Array("what do ya want for nothing?".utf8),
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        HMACCase(
            key: [UInt8](repeating: 0xaa, count: 20),
            message: [UInt8](repeating: 0xdd, count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        HMACCase(
            key: Array(1...25),
            message: [UInt8](repeating: 0xcd, count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        HMACCase(
            key: [UInt8](repeating: 0xaa, count: 131),
            message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        HMACCase(
            key: [UInt8](repeating: 0xaa, count: 131),
            message: Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.").utf8
            ),
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ]

    @Test("a digest of pieces is the digest of the whole")
    func digestOfPieces() throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var digest = try SHA256Digest()
        for start in stride(from: 0, to: bytes.count, by: 997) {
            digest.update(Array(bytes[start..<min(start + 997, bytes.count)]))
        }
        #expect(digest.finish() == (try SHA256Digest.hex(of: bytes)))
    }

    @Test("a fresh bundle holds an authority, a certificate and the key that belongs to it")
    func bundle() throws {
        let bundle = try CertificateBundle.make(
            hosts: ["127.0.0.1", "localhost"],
            now: SystemTime().now(),
            validity: .seconds(86_400),
            random: SeededRandom(seed: 1)
        )
        #expect(bundle.authority.hasPrefix("-----BEGIN CERTIFICATE-----"))
        #expect(bundle.privateKey.hasPrefix("-----BEGIN PRIVATE KEY-----"))
        _ = try ServerTLSContext(certificatePEM: bundle.certificate, privateKeyPEM: bundle.privateKey)
    }

    @Test("a key that doesn't belong to the certificate is refused")
    func mismatchedKey() throws {
        let random = SeededRandom(seed: 2)
        let now = SystemTime().now()
        let one = try CertificateBundle.make(hosts: ["a"], now: now, validity: .seconds(60), random: random)
        let other = try CertificateBundle.make(hosts: ["b"], now: now, validity: .seconds(60), random: random)
        #expect(throws: SecurityError.self) {
            _ = try ServerTLSContext(certificatePEM: one.certificate, privateKeyPEM: other.privateKey)
        }
        #expect(throws: SecurityError.self) {
            _ = try ServerTLSContext(certificatePEM: "nonsense", privateKeyPEM: one.privateKey)
        }
    }

    @Test("a client's certificate is trusted by its authority alone, in its time, and only when made for clients")
    func clientCertificates() throws {
        let random = SeededRandom(seed: 3)
        let now = WallTime(seconds: 1_800_000_000)
        let client = try CertificateBundle.makeClient(
            commonName: "proxy",
            organizations: ["one", "two"],
            now: now,
            validity: .seconds(600),
            random: random
        )
        let other = try CertificateBundle.make(hosts: ["a"], now: now, validity: .seconds(600), random: random)
        let trusted = try ClientCertificate(
            verifying: [client.certificate],
            authorities: other.authority + client.authority,
            now: now
        )
        #expect(
            trusted == (try ClientCertificate(verifying: [client.certificate], authorities: client.authority, now: now))
        )
        #expect(trusted.commonName == "proxy" && trusted.organizations == ["one", "two"])
        let refused: [([String], String, WallTime, String)] = [
            ([client.certificate], other.authority, now, "unable to get local issuer certificate"),
            ([client.certificate], client.authority, now + .seconds(601), "certificate has expired"),
            ([client.certificate], client.authority, now - .seconds(3700), "certificate is not yet valid"),
            ([other.certificate], other.authority, now, "unsuitable certificate purpose"),
            ([], client.authority, now, "showed no certificate"),
            (["nonsense"], client.authority, now, "showed no certificate"),
        ]
        for (chain, authorities, time, reason) in refused {
            let error = #expect(throws: SecurityError.self) {
                try ClientCertificate(verifying: chain, authorities: authorities, now: time)
            }
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        }
        #expect(try CertificateFacts.end(of: client.certificate) == now + .seconds(600))
        #expect(throws: SecurityError.self) { try CertificateFacts.end(of: "nonsense") }
        let parts = try CertificateFacts.parts(of: "text\n" + client.authority + "\n" + other.certificate)
        #expect(parts.count == 2 && parts[1] == other.certificate)
    }

    @Test("an intermediate authority is trusted without its root, and vouches for no more than what it signed")
    func intermediateAuthority() throws {
        let rootKey = try PrivateKey.generate()
        let middleKey = try PrivateKey.generate()
        let key = try PrivateKey.generate()
        let root = unsafe try Self.certificate("root", key: rootKey, issuer: nil, issuerKey: rootKey)
        let middle = unsafe try Self.certificate("middle", key: middleKey, issuer: root.pointer, issuerKey: rootKey)
        let proxy = unsafe try Self.certificate(
            "proxy",
            isClient: true,
            key: key,
            issuer: middle.pointer,
            issuerKey: middleKey
        ).pem()
        let other = unsafe try Self.certificate(
            "other",
            isClient: true,
            key: key,
            issuer: root.pointer,
            issuerKey: rootKey
        ).pem()
        let (middleText, rootText) = (try middle.pem(), try root.pem())
        for (chain, authorities) in [
            ([proxy], middleText), ([proxy, middleText], middleText), ([proxy, middleText], rootText),
            ([proxy], middleText + rootText),
        ] {
            let trusted = try ClientCertificate(verifying: chain, authorities: authorities, now: Self.time)
            #expect(trusted.commonName == "proxy")
        }
        for (chain, authorities) in [([other], middleText), ([other, rootText], middleText), ([proxy], rootText)] {
            #expect(throws: SecurityError.self) {
                try ClientCertificate(verifying: chain, authorities: authorities, now: Self.time)
            }
        }
    }

    private static let time = WallTime(seconds: 1_800_000_000)

    /// A certificate of a client, or of an authority.
    private static func certificate(
        _ name: String,
        isClient: Bool = false,
        key: borrowing PrivateKey,
        issuer: OpaquePointer?,
        issuerKey: borrowing PrivateKey
    ) throws -> Certificate {
        let request = CertificateRequest(
            commonName: name,
            serial: 1,
            notBefore: time,
            notAfter: time + .seconds(600),
            extensions: isClient
                ? [(.basicConstraints, "critical,CA:FALSE"), (.extendedKeyUsage, "clientAuth")]
                : [(.basicConstraints, "critical,CA:TRUE"), (.keyUsage, "critical,keyCertSign,cRLSign")]
        )
        return unsafe try Certificate.make(request, key: key, issuer: issuer, issuerKey: issuerKey)
    }

    @Test("bytes that aren't TLS end the session with an error")
    func notTLS() throws {
        let bundle = try CertificateBundle.make(
            hosts: ["localhost"],
            now: SystemTime().now(),
            validity: .seconds(60),
            random: SeededRandom(seed: 3)
        )
        let context = try ServerTLSContext(certificatePEM: bundle.certificate, privateKeyPEM: bundle.privateKey)
        let session = try ServerTLSSession(context)
        #expect(throws: SecurityError.self) { _ = try session.receive(Array("GET / HTTP/1.1\r\n\r\n".utf8)) }
        // A handshake message that there isn't.
        let other = try ServerTLSSession(context)
        #expect(throws: SecurityError.self) { _ = try other.receive([0x16, 3, 1, 0, 4, 0xff, 0, 0, 0]) }
        let alert = other.close()
        #expect(alert.first == 0x15 && alert.count == 7, "the client is told why: \(alert)")
    }
}
