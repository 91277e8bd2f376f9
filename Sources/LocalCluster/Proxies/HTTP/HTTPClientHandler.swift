// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule
import NIOCore
import NIOHTTP1

/// The requests of one client connection, one after the other, each sent to a pod of its own.
///
/// Bodies stream both ways: neither side is read while the other can't take more. Requests that a client sends before
/// it has its answers wait their turn in what one read brought; more isn't read meanwhile.
final class HTTPClientHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// What was read.
    enum Item {
        /// A part of a request.
        case part(HTTPServerRequestPart)
        /// What is no request, with the answer to it.
        case failure(HTTPResponseStatus, String)
    }

    /// Where requests go.
    let way: ConnectionWay
    /// The handler's place; `nil` once it is removed.
    private(set) var context: ChannelHandlerContext?
    /// What was read and isn't passed on yet.
    var queue: Deque<Item> = []
    /// The request in hand.
    var request: ProxiedRequest?
    /// When something came from the client or the pod at last.
    var lastActivity = NIODeadline.now()
    /// Whether the client sends no more.
    private(set) var inputEnded = false
    private var isEnding = false
    private var isAdvancing = false
    private var tunnel: ForwardedRequest?
    private var watchdog: Scheduled<Void>?

    /// A handler for the connections of one listener.
    init(_ way: ConnectionWay) { self.way = way }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        watch(context, after: ProxyLimits.clientIdle)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        watchdog?.cancel()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        lastActivity = .now()
        guard !isEnding else { return }
        queue.append(.part(unwrapInboundIn(data)))
        advance()
    }

    func channelReadComplete(context: ChannelHandlerContext) { readIfWanted() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { request?.upstream?.read() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        inputEnded = true
        if let request {
            if request.hold != nil { return leave(context) }
            // The pod learns of it as if it were asked directly.
            if request.isComplete, queue.isEmpty { request.upstream?.closeOutput() }
        } else if queue.isEmpty || isEnding {
            end(context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.close(promise: nil) }
        if isEnding { return }
        if inputEnded, queue.isEmpty, request == nil { return context.close(promise: nil) }
        let isLarge = error == .headerOverflow
        queue.append(
            isLarge
                ? .failure(
                    .requestHeaderFieldsTooLarge,
                    "the header fields are larger than \(ProxyLimits.headerBytes) bytes"
                )
                : .failure(.badRequest, "the request is no HTTP/1.1: \(error)")
        )
        advance()
    }

    func channelInactive(context: ChannelHandlerContext) {
        drop()
        queue = []
        isEnding = true
        context.fireChannelInactive()
    }

    // MARK: Requests

    /// Begins the next request when the last one is answered, and passes on what it can of the one in hand.
    func advance() {
        guard !isAdvancing else { return }
        isAdvancing = true
        while request == nil, !isEnding, let item = queue.popFirst() {
            switch item {
            case .part(.head(let head)): begin(head)
            case .part(.end) where tunnel != nil: openTunnel()
            case .part(.body), .part(.end): break  // What is left of a request that was refused by its head.
            case .failure(let status, let reason): answer(status, reason, endsConnection: true)
            }
        }
        isAdvancing = false
        pump()
        readIfWanted()
    }

    private func begin(_ head: HTTPRequestHead) {
        let plan: ForwardedRequest
        do {
            plan = try ForwardedRequest(head)
        } catch {
            return answer(error.status, error.reason, endsConnection: true)
        }
        if plan.opensTunnel {
            tunnel = plan
            return
        }
        let request = ProxiedRequest(plan)
        self.request = request
        request.choose(among: way.router.order(for: plan.head.headers))
        attempt(request)
    }

    /// Sends the request to the next pod that may take it.
    func attempt(_ request: ProxiedRequest) {
        guard let context, self.request === request else { return request.release() }
        guard let target = request.nextTarget() else { return hold(request) }
        let loop = context.eventLoop
        if !request.needsFreshConnection, let upstream = way.pool.take(target, on: loop) {
            request.isReused = true
            return adopt(upstream, for: request)
        }
        request.isReused = false
        UpstreamConnection.connect(to: target, on: loop) { [self] upstream in
            guard self.request === request else {
                upstream?.close()
                return
            }
            if let upstream { return adopt(upstream, for: request) }
            request.passOver()
            attempt(request)
        }
    }

    private func adopt(_ upstream: UpstreamConnection, for request: ProxiedRequest) {
        guard let context else { return upstream.close() }
        lastActivity = .now()
        request.upstream = upstream
        upstream.user = self
        if request.mirror == nil, !request.needsFreshConnection, let chooser = way.router.mirror() {
            request.mirror = .start(request.plan.head, to: chooser, way.pool, way.mirrors, on: context.eventLoop)
        }
        upstream.write(.head(request.plan.head))
        if !pump() { upstream.flush() }
        upstream.read()
        readIfWanted()
    }

    /// Passes parts on while the pod takes them; says whether there was any.
    @discardableResult
    func pump() -> Bool {
        guard let request, let upstream = request.upstream, !request.isComplete else { return false }
        var hasWritten = false
        var endsInput = false
        while !request.isComplete, upstream.isWritable, let item = queue.popFirst() {
            switch item {
            case .part(.head): break
            case .part(.body(let bytes)):
                request.hasSentBody = true
                write(.body(.byteBuffer(bytes)), upstream, request.mirror)
            case .part(.end(let trailers)):
                request.isComplete = true
                write(.end(trailers), upstream, request.mirror)
                // The client's end came before this part was passed on.
                if inputEnded, queue.isEmpty { endsInput = true }
            case .failure(let status, let reason):
                fail(request, status, reason)
                return true
            }
            hasWritten = true
        }
        if hasWritten {
            upstream.flush()
            request.mirror?.flush()
        }
        if endsInput { upstream.closeOutput() }
        return hasWritten
    }

    private func write(_ part: HTTPClientRequestPart, _ upstream: UpstreamConnection, _ mirror: MirroredRequest?) {
        upstream.write(part)
        mirror?.write(part)
    }

    /// Reads on where what comes can go on at once.
    func readIfWanted() {
        guard let context, !inputEnded else { return }
        if isEnding { return context.read() }
        guard queue.isEmpty else { return }
        if let request {
            guard !request.isComplete, request.upstream?.isWritable ?? false else { return }
        }
        context.read()
    }

    // MARK: No pod

    /// Keeps the request until there is a pod, where its Service says so; otherwise says that there is none.
    private func hold(_ request: ProxiedRequest) {
        guard let context else { return }
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, request), eventLoop: loop)
        let outcome = way.held.hold(
            way.service,
            on: loop,
            resume: {
                loop.execute {
                    let (handler, request) = bound.value
                    request.hold = nil
                    guard handler.request === request else { return }
                    handler.lastActivity = .now()
                    request.choose(among: handler.way.router.order(for: request.plan.head.headers))
                    handler.attempt(request)
                }
            },
            expire: {
                let (handler, request) = bound.value
                request.hold = nil
                let seconds = handler.way.held.longestWait.nanoseconds / 1_000_000_000
                handler.fail(request, .serviceUnavailable, "no pod of it got ready in \(seconds) s")
            }
        )
        switch outcome {
        case .held(let hold):
            request.hold = hold
            if inputEnded { return leave(context) }
            // What came in between has told nobody.
            if way.router.hasTarget(for: request.plan.head.headers, except: request.refusing) {
                way.held.resume(way.service)
            }
        case .full: fail(request, .serviceUnavailable, "it has no ready pod, and too many requests wait for one")
        case .none:
            let refused = request.refusing.count
            let reason = refused == 0 ? "it has no ready pod" : "none of its \(refused) ready pods takes connections"
            fail(request, .serviceUnavailable, reason)
        }
    }

    // MARK: Ends

    /// Ends the request with an answer of the proxy's own, or where the pod's has begun, with the connection.
    func fail(_ request: ProxiedRequest, _ status: HTTPResponseStatus, _ reason: String) {
        guard self.request === request, let context else { return }
        let hasAnswer = request.hasAnswer
        // What is left of a short one is thrown away by `advance`.
        let isComplete = request.isComplete || isNextPartLast || request.plan.isShort
        let plan = request.plan
        drop()
        if hasAnswer {
            isEnding = true
            return context.close(promise: nil)
        }
        answer(status, reason, endsConnection: !plan.isKeptAlive || !isComplete, to: plan)
        advance()
    }

    /// Whether all that is left of the request was read and is only its end.
    private var isNextPartLast: Bool { if case .part(.end)? = queue.first { true } else { false } }

    /// Writes an answer of the proxy's own.
    private func answer(
        _ status: HTTPResponseStatus,
        _ reason: String,
        endsConnection: Bool,
        to plan: ForwardedRequest? = nil
    ) {
        guard let context else { return }
        let body = ByteBuffer(string: "Service \(way.service): \(reason)\n")
        var head = HTTPResponseHead(version: plan?.isOldVersion ?? false ? .http1_0 : .http1_1, status: status)
        head.headers.add(name: "content-type", value: "text/plain; charset=utf-8")
        head.headers.add(name: "content-length", value: "\(body.readableBytes)")
        if status == .serviceUnavailable {
            head.headers.add(name: "retry-after", value: "\(ProxyLimits.retryAfterSeconds)")
        }
        if endsConnection {
            head.headers.add(name: "connection", value: "close")
        } else if plan?.isOldVersion ?? false {
            head.headers.add(name: "connection", value: "keep-alive")
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if plan?.head.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        if endsConnection { return end(context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Ends the connection once everything was written. A client that still sends gets a moment to read the answer:
    /// closing with bytes unread would make the system throw the answer away.
    func end(_ context: ChannelHandlerContext) {
        isEnding = true
        queue = []
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))), promise: written)
        written.futureResult.assumeIsolated().whenComplete { [self] _ in
            guard let context = self.context else { return }
            if inputEnded { return context.close(promise: nil) }
            context.close(mode: .output, promise: nil)
            watchdog?.cancel()
            watch(context, after: ProxyLimits.linger)
            readIfWanted()
        }
    }

    /// Ends the connection of a client that waited for a pod and sends no more: it has most likely gone, and a pod would
    /// work for nobody. One that only closed its sending side is taken for gone by our own servers, too.
    private func leave(_ context: ChannelHandlerContext) {
        drop()
        queue = []
        isEnding = true
        context.close(promise: nil)
    }

    /// Forgets the request in hand and all that it holds.
    private func drop() {
        guard let request else { return }
        self.request = nil
        if let hold = request.hold { way.held.forget(hold) }
        request.release()
        request.mirror?.abandon()
        request.upstream?.user = nil
        request.upstream?.close()
        request.upstream = nil
    }

    private func watch(_ context: ChannelHandlerContext, after time: TimeAmount) {
        watchdog = context.eventLoop.assumeIsolated().scheduleTask(in: time) { [self] in
            guard let context = self.context else { return }
            // Those that are held have a limit of their own.
            let limit = request == nil ? ProxyLimits.clientIdle : ProxyLimits.requestIdle
            let rest = lastActivity + limit - .now()
            if isEnding || request == nil && rest <= .zero { return context.close(promise: nil) }
            if let request, request.upstream != nil, rest <= .zero {
                let stall = ProxyLimits.stall(
                    isComplete: request.isComplete,
                    podTakesMore: request.upstream?.isWritable ?? false
                )
                return fail(request, stall.status, stall.reason)
            }
            watch(context, after: max(rest, .seconds(1)))
        }
    }

    // MARK: Tunnels

    /// Gives the connection to one pod from this request on, as bytes.
    ///
    /// Its end has been read: the parser gives no more parts.
    private func openTunnel() {
        guard let context, let plan = tunnel else { return }
        isEnding = true
        queue = []
        let order = way.router.order(for: plan.head.headers)
        do {
            let pipeline = context.pipeline.syncOperations
            let relay = RelayHandler(first: plan.bytes)
            try pipeline.addHandler(relay)
            let channel = context.channel
            try pipeline.removeHandler(context: pipeline.context(handlerType: HTTPResponseEncoder.self), promise: nil)
            pipeline.removeHandler(context: context, promise: nil)
            // The bytes that its parser has left over go to the relay.
            let parser = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
            pipeline.removeHandler(context: parser, promise: nil)
            way.relay(channel, order: order)
        } catch {
            context.close(promise: nil)
        }
    }
}
