// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One half of a relayed connection: what its channel reads goes to its partner's channel, and no more is read while
/// that isn't writable.
///
/// The end of input is passed on, so each direction may end alone, and whatever ends a connection, bytes that were read
/// before are written first. What arrives before there is a partner is kept: a peer that closes its sending side makes
/// NIO read all that is there, asked or not (at most what the system's buffers hold).
final class RelayHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Whether its connection waits for somebody to be joined with. A peer that sends no more meanwhile has most likely gone:
    /// its connection is closed.
    var isHeld = false {
        didSet { if isHeld, inputEnded { context?.close(promise: nil) } }
    }
    private var partner: RelayHandler?
    private var context: ChannelHandlerContext?
    private var early: [ByteBuffer] = []
    private var wantsRead = false
    private var inputEnded = false
    private var isEnding = false
    private var outputEnded = false
    private let onActive: (any Channel) -> Void

    /// A half without a partner yet; `onActive` is called when its channel is ready to be read.
    ///
    /// An accepted channel isn't ready when its handlers are added: a read before that is forgotten.
    init(onActive: @escaping (any Channel) -> Void = { _ in }) { self.onActive = onActive }

    /// A half that behaves as if its channel, which is active already, had read `first` before anything else.
    init(first: ByteBuffer) {
        early = [first]
        onActive = { _ in }
    }

    /// Makes this half and `other` belong together; both channels must be on one event loop.
    func join(_ other: RelayHandler) {
        partner = other
        other.partner = self
        handOver()
        other.handOver()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        onActive(context.channel)
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
        early = []
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if let partner { partner.write(bytes) } else { early.append(bytes) }
    }

    func channelReadComplete(context: ChannelHandlerContext) { partner?.context?.flush() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.readAgain() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable ?? false { context.read() } else { wantsRead = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        inputEnded = true
        if isHeld { return context.close(promise: nil) }
        partner?.endOutput(closingAll: false)
        if outputEnded { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.endOutput(closingAll: true)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    /// Gives the partner what arrived before it was there.
    private func handOver() {
        guard !early.isEmpty || inputEnded else { return }
        for bytes in early { partner?.write(bytes) }
        early = []
        partner?.context?.flush()
        if inputEnded { partner?.endOutput(closingAll: false) }
    }

    private func write(_ bytes: ByteBuffer) { context?.write(wrapOutboundOut(bytes), promise: nil) }

    private func readAgain() {
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    /// Ends the channel's output once everything before has been written, and the whole channel when nothing can come
    /// from it any more. (Closing the output of a channel whose input has ended closes it at once, with bytes
    /// unwritten.)
    private func endOutput(closingAll: Bool) {
        guard let context, closingAll || !isEnding else { return }
        isEnding = true
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { [self] _ in
            outputEnded = true
            guard let context = self.context else { return }
            context.close(mode: closingAll || inputEnded ? .all : .output, promise: nil)
        }
    }
}
