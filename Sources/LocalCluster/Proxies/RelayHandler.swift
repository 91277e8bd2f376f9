// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// One half of a relayed connection: what its channel reads goes to its partner's channel, and no more is read while
/// that isn't writable. The end of input is passed on, so each direction may end alone.
final class RelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var partner: RelayHandler?
    private var context: ChannelHandlerContext?
    private var wantsRead = false
    private var inputEnded = false
    private var outputEnded = false
    private let onActive: (any Channel) -> Void

    /// A half without a partner yet; `onActive` is called when its channel is ready to be read.
    ///
    /// An accepted channel isn't ready when its handlers are added: a read before that is forgotten.
    init(onActive: @escaping (any Channel) -> Void = { _ in }) { self.onActive = onActive }

    /// Makes this half and `other` belong together; both channels must be on one event loop.
    func join(_ other: RelayHandler) {
        partner = other
        other.partner = self
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        onActive(context.channel)
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        partner?.context?.write(NIOAny(unwrapInboundIn(data)), promise: nil)
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
        partner?.endOutput()
        closeIfDone()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let other = partner?.context
        other?.flush()
        other?.close(promise: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        partner?.context?.close(promise: nil)
        context.close(promise: nil)
    }

    private func readAgain() {
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    private func endOutput() {
        guard !outputEnded else { return }
        outputEnded = true
        context?.flush()
        context?.close(mode: .output, promise: nil)
        closeIfDone()
    }

    private func closeIfDone() {
        if inputEnded && outputEnded { context?.close(promise: nil) }
    }
}
