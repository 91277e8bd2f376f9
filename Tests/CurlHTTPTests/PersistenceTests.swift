// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import HTTPMessages
import HTTPTypes
import NIOCore
import NIOPosix
import ServiceLifecycle
import Synchronization
import Testing

@testable import HTTPServing

@Suite("How an HTTP/1 connection goes on and ends", .timeLimit(.minutes(2)))
struct PersistenceTests {
    private static let fine = ClosureExchange { request in
        var response = HTTPResponseMessage(status: .ok, text: "fine")
        if request.path == "/last" { response.head.headerFields[.connection] = "close" }
        return response
    }

    static let endings: [(start: String, fields: String)] = [
        (
            "GET / HTTP/1.1",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        ),
        ("POST / HTTP/1.1", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
        ("CONNECT a:80 HTTP/1.1", ""),
        ("GET / HTTP/1.1", "Connection: Close\r\n"),
        ("GET / HTTP/1.1", "Connection: close, TE\r\n"),
        ("GET /last HTTP/1.1", ""),
        ("GET / HTTP/1.0", ""),
        ("POST / HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 0\r\n"),
    ]

    @Test("a request that is the last one is answered, and then the connection is closed", arguments: endings)
    func last(start: String, fields: String) async throws {
        let request = "\(start)\r\nHost: a\r\n\(fields)\r\n"
        try await withServer(Self.fine) { server in
            let answer = try await RawClient.talk(request + request, to: server.port)
            #expect(answer.components(separatedBy: "HTTP/1.").count == 2, "\(answer)")
            #expect(answer.hasPrefix(start.hasSuffix("1.0") ? "HTTP/1.0 200" : "HTTP/1.1 200"), "\(answer)")
            #expect(answer.lowercased().contains("\r\nconnection: close\r\n"), "\(answer)")
            #expect(
                answer.firstMatch(of: /\r\n[Dd]ate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/) != nil,
                "\(answer)"
            )
        }
    }

    @Test("an HTTP/1.0 client may ask for more than one answer")
    func old() async throws {
        let kept = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
        try await withServer(Self.fine) { server in
            let answer = try await RawClient.talk(kept + kept + "GET / HTTP/1.0\r\n\r\n", to: server.port)
            #expect(answer.components(separatedBy: "HTTP/1.0 200").count == 4, "\(answer)")
            #expect(answer.lowercased().components(separatedBy: "connection: keep-alive").count == 3, "\(answer)")
        }
    }

