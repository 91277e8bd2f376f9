// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// What the first bytes of a connection say about its protocol.
enum ProtocolGuess: Equatable {
    /// They begin a request in HTTP/1.
    case http
    /// They begin something else: TLS, HTTP/2 without TLS, CONNECT, or a protocol unknown here.
    case other
    /// There are too few of them.
    case undecided

    /// The methods of HTTP/1 requests that are routed one by one; those with others are relayed with their connection.
    private static let methods = [
        "GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "TRACE ", "PROPFIND ", "PROPPATCH ",
        "MKCOL ",
        "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "SEARCH ", "REPORT ", "PURGE ",
    ]
    .map { Array($0.utf8) }

    /// Looks at the first bytes.
    init(_ bytes: ByteBuffer) {
        // An empty line or two before a request is to be ignored (RFC 9112, 2.2).
        let start = bytes.readableBytesView.drop { $0 == 13 || $0 == 10 }
        guard bytes.readableBytes - start.count <= 4 else {
            self = .other
            return
        }
        if Self.methods.contains(where: { start.starts(with: $0) }) {
            self = .http
        } else if Self.methods.contains(where: { $0.starts(with: start) }) {
            self = .undecided
        } else {
            self = .other
        }
    }
}

/// Waits for a connection's first bytes, and then gives way to the handlers of their protocol.
final class ProtocolGuessHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var bytes = ByteBuffer()
    private var isDecided = false
    private var isLeaving = false
    private var end: Scheduled<Void>?
    private let decide: (ProtocolGuess, any Channel) -> Void

    /// `decide` adds the handlers, which then get the bytes so far; it isn't called with `undecided`.
    init(decide: @escaping (ProtocolGuess, any Channel) -> Void) { self.decide = decide }

    func channelActive(context: ChannelHandlerContext) {
        // An accepted channel isn't ready when its handlers are added: a read before that is forgotten.
        end = context.eventLoop.assumeIsolated().scheduleTask(in: ProxyLimits.clientIdle) {
            context.close(promise: nil)
        }
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDecided else { return context.fireChannelRead(data) }
        var part = unwrapInboundIn(data)
        bytes.writeBuffer(&part)
        let guess = ProtocolGuess(bytes)
        if guess != .undecided { giveWay(to: guess, context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard isDecided else { return context.read() }
        context.fireChannelReadComplete()
        leave(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent, !isDecided {
            guard bytes.readableBytes > 0 else { return context.close(promise: nil) }
            giveWay(to: .other, context)
        }
        context.fireUserInboundEventTriggered(event)
        if isDecided { leave(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { end?.cancel() }

    private func giveWay(to guess: ProtocolGuess, _ context: ChannelHandlerContext) {
        isDecided = true
        decide(guess, context.channel)
        context.fireChannelRead(wrapInboundOut(bytes))
        bytes.clear()
    }

    /// Removes the handler, once what it is being told has been passed on: it can't afterwards.
    private func leave(_ context: ChannelHandlerContext) {
        guard !isLeaving else { return }
        isLeaving = true
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
