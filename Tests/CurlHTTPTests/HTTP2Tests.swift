// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import ServiceLifecycle
import Synchronization
import Testing
import TransportSecurity

/// Nothing here measures time: the limits only keep a stall from hanging the run.
@Suite("HTTP/2 between curl and our server", .timeLimit(.minutes(5)))
struct HTTP2Tests {
    /// Answers by path: `/watch` sends one chunk and stays open, `/flood` sends without end, `/size/N` has N bytes, all
    /// else says the path.
    private let server = ClosureExchange { request in
        if request.path == "/watch" {
            return stream(EndlessBody(chunk: Array("event\n".utf8), isQuiet: true))
        }
        if request.path == "/flood" { return stream(EndlessBody(chunk: [UInt8](repeating: 7, count: 16_384))) }
        if request.path.hasPrefix("/size/"), let count = Int(request.path.dropFirst(6)) {
            return HTTPResponseMessage(status: .ok, contentType: "a/b", bytes: [UInt8](repeating: 1, count: count))
        }
        let body = try await request.body.collect(upTo: 8 << 20)
        return HTTPResponseMessage(status: .ok, text: "\(request.path) \(body.count)")
    }

    private static func stream(_ body: EndlessBody) -> HTTPResponseMessage {
        HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
    }

    private func withSecureServer(
        _ exchange: any HTTPExchange,
        limits: HTTPServiceLimits = HTTPServiceLimits(drain: .seconds(10), streamDrain: .zero),
        _ body: @escaping @Sendable (SecureServer) async throws -> Void
    ) async throws {
        let bundle = try TLSFixture.bundle()
        let tls = TLSSettings(certificate: bundle.certificate, privateKey: bundle.privateKey)
        let statistics = HTTPServiceStatistics()
        try await withServer(exchange, tls: tls, limits: limits, statistics: statistics) { server in
            try await body(SecureServer(server: server, authority: bundle.authority, statistics: statistics))
        }
    }

    private func text(_ response: HTTPResponseMessage) async throws -> String {
        String(decoding: try await response.body.collect(upTo: 1 << 20), as: UTF8.self)
    }

