// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// Metrics pages of pods that don't run: a loopback address for each, all on one port.
final class PageServer: Sendable {
    private struct State {
        var queues: [Double]
        /// When the page with the present queue was sent first.
        var sent: [Double?]
        var pages = 0
    }

    /// The port of every address.
    static let port = 8080
    private let state: Mutex<State>
    private let clock: Stopwatch
    private let prefix: Int
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    /// A server for `count` pods that doesn't listen yet; times are of `clock`.
    init(count: Int, clock: Stopwatch) {
        self.clock = clock
        prefix = Int.random(in: 200...249)
        state = Mutex(State(queues: Array(repeating: 0, count: count), sent: Array(repeating: nil, count: count)))
    }

    /// The address of a pod.
    func address(_ pod: Int) -> String { "127.\(prefix).\(pod / 250).\(pod % 250 + 1)" }

    /// How many pages were sent.
    var pages: Int { state.withLock { $0.pages } }

    /// Lets a pod show so many waiting requests from now on.
    func show(_ queue: Double, on pod: Int) {
        state.withLock { state in
            state.queues[pod] = queue
            state.sent[pod] = nil
        }
    }

    /// When the page with the present queue of a pod was sent first.
    func sent(_ pod: Int) -> Double? { state.withLock { $0.sent[pod] } }

    /// Opens the sockets.
    func start() async throws {
        for pod in 0..<state.withLock({ $0.queues.count }) {
            _ = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 16)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { [self] channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(PageHandler { self.page(pod) })
                    }
                }
                .bind(host: address(pod), port: Self.port).get()
        }
    }

    /// Closes them.
    func stop() async { try? await group.shutdownGracefully() }

    /// A page as this package's server writes it: ten requests a second of 50 ms each since the start, and a few in flight
    /// that change from page to page.
    private func page(_ pod: Int) -> ByteBuffer {
        let now = clock.seconds
        let (queue, number) = state.withLock { state in
            state.pages += 1
            state.sent[pod] = state.sent[pod] ?? now
            return (state.queues[pod], state.pages)
        }
        let labels = "model=\"\(Fleet.name(pod))\",version=\"1.0.0\""
        let total = Int(now * 10)
        var text = """
            # HELP modelfleet_queue_length Requests that wait for the model.
            # TYPE modelfleet_queue_length gauge
            modelfleet_queue_length{\(labels)} \(queue)
            # HELP modelfleet_requests_in_flight Requests that were taken in and aren't answered yet.
            # TYPE modelfleet_requests_in_flight gauge
            modelfleet_requests_in_flight{\(labels)} \(queue + Double(number % 3))
            # HELP modelfleet_request_duration_seconds Time from a prediction request's arrival to its answer.
            # TYPE modelfleet_request_duration_seconds histogram

            """
        let bounds = [
            "0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.03", "0.05", "0.075", "0.1", "0.15", "0.2", "0.3",
            "0.5", "0.75", "1", "2", "5", "10", "+Inf",
        ]
        for (place, bound) in bounds.enumerated() {
            let count = place < 6 ? 0 : place == 6 ? total / 2 : total
            text += "modelfleet_request_duration_seconds_bucket{\(labels),le=\"\(bound)\"} \(count)\n"
        }
        text += """
            modelfleet_request_duration_seconds_sum{\(labels)} \(Double(total) * 0.05)
            modelfleet_request_duration_seconds_count{\(labels)} \(total)
            # HELP modelfleet_requests_total Prediction requests answered, by HTTP status.
            # TYPE modelfleet_requests_total counter
            modelfleet_requests_total{\(labels),code="200"} \(total)

            """
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: \(text.utf8.count)\r\n\r\n"
        return ByteBuffer(string: head + text)
    }
}

/// Answers each end of a request's head with a page; requests have no body.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let page: () -> ByteBuffer
    private var matched = 0

    init(page: @escaping () -> ByteBuffer) { self.page = page }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        for byte in unwrapInboundIn(data).readableBytesView {
            let expected = matched % 2 == 0 ? UInt8(ascii: "\r") : UInt8(ascii: "\n")
            matched = byte == expected ? matched + 1 : 0
            guard matched == 4 else { continue }
            matched = 0
            context.writeAndFlush(wrapOutboundOut(page()), promise: nil)
        }
    }
}
