// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import Testing

@Suite("curl's errors", .timeLimit(.minutes(5)))
struct CurlErrorTests {
    private func error(_ request: HTTPRequestMessage, _ curl: CurlExchange = CurlExchange()) async -> CurlError? {
        await #expect(throws: CurlError.self) {
            let response = try await curl.exchange(request)
            for try await _ in response.body {}
        }
    }

    private func request(_ authority: String, scheme: String? = "http") -> HTTPRequestMessage {
        HTTPRequestMessage(head: HTTPRequest(method: .get, scheme: scheme, authority: authority, path: "/"))
    }

    @Test("a refused connection names the address and the reason")
    func refused() async throws {
        // The port was free a moment ago, and nobody listens on it now.
        let port = Counter()
        try await withServer(ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") }) {
            port.add($0.port)
        }
        let found = await error(request("127.0.0.1:\(port.value)"))
        #expect(found?.code == .connect)
        #expect(found?.message == "could not connect to 127.0.0.1:\(port.value): connection refused")
    }

    @Test("a name without an address is a DNS error")
    func unknownHost() async {
        let found = await error(request("no-such-host.invalid:8080"))
        #expect(found?.code == .dns)
        #expect(found?.message.hasPrefix("could not find the host of no-such-host.invalid:8080: ") == true)
    }

    @Test(
        "a request that can't be sent is refused with the reason",
        arguments: [
            ("", "http"), ("a:0", "http"), ("a:70000", "http"), (":80", "http"), ("a:b", "http"), ("a", "ftp"),
            ("a", nil),
        ] as [(String, String?)]
    )
    func invalid(authority: String, scheme: String?) async {
        #expect(await error(request(authority, scheme: scheme))?.code == .invalidRequest)
    }

    @Test("the whole transfer's time-out ends it before the head")
    func timeout() async throws {
        let stuck = ClosureExchange { _ in
            await Signal().wait()
            throw CancellationError()
        }
        try await withServer(stuck) { server in
            let found = await error(server.request(.get, "/", timeout: .milliseconds(200)))
            #expect(found?.code == .timeout)
            #expect(found?.message == "no complete response from \(server.authority) within 0.2 seconds")
        }
    }

    @Test("the idle time-out ends a quiet stream, not a talking one")
    func idleTimeout() async throws {
        let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
        let exchange = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(chunks))
        }
        try await withServer(exchange) { server in
            let time = ManualTime()
            let curl = CurlExchange(time: time)
            var request = server.request(.get, "/", timeout: nil)
            request.idleTimeout = .milliseconds(100)
            var reader = try await curl.exchange(request).body.makeAsyncIterator()
            for _ in 0..<20 {
                more.yield(Array("x".utf8))
                #expect(try await reader.next() == Array("x".utf8))
                time.advance(by: .milliseconds(60))
            }
            time.advance(by: .milliseconds(60))
            let found = await #expect(throws: CurlError.self) { _ = try await reader.next() }
            #expect(found?.code == .idleTimeout)
            #expect(found?.message == "no byte from \(server.authority) for 0.1 seconds")
        }
    }

    @Test("a response above the limit is refused, with and without a length", arguments: [true, false])
    func tooLarge(hasLength: Bool) async throws {
        let exchange = ClosureExchange { _ in
            let body = EndlessBody(chunk: [UInt8](repeating: 1, count: 1000))
            guard hasLength else {
                return HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
            }
            return HTTPResponseMessage(status: .ok, contentType: "a/b", bytes: [UInt8](repeating: 1, count: 100_001))
        }
        try await withServer(exchange) { server in
            var request = server.request(.get, "/")
            request.maximumResponseBytes = 100_000
            let found = await error(request)
            #expect(found?.code == .tooLarge)
            #expect(found?.message == "the response of \(server.authority) is larger than the limit of 100000 bytes")
        }
    }

    @Test("a shutdown ends what runs and refuses what comes")
    func shutdown() async throws {
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let exchange = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(exchange) { server in
            let curl = CurlExchange()
            var reader = try await curl.exchange(server.request(.get, "/", timeout: nil)).body.makeAsyncIterator()
            _ = try await reader.next()
            curl.shutdown()
            let ended = await #expect(throws: CurlError.self) { while try await reader.next() != nil {} }
            #expect(ended?.code == .shutdown)
            #expect(await error(server.request(.get, "/"), curl)?.code == .shutdown)
            curl.shutdown()
        }
    }

    @Test("a server that hangs up in the middle is a lost connection")
    func hangUp() async throws {
        struct Broken: Error {}
        let exchange = ClosureExchange { _ in
            let body = AsyncThrowingStream<[UInt8], any Error> { continuation in
                continuation.yield(Array("half".utf8))
                continuation.finish(throwing: Broken())
            }
            return HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(exchange) { server in
            let found = await error(server.request(.get, "/"))
            #expect(found?.code == .connectionLost)
        }
    }

    @Test("a proxy that isn't there is named")
    func proxy() async throws {
        let configuration = CurlConfiguration(proxy: "http://no-such-proxy.invalid:3128", noProxy: "127.0.0.1")
        let curl = CurlExchange(configuration: configuration)
        let found = await error(request("10.0.0.1:80"), curl)
        #expect(found?.code == .proxy)
        #expect(found?.message.contains("http://no-such-proxy.invalid:3128") == true)
        try await withServer(ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "direct") }) { server in
            let answer = try await curl.exchange(server.request(.get, "/"))
            #expect(answer.head.status == .ok)
        }
    }
}
