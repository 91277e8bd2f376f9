// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Testing

@Suite("the HTTP server", .timeLimit(.minutes(5)))
struct HTTPServiceTests {
    @Test("a graceful shutdown lets a request in flight finish")
    func drains() async throws {
        let started = Signal()
        let release = Signal()
        let slow = ClosureExchange { _ in
            started.fire()
            await release.wait()
            return HTTPResponseMessage(status: .ok, text: "done")
        }
        try await withServer(slow) { server in
            let curl = CurlExchange()
            async let answer = curl.exchange(server.request(.get, "/"))
            await started.wait()
            await server.group.triggerGracefulShutdown()
            release.fire()
            let response = try await answer
            #expect(try await response.body.collect(upTo: 10) == Array("done".utf8))
        }
    }

    @Test("a request that takes longer than the drain is cancelled")
    func drainLimit() async throws {
        let started = Signal()
        let ended = Signal()
        let stuck = ClosureExchange { _ in
            started.fire()
            await Signal().wait()
            ended.fire()
            throw CancellationError()
        }
        let limits = HTTPServiceLimits(drain: .milliseconds(100), streamDrain: .zero)
        try await withServer(stuck, limits: limits) { server in
            let curl = CurlExchange()
            await #expect(throws: CurlError.self) {
                async let answer = curl.exchange(server.request(.get, "/"))
                await started.wait()
                await server.group.triggerGracefulShutdown()
                await ended.wait()
                _ = try await answer
            }
        }
    }

    @Test("a graceful shutdown ends a quiet stream in order when its source ends on cancellation")
    func streamEnds() async throws {
        let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
        let exchange = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(chunks))
        }
        try await withServer(exchange) { server in
            let curl = CurlExchange()
            var reader = try await curl.exchange(server.request(.get, "/", timeout: nil)).body.makeAsyncIterator()
            more.yield(Array("one".utf8))
            #expect(try await reader.next() == Array("one".utf8))
            await server.group.triggerGracefulShutdown()
            #expect(try await reader.next() == nil)
        }
    }

    @Test("responses without a body stay without one, and the connection stays usable")
    func noBody() async throws {
        let exchange = ClosureExchange { request in
            switch request.path {
            case "/204": HTTPResponseMessage(head: HTTPResponse(status: .noContent))
            case "/304": HTTPResponseMessage(head: HTTPResponse(status: .notModified))
            case "/stream":
                HTTPResponseMessage(
                    head: HTTPResponse(status: .ok),
                    body: StreamingBody(EndlessBody(chunk: Array("x".utf8)))
                )
            default: HTTPResponseMessage(status: .ok, text: "text")
            }
        }
        try await withServer(exchange) { server in
            let curl = CurlExchange(configuration: CurlConfiguration(maximumConnections: 1))
            for (method, path, status) in [
                (HTTPRequest.Method.get, "/204", 204), (.get, "/304", 304), (.head, "/", 200), (.head, "/stream", 200),
                (.head, "/204", 204),
            ] {
                let response = try await curl.exchange(server.request(method, path))
                #expect(response.head.status.code == status)
                #expect(try await response.body.collect(upTo: 10).isEmpty)
            }
            let last = try await curl.exchange(server.request(.get, "/"))
            #expect(try await last.body.collect(upTo: 10) == Array("text".utf8))
        }
    }

    @Test("a body that the exchange doesn't read doesn't break the next request")
    func unreadBody() async throws {
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "fine") }
        try await withServer(exchange) { server in
            let curl = CurlExchange(configuration: CurlConfiguration(maximumConnections: 1))
            for _ in 0..<3 {
                let body = [UInt8](repeating: 1, count: 1_000_000)
                let response = try await curl.exchange(server.request(.post, "/", body: body))
                #expect(response.head.status == .ok)
            }
        }
    }

    @Test("an exchange that bounds a body can answer 413 at once")
    func boundedBody() async throws {
        let exchange = ClosureExchange { request in
            do {
                _ = try await request.body.collect(upTo: 1000)
                return HTTPResponseMessage(status: .ok, text: "")
            } catch is BodyTooLarge {
                return HTTPResponseMessage(status: .contentTooLarge, text: "")
            }
        }
        try await withServer(exchange) { server in
            let body = [UInt8](repeating: 1, count: 100_000)
            let response = try await CurlExchange().exchange(server.request(.post, "/", body: body))
            #expect(response.head.status == .contentTooLarge)
        }
    }

    @Test("no more connections than the limit are open at once; the next one's turn comes when one is closed")
    func maximumConnections() async throws {
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "fine") }
        let statistics = HTTPServiceStatistics()
        let limits = HTTPServiceLimits(maximumConnections: 1, drain: .seconds(10), streamDrain: .zero)
        try await withServer(exchange, limits: limits, statistics: statistics) { server in
            let first = try await RawClient.connect(to: server.port)
            while statistics.openConnections < 1 { try await Task.sleep(for: .milliseconds(10)) }
            await #expect(throws: CurlError.self) {
                try await CurlExchange().exchange(server.request(.get, "/", timeout: .milliseconds(300)))
            }
            #expect(statistics.connections == 1)
            try await first.close()
            let answer = try await CurlExchange().exchange(server.request(.get, "/"))
            #expect(answer.head.status == .ok)
        }
    }

    @Test("a port that is taken is an error with the address")
    func portTaken() async throws {
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") }
        try await withServer(exchange) { server in
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let second = HTTPService(exchange: exchange, host: "127.0.0.1", port: server.port, logger: logger)
            let error = await #expect(throws: HTTPServiceError.self) { try await second.run() }
            #expect(
                error?.message
                    == "can't listen on 127.0.0.1:\(server.port): another program uses the port; "
                    + "stop it, or choose another port"
            )
        }
    }

    @Test("a server that is stopped by cancellation logs no error")
    func cancellation() async throws {
        let lines = LogLines()
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        let service = HTTPService(
            exchange: ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "") },
            host: "127.0.0.1",
            port: 0,
            logger: Logger(label: "test") { _ in lines }
        ) { listening.yield($0) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await service.run() }
            for await _ in ports { break }
            group.cancelAll()
        }
        #expect(lines.texts.all == [])
    }
}

/// Keeps what is logged.
private struct LogLines: LogHandler {
    final class Texts: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    let texts = Texts()
    var logLevel = Logger.Level.trace
    var metadata: Logger.Metadata = [:]

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { texts.add("\(event.message)") }
}
