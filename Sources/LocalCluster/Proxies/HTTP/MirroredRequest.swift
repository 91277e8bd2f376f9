// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOHTTP1
import Synchronization

/// How many copied requests are on their way.
final class MirrorCount: Sendable {
    private let number = Mutex(0)

    /// The number.
    var value: Int { number.withLock { $0 } }

    /// Counts one in; false when there are `ProxyLimits.mirrors` already.
    func enter() -> Bool {
        number.withLock { number in
            guard number < ProxyLimits.mirrors else { return false }
            number += 1
            return true
        }
    }

    /// Counts one out.
    func leave() { number.withLock { $0 -= 1 } }
}

/// A copy of a request, whose answer is dropped.
///
/// It never makes the request itself wait: what its pod doesn't take is kept up to a limit, and beyond that, or when
/// anything fails, the copy is given up.
final class MirroredRequest: UpstreamUser {
    private let pool: UpstreamPool
    private let count: MirrorCount
    private let chooser: TargetChooser
    private let target: ServiceTarget
    private let loop: any EventLoop
    private var waiting: [HTTPClientRequestPart] = []
    private var waitingBytes = 0
    private var upstream: UpstreamConnection?
    private var end: Scheduled<Void>?
    private var isWhole = false
    private var isKeptAlive = false
    private var isOver = false

    private init(
        _ target: ServiceTarget,
        _ chooser: TargetChooser,
        _ pool: UpstreamPool,
        _ count: MirrorCount,
        _ loop: any EventLoop
    ) {
        self.target = target
        self.chooser = chooser
        self.pool = pool
        self.count = count
        self.loop = loop
    }

    /// Starts a copy of a request with this head; `nil` where too many are on their way or nobody is there.
    static func start(
        _ head: HTTPRequestHead,
        to chooser: TargetChooser,
        _ pool: UpstreamPool,
        _ count: MirrorCount,
        on loop: any EventLoop
    ) -> MirroredRequest? {
        guard count.enter() else { return nil }
        guard let target = chooser.take(except: []) else {
            count.leave()
            return nil
        }
        let mirrored = MirroredRequest(target, chooser, pool, count, loop)
        var head = head
        head.headers.remove(name: "expect")
        mirrored.write(.head(head))
        mirrored.end = loop.assumeIsolated().scheduleTask(in: ProxyLimits.mirrorTime) { mirrored.giveUp() }
        if let upstream = pool.take(target, on: loop) {
            mirrored.adopt(upstream)
        } else {
            UpstreamConnection.connect(to: target, on: loop) { upstream in mirrored.adopt(upstream) }
        }
        return mirrored
    }

    /// Takes a further part.
    func write(_ part: HTTPClientRequestPart) {
        guard !isOver else { return }
        if case .end = part { isWhole = true }
        if let upstream, waiting.isEmpty, upstream.isWritable { return upstream.write(part) }
        if case .body(let bytes) = part { waitingBytes += bytes.readableBytes }
        waiting.append(part)
        if waitingBytes > ProxyLimits.mirrorBytes { giveUp() }
    }

    /// Sends what was taken.
    func flush() { upstream?.flush() }

    /// Stops without an answer, unless the whole request was taken.
    func abandon() { if !isWhole { giveUp() } }

    func received(_ part: HTTPClientResponsePart, from upstream: UpstreamConnection) {
        switch part {
        case .head(let head):
            if head.status.code >= 200 { isKeptAlive = head.isKeepAlive }
        case .body: break
        case .end:
            guard !isOver else { return }
            let isReusable = isKeptAlive && isWhole && waiting.isEmpty
            finish()
            if isReusable { pool.put(upstream, on: loop) } else { upstream.close() }
        }
    }

    func receivedAll(from upstream: UpstreamConnection) { if !isOver { upstream.read() } }

    func writabilityChanged(of upstream: UpstreamConnection) { pump() }

    func closed(_ upstream: UpstreamConnection) { finish() }

    private func adopt(_ upstream: UpstreamConnection?) {
        guard let upstream, !isOver else {
            upstream?.close()
            return finish()
        }
        self.upstream = upstream
        upstream.user = self
        pump()
        upstream.read()
    }

    private func pump() {
        guard let upstream, !waiting.isEmpty else { return }
        var sent = 0
        while sent < waiting.count, upstream.isWritable {
            if case .body(let bytes) = waiting[sent] { waitingBytes -= bytes.readableBytes }
            upstream.write(waiting[sent])
            sent += 1
        }
        waiting.removeFirst(sent)
        upstream.flush()
    }

    private func giveUp() {
        upstream?.close()
        finish()
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        end?.cancel()
        waiting = []
        upstream?.user = nil
        upstream = nil
        chooser.release(target)
        count.leave()
    }
}
