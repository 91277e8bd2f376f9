// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// When a server that was told to end may do so without losing a request.
///
/// ```
/// SIGTERM ──least──> quiet and nothing open? ──> end
///                        │ no: look again
///                        ├── no request came for `patience`, what is open is stuck ──> end
///                        └── `most` since SIGTERM ──> end
/// ```
///
/// For `least` everybody who sends requests learns that the server is going: its endpoint is taken away and each answer asks
/// to close the connection. After that requests that still come are answered as well, and only a pause of `quiet` says that
/// nobody sends any more. Kubernetes kills the pod in the end, so `most` must lie within its grace period.
public struct DrainRule: Sendable, Hashable {
    /// How the drain stands.
    public enum Verdict: Sendable, Hashable {
        /// Not yet.
        case wait
        /// Nothing is lost.
        case drained
        /// Requests are open that take far longer than others, or keep coming although the time is over.
        case givenUp
    }

    /// How many times the p99 latency a request may take before it counts as stuck.
    static let patienceFactor = 10.0
    /// The least patience in seconds: a p99 of milliseconds says little about a request that is in the tail.
    static let leastPatience = 10.0

    /// How long to serve at least.
    public var least: Duration
    /// How long no request may have come.
    public var quiet: Duration
    /// How long to wait at most, since the beginning.
    public var most: Duration

    /// A rule; `most` is never under `least`.
    public init(least: Duration, quiet: Duration = .seconds(1), most: Duration) {
        self.least = least
        self.quiet = quiet
        self.most = max(least, most)
    }

    /// Decides.
    /// - Parameters:
    ///   - elapsed: the time since the drain began.
    ///   - open: the requests that have arrived and aren't answered.
    ///   - sinceArrival: the time since the last request came; `nil` when none ever did.
    ///   - p99: the 99th percentile of the time that requests took, in seconds; `nil` when it isn't known.
    public func verdict(elapsed: Duration, open: Int, sinceArrival: Duration?, p99: Double?) -> Verdict {
        guard elapsed >= least else { return .wait }
        let calm = sinceArrival ?? elapsed
        if open == 0, calm >= quiet { return .drained }
        if elapsed >= most { return .givenUp }
        guard open > 0, let p99, p99.isFinite else { return .wait }
        let patience = Duration.seconds(max(Self.leastPatience, Self.patienceFactor * p99))
        return min(calm, elapsed) >= patience ? .givenUp : .wait
    }
}
