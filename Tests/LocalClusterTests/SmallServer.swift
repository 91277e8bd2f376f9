// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// A TCP server on a free port of an address, for tests.
struct SmallServer: Sendable {
    /// What it does with a connection.
    enum Manner: Sendable {
        /// Sends back what it gets, and ends when its client ends.
        case echo
        /// Sends so many bytes of `pattern` as soon as its client has connected, and then closes the connection.
        case flood(Int)
    }

    /// The listener.
    let channel: any Channel
    /// The bytes that were handed to the system.
    let sent: Counter
    /// The port.
    var port: Int { channel.localAddress?.port ?? 0 }

    /// A number that tasks share.
    final class Counter: Sendable {
        private let number = Mutex(0)
        var value: Int { number.withLock { $0 } }
        func add(_ count: Int) { number.withLock { $0 += count } }
    }

    /// Starts to listen.
    static func start(on address: String, _ manner: Manner = .echo) async throws -> SmallServer {
        let sent = Counter()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { child in
                child.eventLoop.makeCompletedFuture {
                    switch manner {
                    case .echo: try child.pipeline.syncOperations.addHandler(EchoHandler())
                    case .flood(let count):
                        try child.pipeline.syncOperations.addHandler(FloodHandler(count, sent))
                    }
                }
            }
            .bind(host: address, port: 0).get()
        return SmallServer(channel: channel, sent: sent)
    }

    /// Stops to listen.
    func stop() async { try? await channel.close().get() }

    /// One period of the pattern; it has no shorter one.
    private static let period: [UInt8] = (0..<(1 << 20)).map { place in
        UInt8(truncatingIfNeeded: place &* 31 ^ place >> 8 ^ place >> 13)
    }

    /// The bytes that a flood consists of, from a place on.
    static func pattern(_ start: Int, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            let place = (start + bytes.count) % period.count
            bytes += period[place..<min(period.count, place + count - bytes.count)]
        }
        return bytes
    }
}

private final class EchoHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    private var wantsRead = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, wantsRead else { return }
        wantsRead = false
        context.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    }
}

private final class FloodHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let total: Int
    private let sent: SmallServer.Counter
    private var written = 0

    init(_ total: Int, _ sent: SmallServer.Counter) {
        self.total = total
        self.sent = sent
    }

    func channelActive(context: ChannelHandlerContext) { send(context) }

    private func send(_ context: ChannelHandlerContext) {
        let count = min(65_536, total - written)
        guard count > 0 else { return context.close(promise: nil) }
        let done = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: SmallServer.pattern(written, count))), promise: done)
        written += count
        done.futureResult.assumeIsolated().whenSuccess { [self] in
            sent.add(count)
            // Not at once: a write that succeeds directly would make this recursive.
            context.eventLoop.assumeIsolated().execute { self.send(context) }
        }
    }
}

/// A TCP client, for tests.
struct SmallClient: Sendable {
    private let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Connects.
    init(to address: String, port: Int) async throws {
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.socketOption(.so_rcvbuf), value: 65_536)
            .connect(host: address, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
    }

    /// Writes `bytes`, ends the output, and returns everything that comes back.
    func exchange(_ bytes: [UInt8]) async throws -> [UInt8] {
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingTaskGroup(of: [UInt8].self) { group in
                group.addTask {
                    try await outbound.write(ByteBuffer(bytes: bytes))
                    outbound.finish()
                    return []
                }
                group.addTask {
                    var all: [UInt8] = []
                    for try await part in inbound { all += part.readableBytesView }
                    return all
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
        }
    }

    /// Lets `body` talk with the server.
    func talk(_ body: (inout Conversation) async throws -> Void) async throws {
        try await channel.executeThenClose { inbound, outbound in
            var conversation = Conversation(iterator: inbound.makeAsyncIterator(), writer: outbound)
            try await body(&conversation)
        }
    }

    /// A connection that is being used.
    struct Conversation {
        fileprivate var iterator: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
        fileprivate let writer: NIOAsyncChannelOutboundWriter<ByteBuffer>

        /// Sends bytes.
        func send(_ bytes: [UInt8]) async throws { try await writer.write(ByteBuffer(bytes: bytes)) }
        /// Ends the output.
        func end() { writer.finish() }
        /// The next bytes; `nil` at the end.
        mutating func receive() async throws -> [UInt8]? {
            try await iterator.next(isolation: #isolation).map { Array($0.readableBytesView) }
        }
    }
}
