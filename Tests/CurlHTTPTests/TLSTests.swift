// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import NIOCore
import Testing
import TransportSecurity

@Suite("TLS between curl and our server", .timeLimit(.minutes(5)))
struct TLSTests {
    private let hello = ClosureExchange { request in
        HTTPResponseMessage(status: .ok, text: "\(request.head.scheme ?? "") \(request.head.authority ?? "")")
    }

    private func bundle(_ hosts: [String] = ["127.0.0.1"]) throws -> CertificateBundle {
        try CertificateBundle.make(
            hosts: hosts,
            now: SystemTime().now(),
            validity: .seconds(86_400),
            random: SystemRandom()
        )
    }

    private func serverTLS(_ bundle: CertificateBundle) -> TLSSettings {
        TLSSettings(certificate: bundle.certificate, privateKey: bundle.privateKey)
    }

    private func curl(_ tls: TLSSettings) -> CurlExchange { CurlExchange(configuration: CurlConfiguration(tls: tls)) }

    @Test("the right authority is trusted, and large bodies pass")
    func trusted() async throws {
        let bundle = try bundle()
        let bytes = [UInt8](repeating: 9, count: 3_000_000)
        let echo = ClosureExchange { request in
            #expect(request.head.scheme == "https")
            let body = try await request.body.collect(upTo: 4_000_000)
            return HTTPResponseMessage(status: .ok, contentType: "a/b", bytes: body)
        }
        try await withServer(echo, tls: serverTLS(bundle)) { server in
            let curl = curl(TLSSettings(authorities: bundle.authority))
            for _ in 0..<3 {
                let response = try await curl.exchange(server.request(.post, "/", scheme: "https", body: bytes))
                #expect(try await response.body.collect(upTo: 4_000_000) == bytes)
            }
        }
    }

    @Test("the server learns which certificate a client showed, over HTTP/2 and HTTP/1.1, and that another showed none")
    func clientCertificate() async throws {
        let bundle = try bundle()
        let client = try CertificateBundle.makeClient(
            commonName: "front-proxy-client",
            organizations: ["a", "b"],
            now: SystemTime().now(),
            validity: .seconds(86_400),
            random: SystemRandom()
        )
        let who = ClosureExchange { request in
            let name = try? ClientCertificate(
                verifying: request.clientCertificates,
                authorities: client.authority,
                now: SystemTime().now()
            )
            let text =
                name.map { "\($0.commonName) of \($0.organizations)" }
                ?? (request.clientCertificates.isEmpty ? "none" : "a stranger")
            return HTTPResponseMessage(status: .ok, text: text)
        }
        try await withServer(who, tls: serverTLS(bundle), asksForClientCertificate: true) { server in
            for http2 in [true, false] {
                for (certificate, key, expected) in [
                    (client.certificate, client.privateKey, #"front-proxy-client of ["a", "b"]"#), (nil, nil, "none"),
                    (bundle.certificate, bundle.privateKey, "a stranger"),
                ] {
                    let tls = TLSSettings(authorities: bundle.authority, certificate: certificate, privateKey: key)
                    let curl = CurlExchange(configuration: CurlConfiguration(tls: tls, http2: http2))
                    for _ in 0..<2 {
                        let answer = try await curl.exchange(server.request(.get, "/", scheme: "https"))
                        let text = String(decoding: try await answer.body.collect(upTo: 1000), as: UTF8.self)
                        #expect(text == expected)
                    }
                }
            }
        }
    }

    @Test(
        "a server whose certificate is replaced shows the new one to new connections, and keeps it when the next is useless"
    )
    func replaced() async throws {
        let (old, new) = (try bundle(), try bundle())
        let credentials = ServerCredentials(serverTLS(old))
        let hello = hello
        try await withServer(hello, credentials: credentials) { server in
            func reaches(_ authority: String) async -> Bool {
                let curl = CurlExchange(configuration: CurlConfiguration(tls: TLSSettings(authorities: authority)))
                return (try? await curl.exchange(server.request(.get, "/", scheme: "https"))) != nil
            }
            #expect(await reaches(old.authority))
            try credentials.replace(by: TLSSettings(certificate: new.certificate, privateKey: new.privateKey))
            #expect(await reaches(new.authority))
            #expect(await !reaches(old.authority))
            #expect(throws: SecurityError.self) {
                try credentials.replace(by: TLSSettings(certificate: old.certificate, privateKey: new.privateKey))
            }
            #expect(await reaches(new.authority))
        }
    }

