// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// How much a client asks of an API server at once.
///
/// The server protects itself (API priority and fairness), so there is no rate limit unless one is set: client-go's 5
/// requests a second with bursts of 10 are what users of operators complain of, and controller-runtime gave its own 20 and
/// 30 up in favour of the server's. What is bounded is the number of requests in flight, and it falls when the server
/// pushes back. Watches don't count.
public struct FlowLimits: Sendable, Hashable {
    /// The most requests in flight; at least 1.
    ///
    /// The default keeps requests and a few dozen watches within the 100 streams of one HTTP/2 connection.
    public var inFlight: Int
    /// The most requests a second in the long run; `nil` for no limit.
    public var queriesPerSecond: Double?
    /// The most requests at once after a pause, where there is a limit per second; at least 1.
    public var burst: Int

    /// Limits.
    public init(inFlight: Int = 64, queriesPerSecond: Double? = nil, burst: Int = 100) {
        self.inFlight = max(1, inFlight)
        self.queriesPerSecond = queriesPerSecond.flatMap { $0 > 0 && $0.isFinite ? $0 : nil }
        self.burst = max(1, burst)
    }
}
