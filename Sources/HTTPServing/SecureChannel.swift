// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HummingbirdCore
import Logging
import NIOCore
import NIOTLS
import TransportSecurity

/// A server's connections over TLS: HTTP/2 where the client and the limits agree on it, HTTP/1.1 otherwise.
struct SecureChannel: ServerChildChannel {
    /// What a connection speaks, once that is known.
    struct Value: ServerChildChannelValue {
        /// The outcome of the handshake.
        let negotiated: EventLoopFuture<Spoken>
        /// The connection.
        let channel: any Channel
    }

    /// The versions of HTTP.
    enum Spoken: Sendable {
        /// One request after the other.
        case http1(SequentialChannel.Value)
        /// Many streams at once.
        case http2(MultiplexedChannel.Value)
    }

    /// Certificate and key.
    let credentials: ServerCredentials
    /// Whether an HTTP/2 is offered.
    let offersHTTP2: Bool
    /// How long a client may take to agree on TLS.
    let handshakeLimit: TimeAmount
    /// Learns which certificates clients show; `nil` where they aren't asked for any.
    let peers: PeerCertificates?
    /// What speaks HTTP/1.1 above TLS.
    let http1: SequentialChannel
    /// What speaks HTTP/2 above TLS.
    let http2: MultiplexedChannel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Spoken> { result, channel in
                if case .negotiated("h2") = result {
                    return http2.setup(channel: channel, logger: logger).map { .http2($0) }
                }
                return http1.setup(channel: channel, logger: logger).map { .http1($0) }
            }
            let context = try credentials.context(offersHTTP2: offersHTTP2, asksForClientCertificate: peers != nil)
            let session = try ServerTLSSession(context)
            let tls = TLSHandler(session, handshakeLimit: handshakeLimit, peers: peers)
            try channel.pipeline.syncOperations.addHandler(tls)
            try channel.pipeline.syncOperations.addHandler(negotiation)
            return Value(negotiated: negotiation.protocolNegotiationResult, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        let spoken: Spoken
        do {
            spoken = try await withTaskCancellationHandler {
                try await value.negotiated.get()
            } onCancel: {
                value.channel.close(promise: nil)
            }
        } catch {
            return logger.debug("A client left before TLS was agreed on", metadata: ["error": "\(error)"])
        }
        switch spoken {
        case .http1(let connection): await http1.handle(value: connection, logger: logger)
        case .http2(let connection): await http2.handle(value: connection, logger: logger)
        }
    }
}
