// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP/1 server on a free port of an address whose answers are told by the path, for tests of proxies.
///
/// | path | answer |
/// | --- | --- |
/// | `/echo` | the request's body, in chunks, as it comes |
/// | `/late` | the name, once `release` was called |
/// | `/drop` | none: the connection is closed, when it had answered another request before |
/// | `/early` | 413 at once, and the connection is closed |
/// | `/close` | the name; the connection is closed |
/// | `/endless` | a body whose end is the connection's |
/// | `/upgrade` | 101, and from then on every byte comes back |
/// | `/flood` | 48 MiB |
/// | any other | the name |
final class SmallHTTPServer: Sendable {
    /// What it saw.
    struct Seen: Sendable {
        var requests = 0
        var bodies: [String] = []
        var connections = 0
        var open = 0
        var floodedBytes = 0
        fileprivate var late: [EventLoopPromise<Void>] = []
        fileprivate var isReleased = false
    }

    let name: String
    let seen = Mutex(Seen())
    private let listener = Mutex<(any Channel)?>(nil)

    var channel: (any Channel)? { listener.withLock { $0 } }
    var requests: Int { seen.withLock { $0.requests } }

    private init(name: String) { self.name = name }

    static func start(_ name: String, on address: String) async throws -> SmallHTTPServer {
        let server = SmallHTTPServer(name: name)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelInitializer { child in
                server.seen.withLock { seen in
                    seen.connections += 1
                    seen.open += 1
                }
                child.closeFuture.whenComplete { _ in server.seen.withLock { $0.open -= 1 } }
                return child.eventLoop.makeCompletedFuture {
                    let pipeline = child.pipeline.syncOperations
                    try pipeline.addHandler(HTTPResponseEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
                    )
                    try pipeline.addHandler(AnsweringHandler(server))
                }
            }
            .bind(host: address, port: 0).get()
        server.listener.withLock { $0 = channel }
        return server
    }

    /// Answers those who wait at `/late`, and whoever comes later.
    func release() {
        let late = seen.withLock { seen in
            seen.isReleased = true
            defer { seen.late = [] }
            return seen.late
        }
        for promise in late { promise.succeed() }
    }

    func stop() async { try? await channel?.close().get() }

    fileprivate func untilReleased(_ loop: any EventLoop) -> EventLoopFuture<Void> {
        let promise = loop.makePromise(of: Void.self)
        let isReleased = seen.withLock { seen in
            if !seen.isReleased { seen.late.append(promise) }
            return seen.isReleased
        }
        if isReleased { promise.succeed() }
        return promise.futureResult
    }
}

private final class AnsweringHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private let server: SmallHTTPServer
    private var path = ""
    private var body = ""
    private var answered = 0
    private var isOld = false

    init(_ server: SmallHTTPServer) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            path = head.uri
            body = ""
            isOld = head.version.minor == 0
            server.seen.withLock { $0.requests += 1 }
            if head.headers["expect"].contains("100-continue"), path != "/early" {
                context.writeAndFlush(wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
            }
            if path == "/echo" {
                let answer = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["transfer-encoding": "chunked"])
                context.writeAndFlush(wrapOutboundOut(.head(answer)), promise: nil)
            } else if path == "/early" {
                answer(context, status: .payloadTooLarge, closes: true)
            }
        case .body(let bytes):
            if path == "/echo" {
                context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
            } else {
                body += String(buffer: bytes)
            }
        case .end: end(context)
        }
    }

    private func end(_ context: ChannelHandlerContext) {
        server.seen.withLock { [body] in $0.bodies.append(body) }
        switch path {
        case "/early": break
        case "/echo":
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            answered += 1
        case "/late":
            server.untilReleased(context.eventLoop).assumeIsolated().whenSuccess { self.answer(context) }
        case "/drop" where answered > 0: context.close(promise: nil)
        case "/close": answer(context, closes: true)
        case "/endless":
            let text = "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n\(server.name) to the end"
            raw(context, text).whenComplete { _ in context.close(promise: nil) }
        case "/upgrade": upgrade(context)
        case "/flood": flood(context)
        default: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext, status: HTTPResponseStatus = .ok, closes: Bool = false) {
        answered += 1
        let text = ByteBuffer(string: server.name)
        var head = HTTPResponseHead(version: isOld ? .http1_0 : .http1_1, status: status)
        head.headers.add(name: "content-length", value: "\(text.readableBytes)")
        if closes || isOld { head.headers.add(name: "connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(text))), promise: nil)
        let done = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: done)
        if closes || isOld { done.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) } }
    }

    private func raw(_ context: ChannelHandlerContext, _ text: String) -> EventLoopFuture<Void>.Isolated {
        // Past the encoder, which is the first handler.
        let done = context.eventLoop.makePromise(of: Void.self)
        try? context.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
            .writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: done)
        return done.futureResult.assumeIsolated()
    }

    private func upgrade(_ context: ChannelHandlerContext) {
        raw(context, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: parrot\r\n\r\n")
            .whenComplete { _ in }
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(ParrotHandler())
            try pipeline.removeHandler(context: pipeline.context(handlerType: HTTPResponseEncoder.self), promise: nil)
            pipeline.removeHandler(context: context, promise: nil)
            let parser = try pipeline.context(handlerType: ByteToMessageHandler<HTTPRequestDecoder>.self)
            pipeline.removeHandler(context: parser, promise: nil)
        } catch {
            context.close(promise: nil)
        }
    }

    private func flood(_ context: ChannelHandlerContext) {
        let total = 48 << 20
        var head = HTTPResponseHead(version: .http1_1, status: .ok)
        head.headers.add(name: "content-length", value: "\(total)")
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        send(context, from: 0, total)
    }

    private func send(_ context: ChannelHandlerContext, from written: Int, _ total: Int) {
        let count = min(65_536, total - written)
        guard count > 0 else { return context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil) }
        let done = context.eventLoop.makePromise(of: Void.self)
        let bytes = ByteBuffer(bytes: SmallServer.pattern(written, count))
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: done)
        done.futureResult.assumeIsolated().whenSuccess { [self] in
            server.seen.withLock { $0.floodedBytes += count }
            // Not at once: a write that succeeds directly would make this recursive.
            context.eventLoop.assumeIsolated().execute { self.send(context, from: written + count, total) }
        }
    }
}

