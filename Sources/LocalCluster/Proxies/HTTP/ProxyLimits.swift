// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1

/// The bounds of the Service proxies where they speak HTTP.
enum ProxyLimits {
    /// The most connections that are accepted at one time, over all Services; more are closed at once.
    ///
    /// Each takes two files at most, and a process may commonly open some thousands to a million of them.
    static let connections = 16_384
    /// The largest header section in bytes; nginx's `large_client_header_buffers` allow 32 KiB, Node.js 16 KiB.
    static let headerBytes = 64 << 10
    /// The most header fields of a message.
    static let headerCount = 256
    /// How long a client may be silent between requests, and within a request's head; nginx's `keepalive_timeout`.
    static let clientIdle = TimeAmount.seconds(75)
    /// How long a request that was sent on may go without a byte in either direction; then 504, or 408.
    static let requestIdle = TimeAmount.seconds(600)
    /// How long a connection to a pod is kept for the next request: shorter than the servers we know keep theirs
    /// (gunicorn 2 s, uvicorn and Node.js 5 s), so that a request hardly ever meets a connection that is being closed.
    static let upstreamIdle = TimeAmount.seconds(1)
    /// The most connections to one pod that each thread keeps for later.
    static let idlePerTarget = 256
    /// How long a client that still sends gets after an early answer, before its connection is cut.
    static let linger = TimeAmount.seconds(2)
    /// The longest body in bytes that is read for nothing, after a request was answered without it.
    static let thrownBytes = 64 << 10
    /// The most copies of requests that are on their way at one time; further requests are not copied.
    static let mirrors = 256
    /// The most bytes of a copied request that wait for its server; beyond them the copy is given up.
    static let mirrorBytes = 1 << 20
    /// How long a copied request may take.
    static let mirrorTime = TimeAmount.seconds(60)
    /// What `Retry-After` says, in seconds, where no pod is ready.
    static let retryAfterSeconds = 5

    /// Whom a request waited for that went without a byte for `requestIdle`: the client, where a part of its request is
    /// missing that the pod would take; otherwise the pod.
    static func stall(isComplete: Bool, podTakesMore: Bool) -> (status: HTTPResponseStatus, reason: String) {
        let seconds = requestIdle.nanoseconds / 1_000_000_000
        if !isComplete, podTakesMore {
            return (.requestTimeout, "the client sent nothing for \(seconds) s; send the rest of the request sooner")
        }
        return (.gatewayTimeout, "the pod was silent for \(seconds) s")
    }

    /// The parsers' limits.
    static var decoder: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = headerBytes
        limits.maxHeaderListSize = headerBytes
        limits.maxHeaderFieldCount = headerCount
        return limits
    }
}
