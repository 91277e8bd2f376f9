// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// Sees to a connection's end, next to its socket.
///
/// - A connection that is to be closed is closed once the kernel has taken what was written: the channel itself would throw
///   away the rest. It gets `limit` for that.
/// - After its last answer the client gets a moment to read it: closing with bytes unread would make the kernel throw the
///   answer away.
/// - Once the server is to end, nothing outlives `limit` by more than `grace`, whatever the client does.
/// - A connection on which nothing more is wanted isn't read: what comes would be kept by the handlers above.
final class SocketHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What becomes of bytes that arrive.
    private enum Reading {
        /// They are passed on.
        case on
        /// They stay in the kernel.
        case off
        /// They are thrown away, so many at most.
        case discarding(Int)
    }

    /// How long a connection may stay after the end of a drain: streams that have just been told to end are ending.
    static let grace = TimeAmount.seconds(1)
    /// How long a client may take to close after its last answer.
    static let linger = TimeAmount.seconds(2)
    /// What a client may send after its last answer before it is cut off.
    static let lingeringBytes = 1 << 20

    /// How long a client may take for the rest of its last answer while the server goes on, at least.
    static let leastLimit = TimeAmount.seconds(30)

    private let limit: TimeAmount
    private var reading = Reading.on
    private var context: ChannelHandlerContext?
    private var isClosingOutput = false
    private var isClosing = false
    private var serverEnds = false
    private var timers: [Scheduled<Void>] = []

    /// A handler whose connection takes at most `limit` to be closed.
    init(limit: TimeAmount) { self.limit = limit }

    /// Reads no more; what is left on its way up is thrown away.
    func endReading() {
        if case .on = reading { reading = .off }
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { forget() }

    func channelInactive(context: ChannelHandlerContext) {
        forget()
        context.fireChannelInactive()
    }

    func read(context: ChannelHandlerContext) {
        if case .off = reading { return }
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch reading {
        case .on: context.fireChannelRead(data)
        case .off: break
        case .discarding(let rest):
            let left = rest - unwrapInboundIn(data).readableBytes
            if left < 0 { return context.close(promise: nil) }
            reading = .discarding(left)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if case .discarding = reading { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent, !serverEnds {
            serverEnds = true
            close(in: limit + Self.grace)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .input: context.close(mode: .input, promise: promise)
        case .output:
            guard !isClosingOutput, !isClosing else { return context.close(mode: .output, promise: promise) }
            isClosingOutput = true
            whenWritten(context) { [self] in
                // To a client that sends no more either, this is the end of the connection.
                context.close(mode: .output, promise: promise)
                beginLingering()
            }
        case .all:
            isClosing = true
            whenWritten(context) { context.close(mode: .all, promise: promise) }
        }
    }

    /// Runs `body` once the kernel has taken all that was written so far, or the connection broke; cuts it off after `limit`.
    private func whenWritten(_ context: ChannelHandlerContext, _ body: @escaping () -> Void) {
        guard context.channel.isActive else { return body() }
        close(in: serverEnds ? limit : max(limit, Self.leastLimit))
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in body() }
    }

    private func beginLingering() {
        guard let context else { return }
        reading = .discarding(Self.lingeringBytes)
        close(in: Self.linger)
        context.read()
    }

    private func close(in time: TimeAmount) {
        guard let context else { return }
        timers.append(
            context.eventLoop.assumeIsolated().scheduleTask(in: time) { [self] in
                self.context?.close(promise: nil)
            }
        )
    }

    private func forget() {
        context = nil
        for timer in timers { timer.cancel() }
        timers = []
    }
}

@available(*, unavailable)
extension SocketHandler: Sendable {}
