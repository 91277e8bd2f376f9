// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import TransportSecurity

/// Encrypts a server's connections below their HTTP.
struct TLSChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    /// Certificate and key.
    let context: ServerTLSContext
    /// What speaks above TLS.
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(TLSHandler(ServerTLSSession(context)))
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// One connection's TLS: ciphertext to and from the socket, plaintext to and from the handlers above.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What is encrypted in one go; below the 2 GiB that OpenSSL's calls take.
    private static let largestPiece = 1 << 20

    private let session: ServerTLSSession
    private var isClosed = false

    /// A handler for a fresh session.
    init(_ session: ServerTLSSession) { self.session = session }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        do {
            let received = try session.receive(Array(unwrapInboundIn(data).readableBytesView))
            if !received.ciphertext.isEmpty {
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: received.ciphertext)), promise: nil)
            }
            if !received.plaintext.isEmpty {
                context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: received.plaintext)))
            }
            if received.isClosed { close(context: context, mode: .all, promise: nil) }
        } catch {
            isClosed = true
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isClosed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        do {
            var plain = unwrapOutboundIn(data)
            var cipher: [UInt8] = []
            while let piece = plain.readBytes(length: min(plain.readableBytes, Self.largestPiece)), !piece.isEmpty {
                cipher += try session.send(piece)
            }
            context.write(wrapOutboundOut(ByteBuffer(bytes: cipher)), promise: promise)
        } catch {
            isClosed = true
            promise?.fail(error)
            context.close(promise: nil)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if !isClosed && mode != .input {
            isClosed = true
            let goodbye = session.close()
            if !goodbye.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: goodbye)), promise: nil) }
        }
        context.close(mode: mode, promise: promise)
    }
}

@available(*, unavailable)
extension TLSHandler: Sendable {}
