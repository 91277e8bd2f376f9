// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import HTTPMessages

/// What every request of one `CurlExchange` has in common.
///
/// Nothing is taken from the environment: `HTTPS_PROXY` and `NO_PROXY` are the caller's to read.
public struct CurlConfiguration: Sendable, Hashable {
    /// Authorities, client certificate and key, and the name to check the server's certificate against.
    public var tls: TLSSettings
    /// The longest time for name resolution, TCP and TLS together.
    public var connectTimeout: Duration
    /// The `User-Agent` of requests that don't bring one.
    public var userAgent: String
    /// The proxy's URL, such as `http://proxy:3128`; `nil` for none.
    public var proxy: String?
    /// Hosts that are reached without the proxy, separated by commas, in the format of `NO_PROXY`; `nil` for none.
    public var noProxy: String?
    /// The most connections open at once; requests over it wait for one. At least 1.
    ///
    /// The default stays below the 1024 file descriptors that many systems give a process.
    public var maximumConnections: Int
    /// A connection older than this isn't reused; `nil` for no limit. Whole seconds, rounded up.
    public var connectionLifetime: Duration?
    /// A connection that was idle for longer than this isn't reused. Whole seconds, rounded up.
    public var connectionIdleLifetime: Duration
    /// Whether HTTP/2 is offered over TLS; all requests to one host then share a connection.
    public var http2: Bool
    /// The longest time that sent bytes may go unacknowledged before the connection counts as dead (Linux only).
    ///
    /// Quiet connections are probed in half that time. As in client-go, which gives HTTP/2 connections 30 s and 15 s.
    public var peerTimeout: Duration
    /// Whether compressed responses are asked for and decompressed.
    public var decompresses: Bool
    /// The most bytes of one HTTP/1.1 response's body that wait for their reader; then the transfer is paused.
    public var responseBufferBytes: Int
    /// The most bytes of an endless HTTP/2 response that wait for their reader; then it ends with `readerTooSlow`.
    ///
    /// It isn't paused, since that would hold up every other response on the connection (libcurl before 8.1). Instead, from a
    /// sixteenth of this on, nothing at all is taken for as long as its reader reads on, and two seconds at most.
    public var streamBufferBytes: Int
    /// The largest request body that is sent; streamed bodies are collected before they are sent.
    public var maximumRequestBytes: Int

    /// A configuration; the defaults fit a Kubernetes client.
    public init(
        tls: TLSSettings = TLSSettings(),
        connectTimeout: Duration = .seconds(10),
        userAgent: String = "modelfleet",
        proxy: String? = nil,
        noProxy: String? = nil,
        maximumConnections: Int = 512,
        connectionLifetime: Duration? = nil,
        http2: Bool = true
    ) {
        self.tls = tls
        self.connectTimeout = connectTimeout
        self.userAgent = userAgent
        self.proxy = proxy
        self.noProxy = noProxy
        self.maximumConnections = maximumConnections
        self.connectionLifetime = connectionLifetime
        self.connectionIdleLifetime = .seconds(60)
        self.http2 = http2
        self.peerTimeout = .seconds(30)
        self.decompresses = false
        self.responseBufferBytes = 256 << 10
        self.streamBufferBytes = 32 << 20
        self.maximumRequestBytes = 64 << 20
    }
}
