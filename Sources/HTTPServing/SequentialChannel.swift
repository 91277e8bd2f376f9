// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// A server's HTTP/1 connections: one request after the other, until one of them is the last.
struct SequentialChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    /// What reads and answers the requests.
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let socket = try pipeline.handler(type: SocketHandler.self)
            let parser = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(PersistenceHandler(socket), position: .after(parser))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// What a request says of its connection (RFC 9112, section 9.3).
struct Persistence: Equatable {
    /// Whether the client speaks HTTP/1.0, which knows no chunks and no interim answers.
    let isOld: Bool
    /// Whether no other request can follow: the client says so, or it asks for another protocol, after which the parser
    /// takes nothing for a request any more.
    let isLast: Bool

    /// Reads a request's head.
    init(_ head: HTTPRequestHead) {
        isOld = head.version.major == 1 && head.version.minor == 0
        let asksForUpgrade =
            head.headers.contains(name: "upgrade")
            && head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
        isLast = !head.isKeepAlive || asksForUpgrade || head.method == .CONNECT
    }

    /// Makes a request's head such that what comes after can rely on it.
    func prepare(_ head: inout HTTPRequestHead) {
        if isLast { head.headers.replaceOrAdd(name: "connection", value: "close") }
        // RFC 9110, section 10.1.1: an expectation in an HTTP/1.0 request is ignored.
        if isOld { head.headers.remove(name: "expect") }
    }

    /// Says in an answer's head what becomes of the connection; true when it ends after the answer.
    /// - Parameter serverEnds: whether the server takes no other request.
    func complete(_ head: inout HTTPResponseHead, serverEnds: Bool) -> Bool {
        let saysClose = head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "close" }
        // Without chunks and a length the end of the connection is the end of the body.
        let isUnframed =
            isOld && head.status.mayHaveResponseBody && !head.headers.contains(name: "content-length")
        let ends = isLast || serverEnds || saysClose || isUnframed
        if isOld { head.version = .http1_0 }
        if ends {
            head.headers.replaceOrAdd(name: "connection", value: "close")
        } else if isOld {
            head.headers.replaceOrAdd(name: "connection", value: "keep-alive")
        }
        return ends
    }
}

/// Ends an HTTP/1 connection after its last answer, and reads nothing after its last request.
final class PersistenceHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let socket: SocketHandler
    /// The requests that have arrived and aren't answered, oldest first.
    private var unanswered: [Persistence] = []
    private var isLastRead = false
    private var isEnding = false
    private var serverEnds = false

    /// A handler of the connection of `socket`.
    init(_ socket: SocketHandler) { self.socket = socket }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The parser may have had more in hand.
        guard !isLastRead else { return }
        guard case .head(var head) = unwrapInboundIn(data) else {
            context.fireChannelRead(data)
            if case .end = unwrapInboundIn(data), unanswered.last?.isLast ?? isEnding { endReading() }
            return
        }
        let persistence = Persistence(head)
        persistence.prepare(&head)
        unanswered.append(persistence)
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // What follows what is no request can't be told apart.
        endReading()
        context.fireErrorCaught(error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { serverEnds = true }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if head.status.code >= 200 {
                let ends = unanswered.first?.complete(&head, serverEnds: serverEnds) ?? true
                if ends { isEnding = true }
            }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            if !unanswered.isEmpty { unanswered.removeFirst() }
            context.write(data, promise: promise)
            if isEnding {
                isLastRead = true
                context.close(mode: .output, promise: nil)
            }
        }
    }

    private func endReading() {
        isLastRead = true
        socket.endReading()
    }
}

@available(*, unavailable)
extension PersistenceHandler: Sendable {}
