// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages
import HummingbirdCore
public import Logging
import NIOCore
import NIOPosix
public import ServiceLifecycle
import TransportSecurity

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Puts an exchange on a socket: HTTP/1.1, and over TLS also HTTP/2 for clients that offer it.
///
/// - Each HTTP/2 stream is a request of its own; a client that reads one slowly holds up no other.
/// - Request bodies arrive as streams; the exchange bounds what it reads of them (`StreamingBody.collect(upTo:)`).
/// - Response bodies that are streams are sent chunk by chunk, each at once.
/// - When the client goes away (also when it only closes its sending side), the task of its exchange, or the one that
///   reads the response's body, is cancelled.
/// - An error that the exchange throws is answered with 500 and a text without details; the details are logged.
/// - Only HTTP is spoken: what would change the protocol (`Upgrade`, `CONNECT`) is answered as any other request, and is the
///   last one of its connection.
/// - A graceful shutdown closes the listening socket and the idle connections, and lets requests in flight finish within
///   `limits.drain`. Bodies without a known length (watches) get `limits.streamDrain`; then their reading task is
///   cancelled, and a source that ends on cancellation gives the client a proper end. HTTP/2 clients get a GOAWAY first.
///   A connection whose client hasn't taken its answer one second after that is closed as it is.
public struct HTTPService: Service {
    private let exchange: any HTTPExchange
    private let host: String
    private let port: Int
    private let credentials: ServerCredentials?
    private let asksForClientCertificate: Bool
    private let limits: HTTPServiceLimits
    private let statistics: HTTPServiceStatistics
    private let logger: Logger
    private let onListening: @Sendable (Int) async -> Void

    /// A server for `exchange`; `run()` opens the socket.
    ///
    /// - Parameters:
    ///   - host: the address to listen on, such as `127.0.0.1` or `0.0.0.0`.
    ///   - port: the port; 0 for any that is free.
    ///   - tls: certificate and private key; `nil` for plain HTTP.
    ///   - credentials: the same where they may change while the server runs; goes before `tls`.
    ///   - asksForClientCertificate: whether clients may show certificates, which then are in the requests, unjudged.
    ///   - limits: time-outs.
    ///   - statistics: counts connections and requests.
    ///   - logger: gets what goes wrong with single requests.
    ///   - onListening: called once with the real port, before the first request is answered.
    public init(
        exchange: any HTTPExchange,
        host: String,
        port: Int,
        tls: TLSSettings? = nil,
        credentials: ServerCredentials? = nil,
        asksForClientCertificate: Bool = false,
        limits: HTTPServiceLimits = HTTPServiceLimits(),
        statistics: HTTPServiceStatistics = HTTPServiceStatistics(),
        logger: Logger,
        onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) {
        self.exchange = exchange
        self.host = host
        self.port = port
        self.credentials = credentials ?? tls.map(ServerCredentials.init)
        self.asksForClientCertificate = asksForClientCertificate
        self.limits = limits
        self.statistics = statistics
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until a graceful shutdown or cancellation.
    /// - Throws: `HTTPServiceError` when the socket can't be opened or certificate and key are unusable.
    public func run() async throws {
        let connections = ClientConnections()
        let server = try makeServer(connections)
        try await withThrowingTaskGroup(of: Ending.self) { group in
            group.addTask {
                do {
                    try await server.run()
                    return .server
                } catch let error as IOError {
                    throw HTTPServiceError("can't listen on \(host):\(port): \(Self.words(error))")
                }
            }
            group.addTask {
                try? await drain(connections)
                return .drain
            }
            defer { group.cancelAll() }
            // Once the server has ended there is nothing left to drain; after the drain its last requests are ending.
            if try await group.next() == .drain { _ = try await group.next() }
        }
    }

    /// Why a socket can't be opened, and what to do, in the cases that a person can do something about.
    private static func words(_ error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "another program uses the port; stop it, or choose another port"
        case EADDRNOTAVAIL: "this machine has no such address; choose another host"
        case EACCES: "ports below 1024 need root; choose a higher port"
        default: "\(error)"
        }
    }

    /// What is over first.
    private enum Ending { case server, drain }

    private func drain(_ connections: ClientConnections) async throws {
        try await gracefulShutdown()
        try await Task.sleep(for: limits.streamDrain)
        connections.close(onlyStreams: true)
        try await Task.sleep(for: limits.drain - limits.streamDrain)
        connections.close(onlyStreams: false)
    }

