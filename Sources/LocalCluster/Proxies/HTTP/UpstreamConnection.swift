// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import NIOPosix

/// Whoever sends a request over an `UpstreamConnection` and gets the answer; always on the connection's event loop.
protocol UpstreamUser: AnyObject {
    /// A part of the answer.
    func received(_ part: HTTPClientResponsePart, from upstream: UpstreamConnection)
    /// No more has been read for now; whoever wants more calls `read`.
    func receivedAll(from upstream: UpstreamConnection)
    /// It can or can't take more bytes now.
    func writabilityChanged(of upstream: UpstreamConnection)
    /// The connection has ended without a whole answer.
    func closed(_ upstream: UpstreamConnection)
}

/// A connection to a pod that carries one request after the other; the last handler of its channel.
///
/// Without a user it is idle: whatever arrives then ends it.
final class UpstreamConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// The pod.
    let target: ServiceTarget
    /// Who uses it now; set by the user.
    var user: (any UpstreamUser)?
    private var context: ChannelHandlerContext?

    private init(target: ServiceTarget) { self.target = target }

    /// Whether it still is connected.
    var isOpen: Bool { context?.channel.isActive ?? false }
    /// Whether more can be written without waiting for the pod.
    var isWritable: Bool { context?.channel.isWritable ?? false }

    /// Connects on `loop` and calls `done` there.
    static func connect(
        to target: ServiceTarget,
        on loop: any EventLoop,
        done: @escaping (UpstreamConnection?) -> Void
    ) {
        guard let address = try? SocketAddress(ipAddress: target.address, port: target.port) else { return done(nil) }
        ClientBootstrap(group: loop)
            .connectTimeout(ServiceProxy.connectTimeout)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    var framing = HTTPRequestEncoder.Configuration()
                    framing.automaticallySetFramingHeaders = false
                    let decoder = HTTPResponseDecoder(
                        leftOverBytesStrategy: .dropBytes,
                        informationalResponseStrategy: .forward,
                        limitConfiguration: ProxyLimits.decoder
                    )
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPRequestEncoder(configuration: framing))
                    try pipeline.addHandler(ByteToMessageHandler(decoder))
                    try pipeline.addHandler(UpstreamConnection(target: target))
                }
            }
            .connect(to: address).assumeIsolated()
            .whenComplete { result in
                let channel = try? result.get()
                done(try? channel?.pipeline.syncOperations.handler(type: UpstreamConnection.self))
            }
    }

    /// Writes a part of a request; `flush` sends it.
    func write(_ part: HTTPClientRequestPart) { context?.write(wrapOutboundOut(part), promise: nil) }
    /// Sends what was written.
    func flush() { context?.flush() }
    /// Lets it read once.
    func read() { context?.read() }
    /// Closes it.
    func close() { context?.close(promise: nil) }
    /// Tells the pod that the client sends no more.
    func closeOutput() { context?.close(mode: .output, promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let user { user.received(unwrapInboundIn(data), from: self) } else { close() }
    }

    func channelReadComplete(context: ChannelHandlerContext) { user?.receivedAll(from: self) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        user?.writabilityChanged(of: self)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        tellClosed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // At once: the parser takes the close for the proper end of an answer without a length.
        tellClosed()
        context.close(promise: nil)
    }

    private func tellClosed() {
        let last = user
        user = nil
        last?.closed(self)
    }
}
