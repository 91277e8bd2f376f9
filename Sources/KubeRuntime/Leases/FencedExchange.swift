// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
internal import HTTPTypes
public import KubeAPI

/// Sends reads as they are, and writes only through a `WriteFence`.
///
/// A write's time limit is what the lease leaves, here and, by the API's own `timeout` parameter, on the server: it can't
/// take effect once another process may lead.
public struct FencedExchange: PreparedExchange {
    private let next: any HTTPExchange
    private let fence: WriteFence
    private let time: any TimeSource

    /// Fences `next`.
    public init(_ next: any HTTPExchange, fence: WriteFence, time: any TimeSource) {
        self.next = next
        self.fence = fence
        self.time = time
    }

    /// Waits for what `next` needs; the fence isn't asked before.
    public func prepare() async throws { try await (next as? any PreparedExchange)?.prepare() }

    /// Sends a read, or a write that the fence lets through.
    /// - Throws: `WriteRefused`; `DeadlinePassed` when the lease's time was up first; what the transport throws.
    public func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard ![.get, .head, .options].contains(request.head.method) else { return try await next.exchange(request) }
        let permit = try fence.begin(WriteScope.key, now: time.now())
        let limit = min(request.timeout ?? permit.allowance, permit.allowance)
        let message = Self.limited(request, to: limit)
        let next = next
        do {
            let response = try await time.withDeadline(limit) { try await next.exchange(message) }
            // 504 means that the server gave up waiting, not that nothing will happen.
            fence.end(permit, wasAnswered: response.head.status.code != 504)
            return response
        } catch {
            fence.end(permit, wasAnswered: false)
            throw error
        }
    }

    private static func limited(_ request: HTTPRequestMessage, to limit: Duration) -> HTTPRequestMessage {
        var message = request
        message.timeout = limit
        let path = request.head.path ?? "/"
        let milliseconds = max(1, Int(limit.inMilliseconds))
        message.head.path = "\(path)\(path.contains("?") ? "&" : "?")timeout=\(milliseconds)ms"
        return message
    }
}
