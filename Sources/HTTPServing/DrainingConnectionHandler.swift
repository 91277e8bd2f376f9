// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP2
import Synchronization

/// Counts the streams that are open on a connection.
final class OpenStreams: NIOHTTP2StreamDelegate {
    private let base: NIOHTTP2ServerConnectionManagementHandler.HTTP2StreamDelegate
    private let number = Atomic(0)

    /// Counts what it passes on to `base`.
    init(base: NIOHTTP2ServerConnectionManagementHandler.HTTP2StreamDelegate) { self.base = base }

    /// The streams that are open now.
    var count: Int { number.load(ordering: .relaxed) }

    func streamCreated(_ id: HTTP2StreamID, channel: any Channel) {
        number.add(1, ordering: .relaxed)
        base.streamCreated(id, channel: channel)
    }

    func streamClosed(_ id: HTTP2StreamID, channel: any Channel) {
        number.subtract(1, ordering: .relaxed)
        base.streamClosed(id, channel: channel)
    }
}

/// Closes a connection that is being shut down once no stream is open, or the time is over.
///
/// The handler that sends GOAWAY waits for the client's word that it got it. A client that keeps the connection for later
/// and doesn't read it until then, as libcurl does, would never say so.
final class DrainingConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame

    /// How often the streams are looked at.
    private static let interval = TimeAmount.milliseconds(250)

    private let open: OpenStreams
    private let limit: TimeAmount
    private var isDraining = false

    /// Closes a connection with the streams `open` at most `limit` after its shutdown has begun.
    init(open: OpenStreams, limit: TimeAmount) {
        self.open = open
        self.limit = limit
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard event is ChannelShouldQuiesceEvent, !isDraining else { return }
        isDraining = true
        look(at: context.channel, until: .now() + limit)
    }

    private func look(at channel: any Channel, until deadline: NIODeadline) {
        let open = open
        let task = channel.eventLoop.scheduleRepeatedTask(initialDelay: Self.interval, delay: Self.interval) { task in
            guard open.count == 0 || NIODeadline.now() >= deadline else { return }
            task.cancel()
            channel.close(promise: nil)
        }
        channel.closeFuture.whenComplete { _ in task.cancel() }
    }
}

@available(*, unavailable)
extension DrainingConnectionHandler: Sendable {}
