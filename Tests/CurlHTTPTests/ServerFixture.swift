// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import HTTPMessages
import HTTPServing
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization

/// A running server on 127.0.0.1.
struct RunningServer: Sendable {
    /// Its port.
    var port: Int
    /// What ends it.
    var group: ServiceGroup

    /// The authority for URLs.
    var authority: String { "127.0.0.1:\(port)" }

    /// A request to this server.
    func request(
        _ method: HTTPRequest.Method = .get,
        _ path: String,
        scheme: String = "http",
        body: [UInt8] = [],
        timeout: Duration? = .seconds(20)
    ) -> HTTPRequestMessage {
        HTTPRequestMessage(
            head: HTTPRequest(method: method, scheme: scheme, authority: authority, path: path),
            body: StreamingBody(body),
            timeout: timeout
        )
    }
}

/// Runs a server for `exchange` while `body` runs, then shuts it down gracefully.
func withServer(
    _ exchange: any HTTPExchange,
    tls: TLSSettings? = nil,
    credentials: ServerCredentials? = nil,
    asksForClientCertificate: Bool = false,
    port: Int = 0,
    limits: HTTPServiceLimits = HTTPServiceLimits(drain: .seconds(10), streamDrain: .zero),
    statistics: HTTPServiceStatistics = HTTPServiceStatistics(),
    _ body: @escaping @Sendable (RunningServer) async throws -> Void
) async throws {
    let (ports, continuation) = AsyncStream<Int>.makeStream()
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let service = HTTPService(
        exchange: exchange,
        host: "127.0.0.1",
        port: port,
        tls: tls,
        credentials: credentials,
        asksForClientCertificate: asksForClientCertificate,
        limits: limits,
        statistics: statistics,
        logger: logger
    ) { port in
        continuation.yield(port)
    }
    let group = ServiceGroup(services: [service], logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask {
            defer { continuation.finish() }
            try await group.run()
        }
        for await port in ports.prefix(1) {
            defer { continuation.finish() }
            do {
                try await body(RunningServer(port: port, group: group))
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
        }
        await group.triggerGracefulShutdown()
        try await tasks.waitForAll()
    }
}

/// Connections that say nothing by themselves.
enum RawClient {
    /// A connection to a port of this machine.
    static func connect(to port: Int) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port)
            .get()
    }
}

/// Lets a test wait for something that happens elsewhere.
final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    /// It happened.
    func fire() {
        continuation.yield()
        continuation.finish()
    }

    /// Returns when it has happened, or the task is cancelled.
    func wait() async {
        for await _ in stream { return }
    }
}

/// A number that several tasks count.
final class Counter: Sendable {
    private let number = Mutex(0)

    var value: Int { number.withLock { $0 } }

    func add(_ more: Int = 1) { number.withLock { $0 += more } }
}

/// An endless body, and a sign of its end.
struct EndlessBody: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    var chunk: [UInt8]
    var sent = Counter()
    var ended = Signal()
    /// Whether it says nothing after the first chunk.
    var isQuiet = false

    func makeAsyncIterator() -> Iterator { Iterator(body: self, end: End(signal: ended)) }

    struct Iterator: AsyncIteratorProtocol {
        let body: EndlessBody
        let end: End

        mutating func next() async throws -> [UInt8]? {
            if body.isQuiet && body.sent.value > 0 { await Signal().wait() }
            try Task.checkCancellation()
            body.sent.add(body.chunk.count)
            return body.chunk
        }
    }

    final class End: Sendable {
        let signal: Signal

        init(signal: Signal) { self.signal = signal }

        deinit { signal.fire() }
    }
}
