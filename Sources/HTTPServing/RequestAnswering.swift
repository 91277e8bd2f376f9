// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// Turns the HTTP server's requests into ours, and our responses into bytes.
struct RequestAnswering: Sendable {
    /// Who answers.
    var exchange: any HTTPExchange
    /// Whether the requests came over TLS.
    var isSecure: Bool
    /// Whether each request has a stream of its own (HTTP/2).
    var isMultiplexed = false
    /// Tells whether a client is still there.
    var connections: ClientConnections
    /// Knows which certificates clients showed; `nil` where they aren't asked for any.
    var peers: PeerCertificates?
    /// Dates the answers.
    var time: any TimeSource = SystemTime()
    /// Counts the requests.
    var statistics: HTTPServiceStatistics
    /// Gets what went wrong.
    var logger: Logger

    /// Answers one request; returns when the response is sent.
    /// - Throws: when the connection can't be used any more.
    @concurrent
    func answer(_ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel) async throws {
        let connection = connections.connection(on: channel)
        statistics.requestArrived()
        defer { statistics.requestEnded() }
        if request.headers[.expect]?.lowercased() == "100-continue" {
            try await writer.writeInformationalHead(HTTPResponse(status: .continue))
        }
        let message = self.message(for: request, on: channel)
        let response = try await connection.whileOpen(isStreaming: false) { try await self.response(to: message) }
        let hasNoBody =
            request.method == .head || response.head.status == .noContent
            || response.head.status == .notModified
        var head = response.head
        if head.headerFields[.date] == nil { head.headerFields[.date] = time.now().httpDate }
        // RFC 9113, section 8.2.2: HTTP/2 has no such field; a stream's end says nothing of its connection.
        if isMultiplexed { head.headerFields[.connection] = nil }
        if let bytes = response.body.wholeBytes {
            if response.head.status != .noContent { head.headerFields[.contentLength] = String(bytes.count) }
            if !hasNoBody && bytes.count > Self.fairShare {
                var sink = try await writer.writeHead(head)
                for start in stride(from: 0, to: bytes.count, by: Self.fairShare) {
                    let piece = bytes[start..<min(start + Self.fairShare, bytes.count)]
                    try await sink.write(ByteBuffer(bytes: piece))
                    try await Self.letOthers(channel)
                }
                return try await sink.finish(nil)
            }
            return try await writer.write(
                response: head,
                body: hasNoBody ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
            )
        }
        if hasNoBody {
            // Without a length the encoder would announce chunks that never come.
            if request.method == .head, head.headerFields[.contentLength] == nil {
                head.headerFields[.contentLength] = "0"
            }
            return try await writer.write(response: head, body: ResponseBody())
        }
        let isEndless = head.headerFields[.contentLength] == nil
        let sink = ExclusiveAccess(try await writer.writeHead(head))
        try await connection.whileOpen(isStreaming: isEndless) {
            var sink = sink.value
            var sent = 0
            for try await chunk in response.body where !chunk.isEmpty {
                try await sink.write(ByteBuffer(bytes: chunk))
                sent += chunk.count
                if sent >= Self.fairShare {
                    sent = 0
                    try await Self.letOthers(channel)
                }
            }
        }
        // Here and not in the child: a source that ends on cancellation still gets a proper end, and a cancelled task
        // can't write.
        let end = sink.value
        try await end.finish(nil)
    }

    /// After this many bytes of one response the event loop turns to its other work.
    private static let fairShare = 128 << 10

    /// Waits until the event loop has looked at its sockets: it runs what is handed to it before that, and a source as fast
    /// as its client would keep it from ever reading, a client's wish to end the stream included.
    private static func letOthers(_ channel: any Channel) async throws {
        try await channel.eventLoop.scheduleTask(in: .microseconds(10)) {}.futureResult.get()
    }

    private func message(for request: Request, on channel: any Channel) -> HTTPRequestMessage {
        var head = request.head
        head.scheme = isSecure ? "https" : "http"
        let fields = head.headerFields
        // HTTP/2 needs no word for a body without a length; only what can't have one is known to be empty.
        let mayStream = isMultiplexed ? head.method != .get && head.method != .head : fields[.transferEncoding] != nil
        let hasBody = fields[.contentLength].map { $0 != "0" } ?? mayStream
        let body = hasBody ? StreamingBody(RequestBodySequence(request.body)) : .empty
        var message = HTTPRequestMessage(head: head, body: body, timeout: nil)
        if let peers { message.clientCertificates = peers.certificates(on: channel) }
        return message
    }

    private func response(to message: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        do {
            let response = try await exchange.exchange(message)
            if response.head.status.kind != .informational { return response }
            logger.error("An exchange answered with an informational status", metadata: metadata(message))
        } catch {
            if Task.isCancelled { throw CancellationError() }
            var metadata = metadata(message)
            metadata["error"] = "\(error)"
            logger.error("A request failed", metadata: metadata)
        }
        return HTTPResponseMessage(status: .internalServerError, text: "internal error\n")
    }

    private func metadata(_ message: HTTPRequestMessage) -> Logger.Metadata {
        ["http-method": "\(message.head.method.rawValue)", "http-path": "\(message.path)"]
    }
}

/// The body of a request as it arrives; may be read once.
struct RequestBodySequence: AsyncSequence, Sendable {
    typealias Element = [UInt8]

    private let body: OnceOnly

    /// The body `body`.
    init(_ body: RequestBody) { self.body = OnceOnly(body) }

    /// The one reader; a second one reads nothing.
    func makeAsyncIterator() -> Iterator { Iterator(base: body.take()?.makeAsyncIterator()) }

    /// Reads the chunks.
    struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: RequestBody.AsyncIterator?

        @concurrent
        mutating func next() async throws -> [UInt8]? {
            while let buffer = try await base?.next() {
                if buffer.readableBytes > 0 { return Array(buffer.readableBytesView) }
            }
            return nil
        }
    }

    private final class OnceOnly: Sendable {
        private let body: Mutex<RequestBody?>

        init(_ body: RequestBody) { self.body = Mutex(body) }

        func take() -> RequestBody? { body.withLock { $0.take() } }
    }
}
