// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import NIOHTTP1

extension HTTPClientHandler: UpstreamUser {
    func received(_ part: HTTPClientResponsePart, from upstream: UpstreamConnection) {
        guard let context, let request, request.upstream === upstream else { return }
        lastActivity = .now()
        switch part {
        case .head(let head) where head.status.code < 200:
            guard head.status != .switchingProtocols else { return upstream.close() }
            if head.status == .continue { request.isAskedToGoOn = true }
            if !request.plan.isOldVersion {
                context.write(wrapOutboundOut(.head(ForwardedResponse.interim(head))), promise: nil)
            }
        case .head(let head):
            // A client that waits to be told may never send the body.
            let mayStall = request.plan.asksFirst && !request.isAskedToGoOn && !request.isComplete
            guard let answer = ForwardedResponse(head, to: request.plan, mayStall: mayStall) else {
                return fail(request, .badGateway, "the pod answered in an unknown transfer coding")
            }
            request.hasAnswer = true
            request.hasAnswerBody = answer.hasBody
            request.endsConnection = answer.endsConnection
            request.isUpstreamKeptAlive = head.isKeepAlive && !request.plan.isOldVersion
            context.write(wrapOutboundOut(.head(answer.head)), promise: nil)
        case .body(let bytes):
            if request.hasAnswerBody { context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil) }
        case .end(let trailers): finish(request, trailers, context)
        }
    }

    func receivedAll(from upstream: UpstreamConnection) {
        guard let context else { return }
        context.flush()
        if request?.upstream === upstream, context.channel.isWritable { upstream.read() }
    }

    func writabilityChanged(of upstream: UpstreamConnection) {
        guard request?.upstream === upstream, upstream.isWritable else { return }
        pump()
        readIfWanted()
    }

    func closed(_ upstream: UpstreamConnection) {
        guard let request, request.upstream === upstream else { return }
        request.upstream = nil
        if request.mayBeRepeated, !request.isComplete || !inputEnded {
            // The request's end, which was passed on, is to be passed on again.
            if request.isComplete { queue.prepend(.part(.end(nil))) }
            request.isComplete = false
            request.needsFreshConnection = true
            return attempt(request)
        }
        fail(request, .badGateway, "the pod closed the connection without an answer")
    }

    private func finish(_ request: ProxiedRequest, _ trailers: HTTPHeaders?, _ context: ChannelHandlerContext) {
        // The end of a body in chunks; of an answer without a body nothing may be written.
        if request.hasAnswerBody { context.write(wrapOutboundOut(.end(trailers)), promise: nil) }
        let upstream = request.upstream
        self.request = nil
        request.upstream = nil
        request.release()
        request.mirror?.abandon()
        upstream?.user = nil
        if let upstream {
            if request.isComplete, request.isUpstreamKeptAlive, !inputEnded {
                way.pool.put(upstream, on: context.eventLoop)
            } else {
                upstream.close()
            }
        }
        if request.endsConnection || !request.isComplete || inputEnded && queue.isEmpty { return end(context) }
        context.flush()
        advance()
    }
}
