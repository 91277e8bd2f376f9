// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
internal import HTTPTypes
internal import KubeModel

/// Speaks the Kubernetes API over any `HTTPExchange`. A value: copies share the exchange.
///
/// Every call has a deadline, its repetitions and waits included. Reads that fail in passing (no connection, 502, 503, 504)
/// are sent again a few times, with backoff; writes never are, the caller decides by `KubeError.disposition`. What the
/// server refused because it has too much to do (429, or 503 with `Retry-After`) is repeated for writes too, when the
/// server wants it, since nothing was done; and all other requests are held back with it (`RequestLimiter`).
public struct KubeClient: Sendable {
    /// What carries the requests.
    public var exchange: any HTTPExchange
    /// The server: `https://host:6443`, with a path where the API lives below one.
    public var baseURL: String
    /// Who writes, for managed fields.
    public var fieldManager: String
    /// The `User-Agent` of every request.
    public var userAgent: String
    /// The deadline of one request and its answer.
    public var timeout: Duration
    /// The deadline of every call but watches: waiting for its turn, all its requests and the waits between them.
    public var callTimeout: Duration
    /// How many requests go at once, and when none does; shared by copies. `nil` for no limit.
    public var limiter: RequestLimiter?
    /// How often a read is sent again after a failure in passing; 0 for never.
    public var retries: Int
    /// The waits between them.
    public var backoff: Backoff
    /// The largest answer in bytes.
    public var maximumResponseBytes: Int
    /// Where waits take their time from.
    public var time: any TimeSource
    /// Where jitter comes from.
    public var random: any RandomSource

    /// The version in the `User-Agent`.
    public static let version = "0.1.0"

    /// A client for the server at `baseURL`.
    public init(
        exchange: any HTTPExchange,
        baseURL: String = "http://localhost",
        fieldManager: String = "modelfleet",
        userAgent: String = "modelfleet/\(KubeClient.version)",
        timeout: Duration = .seconds(30),
        callTimeout: Duration = .seconds(60),
        limiter: RequestLimiter? = RequestLimiter(),
        retries: Int = 3,
        backoff: Backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(5)),
        maximumResponseBytes: Int = 64 << 20,
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom()
    ) {
        self.exchange = exchange
        self.baseURL = baseURL
        self.fieldManager = fieldManager
        self.userAgent = userAgent
        self.timeout = timeout
        self.callTimeout = max(timeout, callTimeout)
        self.limiter = limiter
        self.retries = max(0, retries)
        self.backoff = backoff
        self.maximumResponseBytes = maximumResponseBytes
        self.time = time
        self.random = random
    }

    /// The HTTP message of `request`.
    func message(
        _ request: KubeRequest,
        timeout: Duration?,
        idleTimeout: Duration? = nil,
        accept: String = "application/json"
    ) throws(KubeError) -> HTTPRequestMessage {
        if let key = request.key, key.name.isEmpty, request.method != .post {
            throw KubeError(.invalidRequest, request, "the object has no name")
        }
        let server = ServerAddress(baseURL)
        var fields = HTTPFields()
        fields[.accept] = accept
        fields[.userAgent] = userAgent
        fields[.contentType] = request.contentType
        let head = HTTPRequest(
            method: request.method,
            scheme: server.scheme,
            authority: server.authority,
            path: server.pathPrefix + request.target,
            headerFields: fields
        )
        return HTTPRequestMessage(
            head: head,
            body: StreamingBody(request.body?.encoded() ?? []),
            timeout: timeout,
            idleTimeout: idleTimeout,
            maximumResponseBytes: maximumResponseBytes
        )
    }
}

/// The parts of a base URL.
struct ServerAddress: Sendable, Hashable {
    let scheme: String
    let authority: String
    let pathPrefix: String

    init(_ url: String) {
        var rest = url[...]
        if let mark = rest.firstRange(of: "://") {
            scheme = String(rest[..<mark.lowerBound])
            rest = rest[mark.upperBound...]
        } else {
            scheme = "https"
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = String(rest[..<slash])
        var path = rest[slash...]
        while path.last == "/" { path = path.dropLast() }
        pathPrefix = String(path)
    }
}
