// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CCurl
import HTTPMessages
import HTTPTypes

/// One request in flight; the loop's thread alone touches it.
///
/// libcurl's callbacks put what arrives into `arrivedHead` and `arrived`; the loop takes it from there once a round.
@safe final class Transfer {
    /// The transfer's number.
    let id: UInt64
    /// What is sent.
    let request: TransferRequest
    /// Where the response goes.
    let feed: ResponseFeed
    /// libcurl's handle.
    let easy: EasyHandle
    /// When the last byte arrived.
    var lastActivity: WallTime
    /// The bytes that the reader had not read at the last delivery.
    var unread = 0
    /// What the reader had taken when it was waited for in vain; `nil` before.
    var stoodStillAt: Int?
    /// Whether a callback asked libcurl to pause.
    var isPaused = false
    /// Why a callback stopped the transfer.
    private(set) var refusal: CurlError?
    /// Whether any byte of the response has arrived.
    private(set) var hasBegun = false
    /// Whether libcurl has it; it may have to wait for a place on a connection.
    var isAdded = false
    /// When it came to the loop.
    let started: WallTime
    /// How long the connection's sent bytes may go unacknowledged.
    let peerTimeout: Duration

    private let headers: HeaderList
    private let connections: HeaderList
    private let errorText: UnsafeMutablePointer<CChar>
    private let touched: TouchedTransfers
    private let sockets: ConnectionSockets
    private let capacity: Int
    private let streamCapacity: Int
    private var isTouched = false
    private var parser = ResponseHeadParser()
    private var arrivedHead: HTTPResponse?
    private var arrived: [UInt8] = []
    private var total = 0

    /// Sets up a handle for `request`.
    /// - Throws: `CurlError` when libcurl refuses an option.
    init(
        request: TransferRequest,
        feed: ResponseFeed,
        configuration: CurlConfiguration,
        touched: TouchedTransfers,
        sockets: ConnectionSockets,
        now: WallTime
    ) throws(CurlError) {
        guard let easy = EasyHandle() else {
            throw CurlError(code: .other, message: "there is no memory for a request", address: request.address)
        }
        headers = try HeaderList(request.headerLines)
        connections = try HeaderList(request.connectTo.map { [$0] } ?? [])
        id = feed.id
        self.request = request
        self.feed = feed
        self.easy = easy
        self.touched = touched
        self.sockets = sockets
        capacity = max(1, configuration.responseBufferBytes)
        streamCapacity = max(1, configuration.streamBufferBytes)
        peerTimeout = configuration.peerTimeout
        started = now
        lastActivity = now
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try setOptions(configuration)
    }

    deinit { unsafe errorText.deallocate() }

    /// Takes what has arrived.
    func takeArrived() -> (head: HTTPResponse?, bytes: [UInt8]) {
        defer {
            arrivedHead = nil
            arrived = []
            isTouched = false
        }
        return (arrivedHead, arrived)
    }

    /// Whether the connection may carry other transfers too; known once the head's first line is there.
    var isMultiplexed: Bool { parser.isMultiplexed }

    /// Whether libcurl may hold bytes for it that it hasn't handed out; see `EasyHandle.nudge()`.
    var mayBeStuck: Bool { request.usesHTTP2 && isAdded && !isPaused && (isMultiplexed || !hasBegun) }

    /// What tells its connection from others while both are open: the local port; `nil` before there is one.
    var connection: Int? {
        let port = easy.number(CURLINFO_LOCAL_PORT)
        return port == 0 ? nil : port
    }

    /// libcurl's own words for the failure; empty when it has none.
    var errorWords: String { unsafe String(cString: errorText) }

    /// With more unread bytes than this the loop waits for the reader; a transfer that can be paused needs no waiting.
    var paceBytes: Int { isMultiplexed && request.maximumBytes == nil ? streamCapacity / 16 : .max }

    /// Lets a paused transfer go on.
    func unpause(now: WallTime) {
        guard isPaused else { return }
        isPaused = false
        lastActivity = now
        easy.unpause()
    }

    // MARK: The callbacks