    private func makeServer(_ connections: ClientConnections) throws -> any Service {
        let peers = asksForClientCertificate ? PeerCertificates() : nil
        let answering = RequestAnswering(
            exchange: exchange,
            isSecure: credentials != nil,
            connections: connections,
            peers: peers,
            statistics: statistics,
            logger: logger
        )
        let idle = TimeAmount(limits.idleConnection)
        let linger = TimeAmount(limits.linger)
        let drain = TimeAmount(limits.drain)
        let http1 = SequentialChannel(
            base: HTTP1Channel(
                responder: { request, writer, channel in
                    try await answering.answer(request, writer, channel)
                },
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ClientConnectionHandler(connections, linger: linger)],
                    idleTimeout: idle
                )
            )
        )
        guard let credentials else {
            return server(CountingChannel(base: http1, statistics: statistics, drain: drain))
        }
        let offersHTTP2 = limits.maximumStreams != nil
        guard credentials.isComplete else {
            throw HTTPServiceError("TLS on \(host):\(port) needs a certificate and a private key")
        }
        _ = try credentials.context(offersHTTP2: offersHTTP2, asksForClientCertificate: asksForClientCertificate)
        var streaming = answering
        streaming.isMultiplexed = true
        let http2 = MultiplexedChannel(
            stream: StreamChannel(
                responder: { [streaming] request, writer, channel in
                    try await streaming.answer(request, writer, channel)
                },
                connections: connections
            ),
            maximumStreams: max(1, limits.maximumStreams ?? 1),
            idleTimeout: idle,
            drain: drain
        )
        return server(
            CountingChannel(
                base: SecureChannel(
                    credentials: credentials,
                    offersHTTP2: offersHTTP2,
                    handshakeLimit: TimeAmount(limits.handshake),
                    peers: peers,
                    http1: http1,
                    http2: http2
                ),
                statistics: statistics,
                drain: drain
            )
        )
    }

    private func server(_ channel: some ServerChildChannel) -> any Service {
        var quiet = Logger(label: logger.label) { [logger] _ in ServerLog(logger.handler) }
        quiet.logLevel = max(logger.logLevel, .warning)
        return channel.server(
            configuration: ServerConfiguration(
                address: .hostname(host, port: port),
                backlog: 1024,
                availableConnectionsDelegate: limits.maximumConnections.map { .maximum($0, logger: quiet) }
            ),
            onServerRunning: { channel in
                await onListening(channel.localAddress?.port ?? port)
            },
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: quiet
        )
    }
}

/// The limits of an `HTTPService`.
public struct HTTPServiceLimits: Sendable, Hashable {
    /// A connection without a request is closed after this long; longer than our client keeps one for reuse. Whole seconds.
    public var idleConnection: Duration
    /// A client that hasn't agreed on TLS is cut off after this long.
    public var handshake: Duration
    /// The most connections at once, at least 1; those that come then wait until one is closed. `nil` for as many as there are
    /// file descriptors.
    public var maximumConnections: Int?
    /// How long requests in flight may take once a graceful shutdown has begun.
    public var drain: Duration
    /// How long bodies without a known length may go on once a graceful shutdown has begun; not above `drain`.
    public var streamDrain: Duration
    /// How long an HTTP/1.1 connection without a request stays open once a graceful shutdown has begun: its client may have
    /// sent one that is still on its way. Not above `drain`.
    public var linger: Duration
    /// The most HTTP/2 streams at once on one connection; `nil` for no HTTP/2. Go's server, and so Kubernetes', takes 250.
    public var maximumStreams: Int?

    /// Limits; the defaults fit an API server and an inference server.
    public init(
        idleConnection: Duration = .seconds(120),
        handshake: Duration = .seconds(10),
        maximumConnections: Int? = nil,
        drain: Duration = .seconds(30),
        streamDrain: Duration = .seconds(1),
        linger: Duration = .zero,
        maximumStreams: Int? = 250
    ) {
        self.idleConnection = idleConnection
        self.handshake = handshake
        self.maximumConnections = maximumConnections.map { max(1, $0) }
        self.drain = drain
        self.streamDrain = min(streamDrain, drain)
        self.linger = min(linger, drain)
        self.maximumStreams = maximumStreams
    }
}

/// Why an `HTTPService` can't serve.
public struct HTTPServiceError: Error, Equatable, CustomStringConvertible {
    /// One sentence with the address and the reason.
    public var message: String

    /// An error with its sentence.
    public init(_ message: String) { self.message = message }

    /// The sentence.
    public var description: String { message }
}
