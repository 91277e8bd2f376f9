// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One replica's counters as running totals that never fall, from its pages one after the other.
///
/// A judge that compares counts must not take a page's own sums: a model that leaves the page lowers them, and a process that starts
/// anew sets them to 0. So each series is followed by itself:
///
/// | the series | counts |
/// | --- | --- |
/// | all, on the first page | nothing: where they stood before is unknown |
/// | all that had counted anything fell | the process started anew: all series count what they say now |
/// | some fell, others didn't | nothing: one model was loaded anew, or the process was and is past its old counts |
/// | is new, others stay | what it says now: it began since |
/// | left the page | nothing |
/// | none is the same, although there were requests | nothing: another metric is read now |
/// | the incarnation changed, and none fell | nothing: how much of it is new is unknown |
/// | can't be read (`NaN`, torn, stale) | nothing, and the total is `nil` until it can; then the difference to when it could |
///
/// A process that started anew since the last page may have counted requests in between that no page shows: those are lost.
public struct ReplicaTally: Sendable, Hashable {
    /// Requests since the first page, counted where their errors can be read too; `nil` where the last page doesn't say.
    public var requests: Double? { isThere.requests ? counted.requests : nil }
    /// Those among them that failed; `nil` where the last page doesn't say, which isn't 0.
    public var errors: Double? { isThere.errors ? counted.errors : nil }
    /// The durations of those requests; `nil` where the last page has no histogram.
    public var latency: LatencyHistogram? { isThere.latency ? histogram : nil }
    /// The outputs by category; `nil` where the last page doesn't say.
    public var outputs: [String: Double]? { isThere.outputs ? categories : nil }
    /// Why requests, errors or durations can't be read off the last page.
    public private(set) var missing: [MissingSignal] = []

    private struct Presence: Sendable, Hashable {
        var requests = false
        var errors = false
        var latency = false
        var outputs = false
    }

    private struct Counted: Sendable, Hashable {
        var requests = 0.0
        var errors = 0.0
    }

    private struct Base: Sendable, Hashable {
        var requests: CounterSeries?
        var errors: CounterSeries?
        var latency: [SeriesKey: LatencyHistogram]?
        var outputs: CounterSeries?
    }

    private var isThere = Presence()
    private var base = Base()
    private var counted = Counted()
    private var histogram: LatencyHistogram?
    private var categories: [String: Double] = [:]
    private var incarnation: String?
    /// Whether a fall was seen before the incarnation that it belongs to.
    private var isAhead = false

    /// Nothing counted.
    public init() {}

    /// Counts one more page.
    /// - Parameter incarnation: what changes when the process starts anew, as far as it is known.
    public mutating func add(_ scrape: ReplicaScrape, incarnation now: String) {
        let falls = falls(scrape)
        var isUnknown = falls.fell > 0 && falls.stayed > 0
        if let known = incarnation, known != now {
            if falls.fell == 0, !isAhead { isUnknown = true }
            isAhead = false
        } else if falls.fell > 0 {
            isAhead = true
        }
        incarnation = now
        if falls.fell > 0 { base = Base(requests: [:], errors: [:], latency: [:], outputs: [:]) }
        if isUnknown || switched(scrape) { base = Base() }
        missing = [scrape.requests.missing, scrape.errors.missing].compactMap(\.self)
        countRequests(scrape)
        countDurations(scrape)
        isThere.outputs = scrape.outputs != nil
        if let series = scrape.outputs {
            if let before = base.outputs {
                for (key, value) in series {
                    categories[String(decoding: key.bytes, as: UTF8.self), default: 0] += max(
                        0,
                        value - (before[key] ?? 0)
                    )
                }
            } else {
                for key in series.keys { categories[String(decoding: key.bytes, as: UTF8.self), default: 0] += 0 }
            }
            base.outputs = series
        }
    }

    private mutating func countRequests(_ scrape: ReplicaScrape) {
        isThere.requests = scrape.requests.value != nil
        isThere.errors = scrape.errors.value != nil
        // Both or neither: errors of requests that were counted at another time would be too many or too few.
        guard let requests = scrape.requests.value, let errors = scrape.errors.value else { return }
        if let requestsBefore = base.requests, let errorsBefore = base.errors {
            counted.requests += Self.growth(requests, requestsBefore)
            counted.errors += Self.growth(errors, errorsBefore)
        }
        base.requests = requests
        // A difference that falls for a moment is no base: it would count the same errors twice.
        let before = scrape.errorsAreDifference ? base.errors ?? [:] : [:]
        base.errors = errors.merging(before) { max($0, $1) }
    }

    private mutating func countDurations(_ scrape: ReplicaScrape) {
        isThere.latency = false
        switch scrape.latency {
        case .missing(let reason): missing.append(reason)
        case .value(.summary), .value(.sums):
            let reason = "the page has no histogram of durations, and others can't be compared"
            missing.append(MissingSignal(.latency, cause: .unreadable(reason)))
        case .value(.histograms(let series)):
            isThere.latency = true
            let grown = series.compactMap { key, now in
                base.latency.map { before in before[key].flatMap { now.growth(since: $0) } ?? now } ?? now.emptied
            }
            var sum = grown.first ?? LatencyHistogram(buckets: [])
            for next in grown.dropFirst() { sum = sum.merging(next) }
            if let known = histogram, known.bounds == sum.bounds {
                histogram = known.merging(sum)
            } else if !sum.bounds.isEmpty {
                histogram = sum
            }
            base.latency = series
        }
    }

    /// How many series count less than before, and how many that had counted anything don't.
    private func falls(_ scrape: ReplicaScrape) -> (fell: Int, stayed: Int) {
        var (fell, stayed) = (0, 0)
        func compare(_ now: CounterSeries?, _ before: CounterSeries?) {
            for (key, earlier) in before ?? [:] where earlier > 0 {
                guard let value = now?[key] else { continue }
                if value < earlier { fell += 1 } else { stayed += 1 }
            }
        }
        compare(scrape.requests.value, base.requests)
        compare(scrape.outputs, base.outputs)
        if !scrape.errorsAreDifference { compare(scrape.errors.value, base.errors) }
        guard case .value(.histograms(let now)) = scrape.latency else { return (fell, stayed) }
        for (key, earlier) in base.latency ?? [:] where earlier.total > 0 {
            guard let histogram = now[key], histogram.bounds == earlier.bounds else { continue }
            if zip(histogram.counts, earlier.counts).contains(where: { $0 < $1 }) { fell += 1 } else { stayed += 1 }
        }
        return (fell, stayed)
    }

    /// Whether the page counts requests by other series than before, all of them.
    private func switched(_ scrape: ReplicaScrape) -> Bool {
        guard let now = scrape.requests.value, let before = base.requests, !now.isEmpty else { return false }
        return before.values.contains { $0 > 0 } && !now.keys.contains { before[$0] != nil }
    }

    private static func growth(_ now: CounterSeries, _ before: CounterSeries) -> Double {
        now.reduce(0) { $0 + max(0, $1.value - (before[$1.key] ?? 0)) }
    }
}
