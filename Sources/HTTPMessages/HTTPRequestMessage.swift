// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// A request with its body and the limits that a client transport keeps to.
public struct HTTPRequestMessage: Sendable {
    /// Method, scheme, authority, path with query, and header fields.
    ///
    /// A client transport needs scheme and authority; a server may find them missing.
    public var head: HTTPRequest
    /// The body; empty by default.
    public var body: StreamingBody
    /// The longest time from the call to the end of the response's body; `nil` for no limit (a watch).
    public var timeout: Duration?
    /// The longest time without a byte arriving; `nil` for no limit.
    public var idleTimeout: Duration?
    /// The largest response body in bytes that the client accepts; streams are not bounded by it.
    public var maximumResponseBytes: Int
    /// On a server, the certificates that the client showed, its own first, as PEM; nobody has judged yet whether they are to
    /// be trusted. Empty without TLS, without one, and where the server doesn't ask for any.
    public var clientCertificates: [String] = []

    /// A request for `head`.
    public init(
        head: HTTPRequest,
        body: StreamingBody = .empty,
        timeout: Duration? = .seconds(30),
        idleTimeout: Duration? = nil,
        maximumResponseBytes: Int = 64 << 20
    ) {
        self.head = head
        self.body = body
        self.timeout = timeout
        self.idleTimeout = idleTimeout
        self.maximumResponseBytes = maximumResponseBytes
    }

    /// The path without the query, as it was sent (percent-encoded); `/` when missing.
    public var path: Substring {
        guard let full = head.path, !full.isEmpty else { return "/" }
        return full.prefix { $0 != "?" }
    }

    /// The query as it was sent, without the question mark; empty when missing.
    public var query: Substring {
        guard let full = head.path, let mark = full.firstIndex(of: "?") else { return "" }
        return full[full.index(after: mark)...]
    }
}