    @Test("another authority, and the system's, are refused with a TLS error")
    func wrongAuthority() async throws {
        let bundle = try bundle()
        let other = try self.bundle()
        try await withServer(hello, tls: serverTLS(bundle)) { server in
            for authorities in [other.authority, nil] {
                let error = await #expect(throws: CurlError.self) {
                    _ = try await curl(TLSSettings(authorities: authorities))
                        .exchange(server.request(.get, "/", scheme: "https"))
                }
                #expect(error?.code == .tls)
                #expect(error?.message.hasPrefix("could not agree on TLS with \(server.authority): ") == true)
            }
            let careless = curl(TLSSettings(authorities: other.authority, verifiesPeer: false))
            let answer = try await careless.exchange(server.request(.get, "/", scheme: "https"))
            #expect(answer.head.status == .ok)
        }
    }

    @Test("the certificate's name is checked, against another name where one is given")
    func serverName() async throws {
        let bundle = try bundle(["kubernetes.example"])
        try await withServer(hello, tls: serverTLS(bundle)) { server in
            let error = await #expect(throws: CurlError.self) {
                _ = try await curl(TLSSettings(authorities: bundle.authority))
                    .exchange(server.request(.get, "/", scheme: "https"))
            }
            #expect(error?.code == .tls)
            let named = curl(TLSSettings(authorities: bundle.authority, serverName: "kubernetes.example"))
            let response = try await named.exchange(server.request(.get, "/", scheme: "https"))
            let text = String(decoding: try await response.body.collect(upTo: 100), as: UTF8.self)
            #expect(text == "https \(server.authority)")
        }
    }

    @Test("a certificate that is trusted as its own authority needs no other, and doesn't stand for another one")
    func ownAuthority() async throws {
        let bundle = try bundle()
        let other = try self.bundle()
        try await withServer(hello, tls: serverTLS(bundle)) { server in
            let answer = try await curl(TLSSettings(authorities: bundle.certificate))
                .exchange(server.request(.get, "/", scheme: "https"))
            #expect(answer.head.status == .ok)
            let error = await #expect(throws: CurlError.self) {
                _ = try await curl(TLSSettings(authorities: other.certificate))
                    .exchange(server.request(.get, "/", scheme: "https"))
            }
            #expect(error?.code == .tls)
        }
    }

    @Test("a stream over TLS ends when its reader is let go of")
    func stream() async throws {
        let bundle = try bundle()
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let quiet = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(quiet, tls: serverTLS(bundle)) { server in
            let curl = curl(TLSSettings(authorities: bundle.authority))
            let response = try await curl.exchange(server.request(.get, "/", scheme: "https", timeout: nil))
            for try await _ in response.body { break }
            await body.ended.wait()
        }
    }

    @Test("a client certificate that can't be read is a TLS error")
    func brokenClientCertificate() async throws {
        let bundle = try bundle()
        try await withServer(hello, tls: serverTLS(bundle)) { server in
            let other = try self.bundle()
            let mismatch = TLSSettings(
                authorities: bundle.authority,
                certificate: bundle.certificate,
                privateKey: other.privateKey
            )
            let error = await #expect(throws: CurlError.self) {
                _ = try await curl(mismatch).exchange(server.request(.get, "/", scheme: "https"))
            }
            #expect(error?.code == .tls)
            let matching = TLSSettings(
                authorities: bundle.authority,
                certificate: bundle.certificate,
                privateKey: bundle.privateKey
            )
            let response = try await curl(matching).exchange(server.request(.get, "/", scheme: "https"))
            #expect(response.head.status == .ok)
        }
    }

    @Test("a client that doesn't agree on TLS in time is cut off; others stay", .timeLimit(.minutes(1)))
    func slowHandshake() async throws {
        let bundle = try bundle()
        let statistics = HTTPServiceStatistics()
        let limits = HTTPServiceLimits(handshake: .seconds(3), drain: .seconds(10), streamDrain: .zero)
        try await withServer(hello, tls: serverTLS(bundle), limits: limits, statistics: statistics) { server in
            let curl = curl(TLSSettings(authorities: bundle.authority))
            _ = try await curl.exchange(server.request(.get, "/", scheme: "https"))
            let silent = try await RawClient.connect(to: server.port)
            let slow = try await RawClient.connect(to: server.port)
            // The beginning of a ClientHello.
            try await slow.writeAndFlush(ByteBuffer(bytes: [0x16, 0x03, 0x01]))
            while statistics.connections < 3 { try await Task.sleep(for: .milliseconds(10)) }
            while statistics.openConnections > 1 { try await Task.sleep(for: .milliseconds(10)) }
            _ = try await curl.exchange(server.request(.get, "/", scheme: "https"))
            #expect(statistics.connections == 3, "the connection from before is still there")
            for client in [silent, slow] { try? await client.close() }
        }
    }

    @Test("a server without a key, and a client that speaks no TLS, are told so")
    func misuse() async throws {
        let bundle = try bundle()
        await #expect(throws: HTTPServiceError.self) {
            try await withServer(hello, tls: TLSSettings(certificate: bundle.certificate)) { _ in }
        }
        try await withServer(hello, tls: serverTLS(bundle)) { server in
            let error = await #expect(throws: CurlError.self) {
                _ = try await CurlExchange().exchange(server.request(.get, "/"))
            }
            #expect(error?.code == .connectionLost || error?.code == .protocol)
        }
    }
}