    fileprivate func received(header line: UnsafeBufferPointer<UInt8>) -> Int {
        touch()
        switch unsafe parser.consume(line) {
        case .more: return line.count
        case .invalid:
            refusal = CurlError(
                code: .protocol,
                message: "\(request.address) answered with header fields that are invalid or too large",
                address: request.address
            )
            return 0
        case .head(let head):
            arrivedHead = head
            guard let limit = request.maximumBytes, request.method != "HEAD",
                let length = head.headerFields[.contentLength].flatMap({ Int($0) }), length > limit
            else { return line.count }
            refuseTooLarge(limit)
            return 0
        }
    }

    fileprivate func received(body bytes: UnsafeBufferPointer<UInt8>) -> Int {
        touch()
        if isMultiplexed {
            // Not paused, whatever the reader does: libcurl before 8.1 then holds up the connection's other streams.
            if request.maximumBytes == nil, unread + arrived.count > streamCapacity {
                refuseSlowReader()
                return 0
            }
        } else if unread + arrived.count >= capacity {
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        }
        total += bytes.count
        if let limit = request.maximumBytes, total > limit {
            refuseTooLarge(limit)
            return bytes.count == 0 ? 1 : 0
        }
        unsafe arrived.append(contentsOf: bytes)
        return bytes.count
    }

    fileprivate func prepared(_ socket: curl_socket_t) { sockets.prepare(socket, peerTimeout: peerTimeout) }

    private func refuseSlowReader() {
        refusal = CurlError(
            code: .readerTooSlow,
            message: "the stream from \(request.address) was read too slowly: "
                + "more than \(streamCapacity) bytes of it were waiting",
            address: request.address
        )
    }

    private func refuseTooLarge(_ limit: Int) {
        refusal = CurlError(
            code: .tooLarge,
            message: "the response of \(request.address) is larger than the limit of \(limit) bytes",
            address: request.address
        )
    }

    private func touch() {
        hasBegun = true
        if isTouched { return }
        isTouched = true
        touched.list.append(self)
    }
}

@available(*, unavailable)
extension Transfer: Sendable {}

/// The transfers to which something arrived in this round.
final class TouchedTransfers {
    /// The transfers, each once.
    var list: [Transfer] = []
}

@available(*, unavailable)
extension TouchedTransfers: Sendable {}

extension Transfer {
    private func setOptions(_ configuration: CurlConfiguration) throws(CurlError) {
        try setBasics(configuration)
        try setRequest()
        try setTLS(configuration.tls)
        // The loop holds the transfer until it has removed the handle.
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe try easy.set(CURLOPT_WRITEDATA, pointer: context)
        unsafe try easy.set(CURLOPT_HEADERDATA, pointer: context)
        unsafe try easy.set(CURLOPT_WRITEFUNCTION, sink: bodySink)
        unsafe try easy.set(CURLOPT_HEADERFUNCTION, sink: headerSink)
        unsafe try easy.set(CURLOPT_SOCKOPTDATA, pointer: context)
        unsafe try easy.set(socketSetup: socketSetup)
        unsafe try easy.set(CURLOPT_ERRORBUFFER, pointer: UnsafeMutableRawPointer(errorText))
    }

