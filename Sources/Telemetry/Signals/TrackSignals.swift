// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import Scaling

/// The signals of all ready replicas of a track, folded: sums, and one merged latency histogram.
public struct TrackSignals: Sendable, Hashable {
    /// One replica's part: its signals, or why there are none.
    public enum Part: Sendable, Hashable {
        /// The replica reported.
        case reported(ReplicaSignals)
        /// The replica could not be read; a clause says why.
        case missing(String)
    }

    /// The sums by signal; a signal that no replica reports is left out.
    public private(set) var readings: [Signal: SignalReading] = [:]
    /// The durations of the requests that ended in the interval; `nil` when no replica reports it.
    public private(set) var latency: LatencyHistogram?
    /// How many replicas are in `latency`.
    public private(set) var latencyReporting = 0
    /// Errors per request, 0 to 1; `nil` without a request or without a reading.
    public private(set) var errorRatio: Double?
    /// The replicas without a page, in the order of their names.
    public private(set) var missing: [MissingReplica] = []
    /// The age of the oldest page.
    public private(set) var age: Duration = .zero

    /// Folds `parts`; a page older than `staleAfter` counts as missing.
    public init(parts: [String: Part], now: WallTime, staleAfter: Duration) {
        var fresh: [ReplicaSignals] = []
        for (pod, part) in parts.sorted(by: { $0.key < $1.key }) {
            switch part {
            case .missing(let reason): missing.append(MissingReplica(pod: pod, reason: reason))
            case .reported(let signals):
                let age = now - signals.time
                guard age <= staleAfter else {
                    let seconds = Int(age.inSeconds)
                    missing.append(MissingReplica(pod: pod, reason: "the last metrics are \(seconds) s old"))
                    continue
                }
                self.age = max(self.age, age)
                fresh.append(signals)
            }
        }
        fold(.queueLength, fresh.compactMap(\.queueLength))
        fold(.inFlight, fresh.compactMap(\.inFlight))
        fold(.requestRate, fresh.compactMap(\.requestRate))
        let histograms = fresh.compactMap(\.latency)
        latencyReporting = histograms.count
        if let first = histograms.first { latency = histograms.dropFirst().reduce(first) { $0.merging($1) } }
        let errors = fresh.compactMap(\.errorRate)
        if !errors.isEmpty, let rate = readings[.requestRate]?.total, rate > 0 {
            errorRatio = min(1, errors.reduce(0, +) / rate)
        }
    }

    /// The reading of a latency objective's percentile.
    public func latencyReading(percentile: Double) -> LatencyReading? {
        guard let latency else { return nil }
        return LatencyReading(
            milliseconds: latency.percentile(percentile).map { $0 * 1000 },
            requestRate: latency.total > 0 ? max(readings[.requestRate]?.total ?? 0, .leastNormalMagnitude) : 0,
            reporting: latencyReporting,
            age: age
        )
    }

    private mutating func fold(_ signal: Signal, _ values: [Double]) {
        guard !values.isEmpty else { return }
        readings[signal] = SignalReading(total: values.reduce(0, +), reporting: values.count, age: age)
    }
}
