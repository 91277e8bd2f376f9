// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// One family of series: a name, a help text and a value for each label set.
final class MetricFamily: Sendable {
    /// What the family counts.
    enum Kind: Sendable, Equatable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// Upper bounds of the finite buckets.
        case histogram([Double])

        /// The word in the `# TYPE` line.
        var word: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }
    }

    /// The values of one label set.
    struct Series: Sendable {
        /// The labels, sorted by name.
        var labels: [(name: String, value: String)]
        /// The value, or the sum of a histogram's observations.
        var value: Double = 0
        /// A histogram's observations by bucket, not cumulative; the last is the infinite one.
        var counts: [UInt64] = []
    }

    /// The metric's name.
    let name: String
    /// The help text.
    let help: String
    /// What it counts.
    let kind: Kind
    private let series = Mutex<[[String: String]: Series]>([:])

    /// A family without a series.
    init(name: String, help: String, kind: Kind) {
        self.name = name
        self.help = help
        self.kind = kind
    }

    /// Changes the series of `labels`, making it where it is missing.
    func update(_ labels: [String: String], _ change: (inout Series) -> Void) {
        series.withLock { series in
            var key = labels
            if series[key] == nil && series.count >= MetricsRegistry.seriesLimit {
                key = labels.mapValues { _ in "other" }
            }
            change(&series[key, default: Series(labels: key.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })])
        }
    }

    /// The series of `labels`.
    func read(_ labels: [String: String]) -> Series? { series.withLock { $0[labels] } }

    /// Forgets the series of `labels`.
    func remove(_ labels: [String: String]) { series.withLock { $0[labels] = nil } }

    /// Writes the family; one without a series but with no labels to know writes its head only.
    func write(to writer: inout PrometheusTextWriter) {
        let all = series.withLock { Array($0.values) }
            .sorted { left, right in
                left.labels.lexicographicallyPrecedes(right.labels) { ($0.name, $0.value) < ($1.name, $1.value) }
            }
        writer.head(name: name, help: help, type: kind.word)
        for series in all {
            guard case .histogram(let bounds) = kind else {
                writer.sample(name, series.labels, series.value)
                continue
            }
            var total: UInt64 = 0
            for (index, count) in series.counts.enumerated() {
                total += count
                let bound = index < bounds.count ? PrometheusTextWriter.number(bounds[index]) : "+Inf"
                writer.sample(name + "_bucket", series.labels + [("le", bound)], Double(total))
            }
            writer.sample(name + "_sum", series.labels, series.value)
            writer.sample(name + "_count", series.labels, Double(total))
        }
    }
}
