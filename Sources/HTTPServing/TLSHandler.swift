// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOTLS
import TransportSecurity

/// One connection's TLS: ciphertext to and from the socket, plaintext to and from the handlers above.
///
/// Says by `TLSUserEvent.handshakeCompleted` which protocol was agreed on, before the first plaintext. A client that hasn't
/// got so far within the time limit is cut off: who says nothing would keep its connection for ever.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What is encrypted in one go; below the 2 GiB that OpenSSL's calls take.
    private static let largestPiece = 1 << 20

    private let session: ServerTLSSession
    private let handshakeLimit: TimeAmount
    private let peers: PeerCertificates?
    private var limit: Scheduled<Void>?
    private var isClosed = false
    private var isAnnounced = false

    /// A handler for a fresh session, which tells `peers` what the client shows.
    init(_ session: ServerTLSSession, handshakeLimit: TimeAmount, peers: PeerCertificates? = nil) {
        self.session = session
        self.handshakeLimit = handshakeLimit
        self.peers = peers
    }

    func handlerAdded(context: ChannelHandlerContext) {
        limit = context.eventLoop.assumeIsolated().scheduleTask(in: handshakeLimit) { [self] in
            isClosed = true
            context.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { limit?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        do {
            let received = try session.receive(Array(unwrapInboundIn(data).readableBytesView))
            if !received.ciphertext.isEmpty {
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: received.ciphertext)), promise: nil)
            }
            if session.hasHandshaken && !isAnnounced {
                isAnnounced = true
                limit?.cancel()
                peers?.note(session.peerCertificates, on: context.channel)
                let event = TLSUserEvent.handshakeCompleted(negotiatedProtocol: session.negotiatedProtocol)
                context.fireUserInboundEventTriggered(event)
            }
            if !received.plaintext.isEmpty {
                context.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: received.plaintext)))
            }
            if received.isClosed { close(context: context, mode: .all, promise: nil) }
        } catch {
            isClosed = true
            // What the client can't know otherwise: why it isn't let in.
            let alert = session.close()
            if !alert.isEmpty { context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: alert)), promise: nil) }
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        // TLS has no half-closed connections: a socket without an end of its own has lost its client.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
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
