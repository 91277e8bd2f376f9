// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import DequeModule

/// Decides when the transfers to one host may begin, so that they share as few HTTP/2 connections as carry them.
///
/// libcurl opens a connection for every transfer that finds the known ones full: a burst of 240 would open 141. Here the
/// ones beyond a full connection wait, and where waiting doesn't help one of them, and only one at a time, goes ahead to
/// open another connection.
///
/// | connections | requests running | what waits | what begins |
/// | --- | --- | --- | --- |
/// | have room | any | anything | the requests, then the streams, each in their order |
/// | full | any | a stream | one stream, which opens a connection, unless one is being opened |
/// | full | below `enoughRequests` | a request | one request, likewise: it would wait for streams that don't end |
/// | full | more | a request | nothing: one of those that run will end |
struct StreamGate: Sendable {
    /// Whether a transfer ends by itself.
    enum Kind: Sendable, Hashable {
        /// Yes: it has a time limit.
        case request
        /// No: a watch.
        case stream
    }

    /// The streams that a connection carries; `CURLMOPT_MAX_CONCURRENT_STREAMS` is set to the same.
    static let streamsPerConnection = 100
    /// With this many requests running a place gets free soon.
    static let enoughRequests = 10

    private var running: [UInt64: Kind] = [:]
    private var runningRequests = 0
    private var requests: Deque<UInt64> = []
    private var streams: Deque<UInt64> = []
    private var opening: UInt64?
    private var connections = 1

    /// Whether nothing runs and nothing waits.
    var isEmpty: Bool { running.isEmpty && requests.isEmpty && streams.isEmpty }

    /// A transfer wants to begin; ask `next()`.
    mutating func arrived(_ id: UInt64, _ kind: Kind) {
        switch kind {
        case .request: requests.append(id)
        case .stream: streams.append(id)
        }
    }

    /// A transfer got its first byte: if it was to open a connection, there is one more now.
    mutating func begun(_ id: UInt64) {
        guard opening == id else { return }
        opening = nil
        connections += 1
    }

    /// A transfer is over, whether it ran or waited.
    mutating func ended(_ id: UInt64) {
        if opening == id { opening = nil }
        guard let kind = running.removeValue(forKey: id) else {
            requests.removeAll { $0 == id }
            streams.removeAll { $0 == id }
            return
        }
        if kind == .request { runningRequests -= 1 }
        // A connection that isn't needed any more may be closed at any time.
        connections = max(1, min(connections, running.count / Self.streamsPerConnection + 1))
    }

    /// The next transfer to begin; `nil` when none may now. Call until it answers `nil`.
    mutating func next() -> UInt64? {
        if running.count < connections * Self.streamsPerConnection {
            if let id = requests.popFirst() { return run(id, .request) }
            if let id = streams.popFirst() { return run(id, .stream) }
            return nil
        }
        guard opening == nil else { return nil }
        if runningRequests < Self.enoughRequests, let id = requests.popFirst() {
            opening = id
            return run(id, .request)
        }
        guard let id = streams.popFirst() else { return nil }
        opening = id
        return run(id, .stream)
    }

    private mutating func run(_ id: UInt64, _ kind: Kind) -> UInt64 {
        running[id] = kind
        if kind == .request { runningRequests += 1 }
        return id
    }
}
