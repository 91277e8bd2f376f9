// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// What came of a load.
///
/// Latencies are those of successful requests, from the time at which the plan wanted them sent; a server (or a generator)
/// that falls behind therefore shows up, instead of slowing the measurement down ("coordinated omission").
public struct LatencySummary: Sendable, Hashable {
    /// The requests that the plan wanted sent.
    public var count = 0
    /// The requests with a status below 400 and a complete body.
    public var ok = 0
    /// The others by kind: a status such as `429`, `dropped` (more in flight than allowed, not sent), or what the generator's
    /// classification made of an error.
    public var errors: [String: Int] = [:]
    /// What was wrong with the first of each kind, in words, where something is known: the error, or the answer's body.
    public var firstErrors: [String: String] = [:]
    /// From the start to the last answer.
    public var duration = Duration.zero
    /// The durations of successful requests.
    public var latencies = LatencyHistogram()

    /// A summary of nothing.
    public init() {}

    /// The number of requests that failed or were dropped.
    public var failed: Int { errors.values.reduce(0, +) }
    /// The middle latency; `nil` without a successful request.
    public var p50: Duration? { latencies.quantile(0.5) }
    /// The latency that 95 % stay below.
    public var p95: Duration? { latencies.quantile(0.95) }
    /// The latency that 99 % stay below.
    public var p99: Duration? { latencies.quantile(0.99) }
    /// The largest latency.
    public var maximum: Duration? { latencies.count > 0 ? latencies.maximum : nil }
    /// Successful requests per second over the whole run.
    public var achievedRate: Double { duration > .zero ? Double(ok) / duration.inSeconds : 0 }

    /// Adds one request.
    mutating func record(_ result: RequestResult) {
        count += 1
        switch result {
        case .ok(let latency):
            ok += 1
            latencies.record(latency)
        case .failed(let kind, let words):
            // A server that makes up statuses can't make this table grow without end: there are 900 of them.
            errors[kind, default: 0] += 1
            if firstErrors[kind] == nil { firstErrors[kind] = words }
        }
    }
}

/// How a load goes, once a second.
public struct LoadProgress: Sendable, Hashable {
    /// Time since the start.
    public var elapsed: Duration
    /// The requests so far that the plan wanted sent.
    public var sent: Int
    /// The requests without an answer yet.
    public var inFlight: Int
    /// The successful ones so far.
    public var ok: Int
    /// The failed and dropped ones so far.
    public var errors: Int
    /// The requests that were answered successfully within the last second.
    public var okLastSecond: Int
    /// The 95th percentile of the requests that were answered within the last second; `nil` for none.
    public var p95LastSecond: Duration?
}

/// What came of one request.
enum RequestResult: Sendable, Hashable {
    /// A good answer, with the time since the intended start.
    case ok(Duration)
    /// No good answer, with the kind, and what was wrong where that is known.
    case failed(String, words: String? = nil)
}
