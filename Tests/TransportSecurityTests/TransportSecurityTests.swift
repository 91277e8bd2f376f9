// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing
import TransportSecurity

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
    }
}