    @Test("many watches and many requests share one connection")
    func sharedConnection() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl()
            var watches: [HTTPResponseMessage] = []
            for _ in 0..<40 { watches.append(try await curl.exchange(server.get("/watch", timeout: nil))) }
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        let body = [UInt8](repeating: 3, count: number * 100)
                        return try await text(curl.exchange(server.post("/\(number)", body)))
                    }
                }
                var answers: Set<String> = []
                for try await answer in group { answers.insert(answer) }
                #expect(answers == Set((0..<200).map { "/\($0) \($0 * 100)" }))
            }
            #expect(server.statistics.connections == 1)
            #expect(server.statistics.requests == 240)
            for watch in watches {
                var reader = watch.body.makeAsyncIterator()
                #expect(try await reader.next() == Array("event\n".utf8))
            }
        }
    }

    /// libcurl 7.88 sends a PRIORITY frame with each request; of these NIO takes 200 in 30 s if nothing else is said.
    @Test("a client that asks as fast as it gets answers keeps its connection")
    func busyClient() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<150 { _ = try await curl.exchange(server.get("/size/1")).body.collect(upTo: 1) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(server.statistics.requests == 1200)
            #expect(server.statistics.connections == 1)
        }
    }

    @Test("requests that begin before there is a connection wait for the one that is being made")
    func simultaneousStart() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl()
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<60 {
                    group.addTask { try await text(curl.exchange(server.get("/\(number)"))) }
                }
                var count = 0
                for try await answer in group where answer.hasSuffix(" 0") { count += 1 }
                #expect(count == 60)
            }
            #expect(server.statistics.connections == 1)
        }
    }

    @Test("a watch that nobody reads holds up nothing else, and ends with an error once too much waits for its reader")
    func slowReader() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl(streamBuffer: 1 << 20)
            let quiet = try await curl.exchange(server.get("/watch", timeout: nil))
            let flood = try await curl.exchange(server.get("/flood", timeout: nil))
            for _ in 0..<50 {
                let response = try await curl.exchange(server.get("/size/300000"))
                let bytes = try await response.body.collect(upTo: 300_000)
                #expect(bytes.count == 300_000)
            }
            var received = 0
            let error = await #expect(throws: CurlError.self) {
                for try await chunk in flood.body { received += chunk.count }
            }
            #expect(error?.code == .readerTooSlow)
            #expect(received >= 1 << 20 && received < 4 << 20)
            var reader = quiet.body.makeAsyncIterator()
            #expect(try await reader.next() == Array("event\n".utf8))
            #expect(server.statistics.connections == 1)
        }
    }

    @Test("a reader that is slower than the server gets all of a long stream, while others are answered")
    func readerBehind() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl(streamBuffer: 4 << 20)
            let flood = try await curl.exchange(server.get("/flood", timeout: nil))
            async let beside = text(curl.exchange(server.get("/beside")))
            var received = 0
            var sum: UInt64 = 0
            for try await chunk in flood.body {
                received += chunk.count
                // Work in place of a clock: more than it takes to send a chunk.
                for byte in chunk.prefix(chunk.count / 8) { sum = (sum &+ UInt64(byte)) &* 0x9e37_79b9_7f4a_7c15 }
                if received > 24 << 20 { break }
            }
            #expect(received > 24 << 20 && sum != 0)
            #expect(try await beside == "/beside 0")
        }
    }

    @Test("streams that are let go of, in the midst of a flood too, leave the connection usable")
    func cancelledStreams() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl(streamBuffer: 16 << 20)
            let quiet = try await curl.exchange(server.get("/watch", timeout: nil))
            for round in 0..<30 {
                let flood = try await curl.exchange(server.get("/flood", timeout: nil))
                async let answer = text(curl.exchange(server.get("/round/\(round)")))
                var reader = flood.body.makeAsyncIterator()
                for _ in 0..<(round % 4) { _ = try? await reader.next() }
                #expect(try await answer == "/round/\(round) 0")
            }
            let cancelled = Task { try await text(curl.exchange(server.get("/watch", timeout: nil))) }
            cancelled.cancel()
            _ = await cancelled.result
            #expect(try await text(curl.exchange(server.get("/last"))) == "/last 0")
            var reader = quiet.body.makeAsyncIterator()
            #expect(try await reader.next() == Array("event\n".utf8))
            #expect(server.statistics.connections == 1)
        }
    }

    @Test("requests beyond the server's limit of streams get another connection, also while watches fill the first")
    func streamLimit() async throws {
        let limits = HTTPServiceLimits(drain: .seconds(10), streamDrain: .zero, maximumStreams: 8)
        try await withSecureServer(server, limits: limits) { server in
            let curl = server.curl()
            #expect(try await text(curl.exchange(server.get("/first"))) == "/first 0")
            var watches: [HTTPResponseMessage] = []
            for _ in 0..<12 { watches.append(try await curl.exchange(server.get("/watch", timeout: nil))) }
            try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<40 {
                    group.addTask { try await text(curl.exchange(server.get("/\(number)"))) }
                }
                var count = 0
                for try await _ in group { count += 1 }
                #expect(count == 40)
            }
            #expect(server.statistics.connections >= 2)
            #expect(watches.count == 12)
        }
    }

    @Test("a large list beside watches arrives whole")
    func largeList() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl()
            var watches: [HTTPResponseMessage] = []
            for _ in 0..<10 { watches.append(try await curl.exchange(server.get("/watch", timeout: nil))) }
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        let response = try await curl.exchange(server.get("/size/20000000"))
                        return try await response.body.collect(upTo: 20_000_000).count
                    }
                }
                for try await count in group { #expect(count == 20_000_000) }
            }
            #expect(watches.count == 10)
            #expect(server.statistics.connections == 1)
        }
    }

    @Test("more transfers at once than a connection carries are all served, on as few connections as that takes")
    func manyAtOnce() async throws {
        try await withSecureServer(server) { server in
            let curl = server.curl()
            var watches: [HTTPResponseMessage] = []
            for _ in 0..<95 { watches.append(try await curl.exchange(server.get("/watch", timeout: nil))) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<300 {
                    group.addTask { _ = try await text(curl.exchange(server.get("/\(number)"))) }
                }
                try await group.waitForAll()
            }
            for _ in 0..<20 { watches.append(try await curl.exchange(server.get("/watch", timeout: nil))) }
            #expect(watches.count == 115)
            #expect(server.statistics.requests == 415)
            #expect(server.statistics.connections <= 3)
        }
    }

    @Test("a server that shuts down lets a request finish and ends the watches; after it, another one is found")
    func restart() async throws {
        let started = Signal()
        let slow = ClosureExchange { [server] request in
            guard request.path == "/slow" else { return try await server.exchange(request) }
            started.fire()
            try await Task.sleep(for: .milliseconds(300))
            return HTTPResponseMessage(status: .ok, text: "slow")
        }
        let bundle = try TLSFixture.bundle()
        let tls = TLSSettings(certificate: bundle.certificate, privateKey: bundle.privateKey)
        let curl = CurlExchange(configuration: CurlConfiguration(tls: TLSSettings(authorities: bundle.authority)))
        let port = Mutex(0)
        try await withServer(slow, tls: tls) { server in
            port.withLock { $0 = server.port }
            let watch = try await curl.exchange(server.request(.get, "/watch", scheme: "https", timeout: nil))
            async let answer = text(curl.exchange(server.request(.get, "/slow", scheme: "https")))
            await started.wait()
            await server.group.triggerGracefulShutdown()
            #expect(try await answer == "slow")
            var reader = watch.body.makeAsyncIterator()
            while let chunk = try? await reader.next() { #expect(chunk == Array("event\n".utf8)) }
        }
        try await withServer(slow, tls: tls, port: port.withLock { $0 }) { server in
            let answer = try await text(curl.exchange(server.request(.get, "/again", scheme: "https")))
            #expect(answer == "/again 0")
        }
    }

    @Test("a connection on which nothing comes back is given up with the request that waited, and replaced")
    func silentConnection() async throws {
        let bundle = try TLSFixture.bundle()
        let tls = TLSSettings(certificate: bundle.certificate, privateKey: bundle.privateKey)
        try await withServer(server, tls: tls) { server in
            try await withFreezingProxy(to: server.port) { proxy in
                let curl = CurlExchange(
                    configuration: CurlConfiguration(tls: TLSSettings(authorities: bundle.authority))
                )
                var through = server
                through.port = proxy.port
                let proxied = through
                let watch = try await curl.exchange(proxied.request(.get, "/watch", scheme: "https", timeout: nil))
                proxy.freeze()
                let error = await #expect(throws: CurlError.self) {
                    _ = try await curl.exchange(proxied.request(.get, "/", scheme: "https", timeout: .seconds(6)))
                }
                #expect(error?.code == .timeout)
                let broken = await #expect(throws: CurlError.self) {
                    for try await _ in watch.body {}
                }
                #expect(broken?.code == .connectionLost)
                let answer = try await text(curl.exchange(proxied.request(.get, "/after", scheme: "https")))
                #expect(answer == "/after 0")
            }
        }
    }

    @Test("HTTP/1.1 is spoken where the client doesn't offer HTTP/2, or the server doesn't take it")
    func fallback() async throws {
        try await withSecureServer(server) { server in
            let old = CurlExchange(
                configuration: CurlConfiguration(tls: TLSSettings(authorities: server.authority), http2: false)
            )
            let answer = try await text(old.exchange(server.post("/old", [1, 2])))
            #expect(answer == "/old 2")
        }
        let limits = HTTPServiceLimits(drain: .seconds(10), streamDrain: .zero, maximumStreams: nil)
        try await withSecureServer(server, limits: limits) { server in
            let curl = server.curl()
            let answer = try await text(curl.exchange(server.post("/new", [1, 2, 3])))
            #expect(answer == "/new 3")
        }
    }
}

/// Makes certificates.
enum TLSFixture {
    /// A fresh authority with a certificate for the given hosts.
    static func bundle(_ hosts: [String] = ["127.0.0.1"]) throws -> CertificateBundle {
        try CertificateBundle.make(
            hosts: hosts,
            now: SystemTime().now(),
            validity: .seconds(86_400),
            random: SystemRandom()
        )
    }
}

/// A server that speaks TLS, and how to reach it.
struct SecureServer: Sendable {
    let server: RunningServer
    /// The certificate authority.
    let authority: String
    let statistics: HTTPServiceStatistics

    /// A client of its own.
    func curl(streamBuffer: Int? = nil) -> CurlExchange {
        var configuration = CurlConfiguration(tls: TLSSettings(authorities: authority))
        if let streamBuffer { configuration.streamBufferBytes = streamBuffer }
        return CurlExchange(configuration: configuration)
    }

    func get(_ path: String, timeout: Duration? = .seconds(20)) -> HTTPRequestMessage {
        server.request(.get, path, scheme: "https", timeout: timeout)
    }

    func post(_ path: String, _ body: [UInt8]) -> HTTPRequestMessage {
        server.request(.post, path, scheme: "https", body: body)
    }
}
