// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A request got no complete response.
///
/// A task that is cancelled gets `CancellationError` instead, as everywhere in Swift.
public struct CurlError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What went wrong.
    public var code: Code
    /// One line that says what failed, against which address, and why.
    public var message: String
    /// The server's `host:port` as the request named it; empty when the request named none.
    public var address: String

    /// An error.
    public init(code: Code, message: String, address: String = "") {
        self.code = code
        self.message = message
        self.address = address
    }

    /// The message.
    public var description: String { message }

    /// The kind of a `CurlError`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        enum Kind: String, Sendable, CaseIterable {
            case dns, connect, connectionLost, tls, timeout, idleTimeout, cancelled, proxy
            case protocolViolation = "protocol"
            case tooLarge, readerTooSlow, shutdown, invalidRequest, other
        }

        let kind: Kind

        /// The host's name has no address.
        public static let dns = Code(kind: .dns)
        /// Nothing accepted a connection.
        public static let connect = Code(kind: .connect)
        /// The connection ended before the response did.
        public static let connectionLost = Code(kind: .connectionLost)
        /// The TLS handshake failed, or a certificate was refused by either side.
        public static let tls = Code(kind: .tls)
        /// The whole transfer, or its connection, took too long.
        public static let timeout = Code(kind: .timeout)
        /// No byte arrived for too long.
        public static let idleTimeout = Code(kind: .idleTimeout)
        /// The transfer was ended by its own reader.
        public static let cancelled = Code(kind: .cancelled)
        /// The proxy could not be used.
        public static let proxy = Code(kind: .proxy)
        /// The peer broke the rules of HTTP.
        public static let `protocol` = Code(kind: .protocolViolation)
        /// The response, or the request's body, is larger than its limit.
        public static let tooLarge = Code(kind: .tooLarge)
        /// An endless response's reader fell so far behind that what waits for it is beyond its limit.
        public static let readerTooSlow = Code(kind: .readerTooSlow)
        /// The exchange was shut down.
        public static let shutdown = Code(kind: .shutdown)
        /// The request can't be sent as it is: no host, a scheme that isn't HTTP.
        public static let invalidRequest = Code(kind: .invalidRequest)
        /// Anything else; the message has libcurl's words.
        public static let other = Code(kind: .other)

        /// The name, such as `idleTimeout`; stable, fit for a metric's label.
        public var description: String { kind.rawValue }
    }
}

extension CurlError {
    /// The error of an exchange that has been shut down.
    static func shutDown(_ address: String) -> CurlError {
        CurlError(code: .shutdown, message: "the HTTP client was shut down; \(address) was not asked", address: address)
    }
}