    @Test("a body without a length ends with the connection for an HTTP/1.0 client, which knows no chunks")
    func oldStream() async throws {
        let exchange = ClosureExchange { _ in
            let (chunks, more) = AsyncStream<[UInt8]>.makeStream()
            more.yield(Array("one".utf8))
            more.yield(Array("two".utf8))
            more.finish()
            return HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(chunks))
        }
        try await withServer(exchange) { server in
            let request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            let answer = try await RawClient.talk(request, to: server.port)
            #expect(answer.hasSuffix("\r\n\r\nonetwo"), "\(answer)")
            #expect(!answer.lowercased().contains("transfer-encoding"), "\(answer)")
        }
    }

    @Test("after a request for another protocol nothing is taken in", arguments: [true, false])
    func flood(isAnswered: Bool) async throws {
        let release = Signal()
        let exchange = ClosureExchange { _ in
            if !isAnswered { await release.wait() }
            return HTTPResponseMessage(status: .ok, text: "fine")
        }
        try await withServer(exchange) { server in
            let client = try await RawClient.connect(to: server.port)
            let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
            try await client.writeAndFlush(ByteBuffer(string: head))
            let taken = Counter()
            let piece = ByteBuffer(repeating: 0x41, count: 1 << 20)
            let writes = (0..<50).map { _ in
                let write = client.writeAndFlush(piece)
                write.whenSuccess { taken.add() }
                return write
            }
            // The answer comes once the first piece has been taken; with it the end.
            try? await writes.first?.get()
            release.fire()
            for write in writes { try? await write.get() }
            #expect(taken.value < 30)
            try? await client.close()
        }
    }

    @Test("a client that goes after its last request is noticed, although nothing is read any more")
    func gone() async throws {
        let body = EndlessBody(chunk: Array("x".utf8), isQuiet: true)
        let exchange = ClosureExchange { _ in
            HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body))
        }
        try await withServer(exchange) { server in
            let client = try await RawClient.connect(to: server.port)
            try await client.writeAndFlush(
                ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            )
            while body.sent.value == 0, !Task.isCancelled { await Task.yield() }
            try await client.close()
            await body.ended.wait()
        }
    }

    @Test("what the client hasn't read yet when the server drains, it gets to the last byte")
    func drain() async throws {
        let size = 8 << 20
        let called = Signal()
        let exchange = ClosureExchange { _ in
            called.fire()
            return HTTPResponseMessage(
                status: .ok,
                contentType: "text/plain",
                bytes: [UInt8](repeating: 0x61, count: size)
            )
        }
        let statistics = HTTPServiceStatistics()
        // Long enough on a busy machine, too: what isn't read at its end is lost.
        let limits = HTTPServiceLimits(drain: .seconds(120), streamDrain: .zero)
        try await withServer(exchange, limits: limits, statistics: statistics) { server in
            let reader = LateReader()
            let client = try await LateReader.connect(to: server.port, reader)
            try await client.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            await called.wait()
            #expect(statistics.openRequests == 1)
            await server.group.triggerGracefulShutdown()
            client.read()
            try await client.closeFuture.get()
            #expect(reader.count > size)
        }
        #expect(statistics.openRequests == 0)
    }

    @Test("a connection is closed once the kernel has taken what was written", arguments: [CloseMode.all, .output])
    func close(mode: CloseMode) async throws {
        let size = 16 << 20
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { child in
                child.eventLoop.makeCompletedFuture {
                    try child.pipeline.syncOperations.addHandler(SocketHandler(limit: .minutes(1)))
                    try child.pipeline.syncOperations.addHandler(ClosingWriter(size: size, mode: mode))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let reader = LateReader()
        let client = try await LateReader.connect(to: listener.localAddress?.port ?? 0, reader)
        client.read()
        try await client.closeFuture.get()
        #expect(reader.count == size)
        try await listener.close()
    }

    @Test("a client that never reads its answer doesn't keep the server from ending")
    func unread() async throws {
        let called = Signal()
        let exchange = ClosureExchange { _ in
            called.fire()
            return HTTPResponseMessage(
                status: .ok,
                contentType: "text/plain",
                bytes: [UInt8](repeating: 0x61, count: 64 << 20)
            )
        }
        let limits = HTTPServiceLimits(drain: .milliseconds(50), streamDrain: .zero)
        let statistics = HTTPServiceStatistics()
        try await withServer(exchange, limits: limits, statistics: statistics) { server in
            let client = try await LateReader.connect(to: server.port, LateReader())
            try await client.writeAndFlush(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
            await called.wait()
        }
        #expect(statistics.openConnections == 0)
        #expect(statistics.openRequests == 0)
    }
}

extension RawClient {
    /// Sends text, and gives back all that comes until the server closes the connection.
    static func talk(_ text: String, to port: Int) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            var all = ""
            for try await part in inbound { all += String(buffer: part) }
            return all
        }
    }
}

/// Writes more than the kernel takes at once, and closes the connection.
private final class ClosingWriter: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let size: Int
    private let mode: CloseMode

    init(size: Int, mode: CloseMode) {
        self.size = size
        self.mode = mode
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(repeating: 0x61, count: size)), promise: nil)
        context.close(mode: mode, promise: nil)
    }
}

/// Reads nothing until it is asked to, and then a little at a time.
private final class LateReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private let number = Mutex(0)

    /// The bytes so far.
    var count: Int { number.withLock { $0 } }

    static func connect(to port: Int, _ reader: LateReader) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.so_rcvbuf), value: 16 << 10)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4 << 10))
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelInitializer { $0.pipeline.addHandler(reader) }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data).readableBytes
        number.withLock { $0 += bytes }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.read() }
}
