// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Why a signal has no value: what was looked for, and what was found instead.
public struct MissingSignal: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is in the way.
    public enum Cause: Sendable, Hashable {
        /// The ServingRuntime names no metric for it.
        case notMapped
        /// No metric of these names is on the page; it has the offered ones.
        case notOnPage(offered: OfferedNames)
        /// The metric is there, but no series has the labels; they have the offered ones instead, as `a="x",b="y"`.
        case noSuchLabels(metric: String, labels: [String: String], offered: [String])
        /// The metric is declared and has no series.
        case noSeries(metric: String)
        /// The metric's value can't be what it should be: NaN, infinite, negative.
        case unusable(metric: String, value: Double)
        /// Two things that the page says can't both be true.
        case contradictory(metric: String, String)
        /// The metric has more of something (`series`, `buckets in a series`) than is read.
        case tooMany(metric: String, what: String, limit: Int)
        /// The value is too old.
        case stale(metric: String, age: Duration)
        /// A rate needs two scrapes, and this is the first.
        case firstReading
        /// There is no page, as a clause: `no answer within 1 s`.
        case unreadable(String)
    }

    /// The most offered names, or labels, in the description.
    static let shownNames = 6

    /// The signal.
    public var signal: SignalKind
    /// The metrics that were looked for, in that order.
    public var lookedFor: [String]
    /// What is in the way.
    public var cause: Cause

    /// A missing signal.
    public init(_ signal: SignalKind, lookedFor: [String] = [], cause: Cause) {
        self.signal = signal
        self.lookedFor = lookedFor
        self.cause = cause
    }

    /// A clause that a user understands, with what to look at.
    public var description: String { "no \(signal): \(clause)" }

    private var clause: String {
        switch cause {
        case .notMapped: return "the ServingRuntime names no metric for it"
        case .notOnPage(let names):
            let wanted = lookedFor.joined(separator: ", ")
            let offered = names.names
            guard !offered.isEmpty else { return "looked for \(wanted); the page has no metrics" }
            let shown = closest(offered)
            let rest = offered.count - shown.count
            return "looked for \(wanted); the page offers \(shown.joined(separator: ", "))"
                + (rest > 0 ? " and \(rest) more" : "")
        case .noSuchLabels(let metric, let labels, let offered):
            let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
            guard !offered.isEmpty else { return "\(metric) has no series with {\(text)}" }
            let shown = offered.prefix(Self.shownNames).map { "{\($0)}" }.joined(separator: ", ")
            let rest = offered.count - Self.shownNames
            return "\(metric) has no series with {\(text)}; the page offers \(shown)"
                + (rest > 0 ? " and \(rest) more" : "")
        case .noSeries(let metric): return "\(metric) is declared and has no value"
        case .unusable(let metric, let value): return "\(metric) is \(PrometheusTextWriter.number(value))"
        case .contradictory(let metric, let reason): return "\(metric) contradicts itself: \(reason)"
        case .tooMany(let metric, let what, let limit):
            return "\(metric) has more than \(limit) \(what); choose some by labels, or let the server export fewer"
        case .stale(let metric, let age): return "\(metric) is \(Int(age.inSeconds)) s old"
        case .firstReading: return "it needs two scrapes, and this was the first"
        case .unreadable(let reason): return reason
        }
    }

    /// The offered names that have the most words in common with what was looked for.
    private func closest(_ offered: [String]) -> [String] {
        func words(_ name: String) -> Set<Substring> {
            Set(name.lowercased().split { !$0.isLetter && !$0.isNumber }.map { Substring($0) })
        }
        let wanted = lookedFor.reduce(into: Set<Substring>()) { $0.formUnion(words($1)) }
        let ranked = offered.enumerated().map { ($0.offset, $0.element, words($0.element).intersection(wanted).count) }
        return ranked.sorted { ($1.2, $0.0) < ($0.2, $1.0) }.prefix(Self.shownNames).map(\.1)
    }
}
