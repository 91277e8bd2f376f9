// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// A server's HTTP/2 connections: each stream is a request with its response, many at once, bounded.
///
/// A graceful shutdown sends GOAWAY: no new streams, and those that are open finish.
struct MultiplexedChannel: ServerChildChannel {
    /// A connection with the streams that clients open on it.
    struct Value: ServerChildChannelValue {
        /// The streams.
        let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<StreamChannel.Value>
        /// The connection.
        let channel: any Channel
    }

    /// What answers on one stream.
    let stream: StreamChannel
    /// The most streams at once on one connection.
    let maximumStreams: Int
    /// A connection without a stream is closed after this long.
    let idleTimeout: TimeAmount
    /// How long open streams may go on after a graceful shutdown has begun.
    let drain: TimeAmount

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let keeper = NIOHTTP2ServerConnectionManagementHandler(
                eventLoop: channel.eventLoop,
                configuration: NIOHTTP2ServerConnectionManagementHandler.Configuration(
                    maxIdleTime: idleTimeout,
                    maxAge: nil,
                    maxGraceTime: drain,
                    // Finds clients that vanished during a quiet watch; Go's and curl's answer within a round trip.
                    keepalive: .init(pingInterval: .seconds(60), ackTimeout: .seconds(20))
                )
            )
            let open = OpenStreams(base: keeper.http2StreamDelegate)
            let streams = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
                mode: .server,
                streamDelegate: open,
                configuration: configuration
            ) { stream in
                self.stream.setup(channel: stream, logger: logger)
            }
            try channel.pipeline.syncOperations.addHandler(keeper)
            try channel.pipeline.syncOperations.addHandler(DrainingConnectionHandler(open: open, limit: drain))
            return Value(streams: streams, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            try await withTaskCancellationHandler {
                try await withThrowingDiscardingTaskGroup { group in
                    for try await stream in value.streams.inbound {
                        group.addTask { await self.stream.handle(value: stream, logger: logger) }
                    }
                }
            } onCancel: {
                value.channel.close(promise: nil)
            }
        } catch {
            logger.debug("An HTTP/2 connection broke", metadata: ["error": "\(error)"])
        }
    }

    private var configuration: NIOHTTP2Handler.Configuration {
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: maximumStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: 80 << 10),  // As for HTTP/1.1.
            HTTP2Setting(parameter: .initialWindowSize, value: 256 << 10),
        ]
        configuration.connection.targetWindowSize = 1 << 20
        configuration.stream.targetWindowSize = 256 << 10
        // A stream's writer waits above the first and goes on below the second: a slow reader holds up its own stream.
        configuration.stream.outboundBufferSizeHighWatermark = 64 << 10
        configuration.stream.outboundBufferSizeLowWatermark = 32 << 10
        // Ending a watch resets its stream, and libcurl 7.88 sends a PRIORITY frame with a request: a controller that ends its watches
        // together, or writes as fast as it gets answers, is no attacker.
        configuration.stream.streamResetFrameRateLimit.maximumCount = 10_000
        configuration.stream.streamResetFrameRateLimit.windowLength = .seconds(1)
        configuration.connection.controlFrameRateLimit.maximumCount = 10_000
        configuration.connection.controlFrameRateLimit.windowLength = .seconds(1)
        return configuration
    }
}

/// One HTTP/2 stream.
struct StreamChannel: HTTPChannelHandler {
    /// A stream that nobody reads yet.
    ///
    /// The asynchronous view of it is made only by who handles it: a stream that arrives while its connection is being
    /// closed gets no handler, and a view may not be let go of unused.
    struct Value: ServerChildChannelValue {
        /// The stream.
        let channel: any Channel
    }

    /// Who answers.
    let responder: Responder
    /// Knows which streams' clients are still there.
    let connections: ClientConnections

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.syncOptions?.setOption(.autoRead, value: false)
            try channel.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPServerCodec())
            try channel.pipeline.syncOperations.addHandler(ClientConnectionHandler(connections))
            return Value(channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        let channel = value.channel
        do {
            let view = try await channel.eventLoop.submit {
                let view = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(wrappingChannelSynchronously: channel)
                try channel.syncOptions?.setOption(.autoRead, value: true)
                channel.read()
                return view
            }.get()
            await handleHTTP(asyncChannel: view, logger: logger)
        } catch {
            channel.close(promise: nil)
        }
    }
}
