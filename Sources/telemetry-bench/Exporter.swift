// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import NIOCore
import NIOPosix

/// `telemetry-bench exporter`: stands in for many pods, each a listener of its own on loopback.
struct Exporter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exporter",
        abstract: "Answers every request with one page, on as many ports as asked; prints them on one line.",
        shouldDisplay: false
    )

    @Option(help: "How many ports.")
    var ports: Int

    func run() async throws {
        let page = SamplePage.synthetic()
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: \(page.count)\r\n\r\n"
        let answer = ByteBuffer(bytes: Array(head.utf8) + page)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 16)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PageHandler(answer: answer))
                }
            }
        var found: [String] = []
        for _ in 0..<ports {
            let channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            found.append("\(channel.localAddress?.port ?? 0)")
        }
        // Not print: it keeps the line back while the output is a pipe.
        FileHandle.standardOutput.write(Data((found.joined(separator: " ") + "\n").utf8))
        // Lives until its parent closes standard input.
        while readLine() != nil {}
        try await group.shutdownGracefully()
    }
}

/// Answers each request's end of head with the page; requests have no body.
private final class PageHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let answer: ByteBuffer
    private var matched = 0

    init(answer: ByteBuffer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        for byte in unwrapInboundIn(data).readableBytesView {
            let expected = matched % 2 == 0 ? UInt8(ascii: "\r") : UInt8(ascii: "\n")
            matched = byte == expected ? matched + 1 : 0
            guard matched == 4 else { continue }
            matched = 0
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        }
    }
}