    private func setBasics(_ configuration: CurlConfiguration) throws(CurlError) {
        // No signals in a threaded program, nothing but HTTP, no redirect that leaks a token, the path as it was given.
        try easy.set(CURLOPT_NOSIGNAL, true)
        try easy.set(CURLOPT_PROTOCOLS_STR, "http,https")
        try easy.set(CURLOPT_FOLLOWLOCATION, false)
        try easy.set(CURLOPT_PATH_AS_IS, true)
        // A proxy comes from the configuration; the empty text keeps libcurl from reading the environment.
        try easy.set(CURLOPT_PROXY, configuration.proxy ?? "")
        try easy.set(CURLOPT_NOPROXY, configuration.noProxy ?? "")
        try easy.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        try easy.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Self.milliseconds(configuration.connectTimeout)))
        // Dead peers of quiet watches are found by the kernel.
        let probe = max(1, Self.wholeSeconds(configuration.peerTimeout) / 2)
        try easy.set(CURLOPT_TCP_KEEPALIVE, true)
        try easy.set(CURLOPT_TCP_KEEPIDLE, probe)
        try easy.set(CURLOPT_TCP_KEEPINTVL, max(1, probe / 2))
        try easy.set(CURLOPT_MAXAGE_CONN, Self.wholeSeconds(configuration.connectionIdleLifetime))
        if let lifetime = configuration.connectionLifetime {
            try easy.set(CURLOPT_MAXLIFETIME_CONN, Self.wholeSeconds(lifetime))
        }
        try easy.set(CURLOPT_USERAGENT, configuration.userAgent)
        if configuration.decompresses { try easy.set(CURLOPT_ACCEPT_ENCODING, "") }
        try easy.set(
            CURLOPT_HTTP_VERSION,
            request.usesHTTP2 ? Int(CURL_HTTP_VERSION_2TLS) : Int(CURL_HTTP_VERSION_1_1)
        )
        guard request.usesHTTP2 else { return }
        // Better to wait for a connection that can carry many requests than to open one for each.
        try easy.set(CURLOPT_PIPEWAIT, true)
        // What is read from the socket for several streams at once (32 KiB) has to fit, or libcurl holds all of them up.
        try easy.set(CURLOPT_BUFFERSIZE, 64 << 10)
    }

    private func setRequest() throws(CurlError) {
        try easy.set(CURLOPT_URL, request.url)
        // libcurl keeps addresses in its cache of names too, and walks the whole cache at the end of each transfer: with
        // thousands of pods that took most of the time.
        if request.isAddress { try easy.set(CURLOPT_DNS_CACHE_TIMEOUT, 0) }
        try easy.set(CURLOPT_HTTPHEADER, list: headers)
        if let body = request.body {
            try easy.set(CURLOPT_POST, true)
            try easy.setBody(body)
            try easy.set(CURLOPT_CUSTOMREQUEST, request.method)
        } else if request.method == "HEAD" {
            try easy.set(CURLOPT_NOBODY, true)
        } else {
            try easy.set(CURLOPT_HTTPGET, true)
            if request.method != "GET" { try easy.set(CURLOPT_CUSTOMREQUEST, request.method) }
        }
        if request.connectTo != nil { try easy.set(CURLOPT_CONNECT_TO, list: connections) }
    }

    private func setTLS(_ tls: TLSSettings) throws(CurlError) {
        guard request.url.hasPrefix("https:") else { return }
        if let authorities = tls.authorities {
            try easy.set(CURLOPT_CAINFO_BLOB, blob: authorities)
            // Debian's libcurl has a default directory of authorities, which would be trusted besides these.
            try easy.set(CURLOPT_CAPATH, nil)
        }
        if let certificate = tls.certificate {
            try easy.set(CURLOPT_SSLCERTTYPE, "PEM")
            try easy.set(CURLOPT_SSLCERT_BLOB, blob: certificate)
        }
        if let key = tls.privateKey {
            try easy.set(CURLOPT_SSLKEYTYPE, "PEM")
            try easy.set(CURLOPT_SSLKEY_BLOB, blob: key)
        }
        try easy.set(CURLOPT_SSL_VERIFYPEER, tls.verifiesPeer)
        try easy.set(CURLOPT_SSL_VERIFYHOST, tls.verifiesPeer ? 2 : 0)
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        Int(clamping: duration.wholeNanoseconds / 1_000_000)
    }

    private static func wholeSeconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return max(1, Int(clamping: seconds) + (attoseconds > 0 ? 1 : 0))
    }
}

private func bodySink(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    let length = size * count
    return unsafe bytes.withMemoryRebound(to: UInt8.self, capacity: length) {
        unsafe transfer.received(body: UnsafeBufferPointer(start: $0, count: length))
    }
}

private func socketSetup(_ context: UnsafeMutableRawPointer?, _ socket: curl_socket_t, _: curlsocktype) -> Int32 {
    if let context = unsafe context {
        unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().prepared(socket)
    }
    return 0  // CURL_SOCKOPT_OK
}

private func headerSink(
    _ bytes: UnsafeMutablePointer<CChar>?,
    _ size: Int,
    _ count: Int,
    _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context = unsafe context, let bytes = unsafe bytes else { return 0 }
    let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    let length = size * count
    return unsafe bytes.withMemoryRebound(to: UInt8.self, capacity: length) {
        unsafe transfer.received(header: UnsafeBufferPointer(start: $0, count: length))
    }
}
