// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// Counts requests while they are sent.
final class RequestTally: Sendable {
    private struct State {
        var answered = 0
        var connections = 0
        var lost: [String] = []
        var isOver = false
    }

    private let state = Mutex(State())
    private let whole: RequestTally?

    /// A tally that counts nothing yet; what it counts, `whole` counts too.
    init(partOf whole: RequestTally? = nil) { self.whole = whole }

    /// How many were answered with 200.
    var answered: Int { state.withLock { $0.answered } }
    /// How many connections were made.
    var connections: Int { state.withLock { $0.connections } }
    /// What became of each that wasn't answered with 200.
    var lost: [String] { state.withLock { $0.lost } }
    /// Whether nothing more is to be sent.
    var isOver: Bool { state.withLock { $0.isOver } }

    func countAnswer() {
        state.withLock { $0.answered += 1 }
        whole?.countAnswer()
    }

    func countConnection() {
        state.withLock { $0.connections += 1 }
        whole?.countConnection()
    }

    func countLost(_ why: String) {
        state.withLock { $0.lost.append(why) }
        whole?.countLost(why)
    }

    /// Nothing more is to be sent.
    func finish() { state.withLock { $0.isOver = true } }
}

/// An HTTP/1.1 client that hides nothing: it sends no request twice, and one without an answer is lost.
///
/// libcurl sends a request again when the connection that it kept turns out to be dead; this doesn't. It only looks, before
/// it sends, whether the server has closed the connection.
struct StrictClient: Sendable {
    private typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Where the requests go.
    let address: String
    /// The port.
    let port: Int
    /// The request, in the pieces in which it is sent.
    let pieces: [[UInt8]]
    /// The pause between two pieces.
    var pause: Duration = .zero
    /// Whether a connection is used for as long as the server leaves it open.
    var keepsConnection = true

    /// A client that posts `body` as JSON to `path`; `pieces` of it.
    init(_ address: String, port: Int = 80, path: String, body: [UInt8], inHalves: Bool = false) {
        self.address = address
        self.port = port
        let head =
            "POST \(path) HTTP/1.1\r\nHost: \(address)\r\nContent-Type: application/json\r\n"
            + "Content-Length: \(body.count)\r\n\r\n"
        let half = body.count / 2
        pieces = inHalves ? [Array(head.utf8) + body[..<half], Array(body[half...])] : [Array(head.utf8) + body]
    }

    /// Sends one request after the other until the tally is over.
    func run(_ tally: RequestTally) async {
        while !tally.isOver {
            var isCounted = false
            do {
                let stream = try await connect()
                tally.countConnection()
                try await stream.executeThenClose { inbound, outbound in
                    var iterator = inbound.makeAsyncIterator()
                    var rest = ByteBuffer()
                    repeat {
                        isCounted = false
                        let isOpen = try await ask(&iterator, outbound, &rest, tally)
                        isCounted = true
                        guard isOpen else { return }
                    } while keepsConnection && !tally.isOver && stream.channel.isActive
                }
            } catch {
                // What goes wrong once a request has its answer, or is counted as lost, is about the connection only.
                if !isCounted { tally.countLost("\(error)") }
                try? await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func connect() async throws -> Stream {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: address, port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try Stream(wrappingChannelSynchronously: channel) }
            }
    }

    /// Sends the request and waits for its answer; whether the connection can be used again.
    private func ask(
        _ iterator: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ rest: inout ByteBuffer,
        _ tally: RequestTally
    ) async throws -> Bool {
        for (index, piece) in pieces.enumerated() {
            if index > 0 { try await Task.sleep(for: pause) }
            try await outbound.write(ByteBuffer(bytes: piece))
        }
        while true {
            if let answer = Answer(&rest) {
                if answer.status == 200 { tally.countAnswer() } else { tally.countLost("status \(answer.status)") }
                return !answer.closes
            }
            guard var more = try await iterator.next(isolation: #isolation) else {
                tally.countLost("the connection ended without an answer")
                return false
            }
            rest.writeBuffer(&more)
        }
    }

    /// The head of an answer whose body has arrived.
    private struct Answer {
        var status: Int
        var closes: Bool

        /// Takes a whole answer out of what arrived; `nil` while it isn't whole.
        init?(_ bytes: inout ByteBuffer) {
            let text = String(decoding: bytes.readableBytesView, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { return nil }
            let lines = text[..<end.lowerBound].lowercased().split(separator: "\r\n")
            let length = lines.first { $0.hasPrefix("content-length:") }?.split(separator: " ").last.flatMap { Int($0) }
            let size = text[..<end.upperBound].utf8.count + (length ?? 0)
            guard bytes.readableBytes >= size else { return nil }
            bytes.moveReaderIndex(forwardBy: size)
            status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            closes = lines.contains("connection: close")
        }
    }
}
