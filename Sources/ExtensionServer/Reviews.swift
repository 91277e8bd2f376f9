// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import KubeAPI
import KubeModel
import Synchronization

/// Asks the API server for reviews of one kind: who somebody is, or what they may do.
///
/// Anybody who reaches the port causes them, as many as they like. So they have a limiter of their own, and hold up no other
/// request of this process: neither by their number nor when the server wants a pause from them. What comes on top of a
/// bounded number is refused at once.
final class Reviews: Sendable {
    /// The longest wait for a review.
    static let timeout = Duration.seconds(10)
    /// How fast they go: what `k8s.io/apiserver` allows (`DelegatingAuthorizationOptions.getClient`), and few enough at once that
    /// the API server isn't flooded by a slow answer.
    static let limits = FlowLimits(inFlight: 16, queriesPerSecond: 200, burst: 400)
    /// The most that are asked for at one time, those that wait included.
    static let most = 400

    private let client: KubeClient
    private let open = Mutex(0)

    /// Reviews by the API server that `client` reaches.
    init(_ client: KubeClient) {
        var client = client
        client.timeout = min(client.timeout, Self.timeout)
        client.callTimeout = min(client.callTimeout, Self.timeout)
        client.limiter = RequestLimiter(Self.limits)
        self.client = client
    }

    /// The answer to a review that is sent to `path`.
    /// - Throws: 429 while too many are asked for, by us or by the API server; otherwise why there is no answer.
    func ask(_ path: String, _ review: JSONValue) async throws(APIStatus) -> JSONValue {
        let isFull = open.withLock { open in
            if open < Self.most { open += 1; return false }
            return true
        }
        guard !isFull else {
            throw APIStatus(
                code: 429,
                reason: "TooManyRequests",
                message: "too many requests wait for the API server to review who sends them; try again",
                retryAfterSeconds: 1
            )
        }
        defer { open.withLock { $0 -= 1 } }
        do { return try await client.raw(.post, path, body: review) } catch {
            throw error.status ?? APIStatus(code: 500, reason: "InternalError", message: error.message)
        }
    }
}