private final class ParrotHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
}

/// An answer as a client saw it.
struct SmallAnswer: Equatable {
    var status: Int
    var version: String
    var fields: [String: String]
    var body: String
}

extension SmallClient.Conversation {
    /// Sends text as it is.
    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Sends a request without a body, or with one of known length.
    func ask(_ path: String, method: String = "GET", fields: String = "", body: String? = nil) async throws {
        let length = body.map { "content-length: \($0.utf8.count)\r\n" } ?? ""
        try await send("\(method) \(path) HTTP/1.1\r\nhost: a\r\n\(fields)\(length)\r\n\(body ?? "")")
    }
}

/// Reads answers from what a connection brings, whatever the parts are that it comes in.
struct AnswerReader {
    /// What was read beyond the last answer.
    private(set) var rest: [UInt8] = []

    /// The next answer; `nil` at the connection's end.
    mutating func next(_ line: inout SmallClient.Conversation, isHead: Bool = false) async throws -> SmallAnswer? {
        while true {
            if let (answer, used) = Self.parse(rest, isHead: isHead, isEnd: false) {
                rest.removeFirst(used)
                return answer
            }
            guard let part = try await line.receive() else {
                defer { rest = [] }
                return Self.parse(rest, isHead: isHead, isEnd: true)?.0
            }
            rest += part
        }
    }

    static func parse(_ bytes: [UInt8], isHead: Bool, isEnd: Bool) -> (SmallAnswer, Int)? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        var answer = SmallAnswer(status: Int(words[1]) ?? 0, version: String(words[0]), fields: [:], body: "")
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            answer.fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        var used = text[..<end.upperBound].utf8.count
        if isHead || answer.status < 200 || answer.status == 204 { return (answer, used) }
        let body = text[end.upperBound...]
        if let length = answer.fields["content-length"].flatMap(Int.init) {
            guard body.utf8.count >= length else { return nil }
            answer.body = String(decoding: body.utf8.prefix(length), as: UTF8.self)
            return (answer, used + length)
        }
        guard answer.fields["transfer-encoding"] == "chunked" else {
            answer.body = String(body)
            return isEnd ? (answer, bytes.count) : nil
        }
        var left = Array(body.utf8)
        while let line = String(decoding: left, as: UTF8.self).range(of: "\r\n") {
            let whole = String(decoding: left, as: UTF8.self)
            guard let size = Int(whole[..<line.lowerBound], radix: 16) else { return nil }
            let head = whole[..<line.upperBound].utf8.count
            guard left.count >= head + size + 2 else { return nil }
            answer.body += String(decoding: left[head..<head + size], as: UTF8.self)
            left.removeFirst(head + size + 2)
            used += head + size + 2
            if size == 0 { return (answer, used) }
        }
        return nil
    }
}
