// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient

/// Reads signals off a page; whatever can't be right is missing, with the reason.
struct SignalReader {
    /// The most series of one metric: each is held for as long as its replica is watched.
    static let mostSeries = 10_000
    /// The most buckets of one series of a histogram.
    static let mostBuckets = 1000

    /// The page.
    let page: MetricsPage
    /// When it arrived.
    let time: WallTime
    /// How old a sample may be that has a time of its own.
    let staleAfter: Duration

    /// A level: the sum over the series of the first source that is on the page.
    func level(_ signal: SignalKind, _ sources: [MetricSource]) -> SignalValue<ReplicaScrape.Level> {
        first(signal, sources) { source throws(MissingSignal) in
            switch source.kind {
            case .time:
                let (name, rows) = try rows(signal, source.selector, suffixes: ["", "_total", "_sum"])
                return .time(try series(signal, name, rows).mapValues { $0 * source.scale })
            case .direct:
                let (name, rows) = try rows(signal, source.selector, suffixes: [""])
                return .now(try series(signal, name, rows).values.reduce(0, +) * source.scale)
            }
        }
    }

    /// A ratio: the largest over the series of the first source that is on the page.
    func ratio(_ signal: SignalKind, _ sources: [MetricSource]) -> SignalValue<ReplicaScrape.Level> {
        first(signal, sources) { source throws(MissingSignal) in
            let (name, rows) = try rows(signal, source.selector, suffixes: [""])
            let values = try series(signal, name, rows).values.map { $0 * source.scale }
            let largest = values.max() ?? 0
            guard largest <= 1.0001 else {
                let found = PrometheusTextWriter.number(largest)
                throw MissingSignal(signal, cause: .contradictory(metric: name, "a ratio of \(found)"))
            }
            return .now(min(1, largest))
        }
    }

    /// A counter by series; one that is declared and has no series counts nothing yet.
    ///
    /// So does a counter of errors of which no series has the labels: a class of status has no series before it occurs.
    /// Of any other counter that would be load that is read as none, so it is missing.
    func counter(_ signal: SignalKind, _ sources: [MetricSource]) -> SignalValue<CounterSeries> {
        first(signal, sources) { source throws(MissingSignal) in
            do throws(MissingSignal) {
                let (name, rows) = try rows(signal, source.selector, suffixes: ["", "_total", "_count"])
                return try series(signal, name, rows)
            } catch {
                switch error.cause {
                case .noSeries: return [:]
                case .noSuchLabels where signal == .errorRate: return [:]
                case .noSuchLabels, .notMapped, .notOnPage, .unusable, .contradictory, .tooMany, .stale, .firstReading,
                    .unreadable:
                    throw error
                }
            }
        }
    }

    /// The part of the requests counter whose code says that it was an error.
    func errors(_ mapping: MetricsMapping) -> SignalValue<CounterSeries> {
        first(.errorRate, mapping.requests) { source throws(MissingSignal) in
            let found: Rows
            do throws(MissingSignal) {
                found = try rows(.errorRate, source.selector, suffixes: ["", "_total", "_count"])
            } catch {
                guard case .noSeries = error.cause else { throw error }
                return [:]
            }
            // Without the label, a counter of all requests says nothing of errors.
            guard found.rows.isEmpty || found.rows.contains(where: { page.label(mapping.codeLabel, of: $0) != nil })
            else {
                throw MissingSignal(
                    .errorRate,
                    cause: .noSuchLabels(metric: found.name, labels: [mapping.codeLabel: "…"], offered: [])
                )
            }
            let failed = found.rows.filter { row in
                let code = page.label(mapping.codeLabel, of: row) ?? ""
                return mapping.errorCodes.contains { code.hasPrefix($0) }
            }
            return try series(.errorRate, found.name, failed)
        }
    }

    /// The outputs by category, summed over all other labels; `nil` where they can't be read.
    func outputs(_ mapping: MetricsMapping) -> CounterSeries? {
        let read: SignalValue<CounterSeries> = first(.requestRate, mapping.outputs) { source throws(MissingSignal) in
            let (name, rows) = try rows(.requestRate, source.selector, suffixes: ["", "_total"])
            _ = try series(.requestRate, name, rows)
            var sums: CounterSeries = [:]
            for row in rows {
                guard let category = page.label(mapping.outputLabel, of: row) else { continue }
                sums[SeriesKey(Array(category.utf8)), default: 0] += page.rows[row].value
            }
            return sums
        }
        return read.value
    }

    // MARK: Durations

    /// Request durations, in the shape in which the page has them.
    func durations(_ sources: [MetricSource]) -> SignalValue<ReplicaScrape.Durations> {
        first(.latency, sources) { source throws(MissingSignal) in
            let name = source.selector.name
            if let buckets = try? rows(.latency, source.selector, suffixes: ["_bucket"]) {
                return .histograms(try histograms(name, buckets.rows, scale: source.scale))
            }
            if let count = source.count {
                let sums = try rows(.latency, source.selector, suffixes: ["", "_total", "_sum"])
                let counts = try rows(.latency, count, suffixes: ["", "_total", "_count"])
                return .sums(
                    sum: try series(.latency, sums.name, sums.rows).mapValues { $0 * source.scale },
                    count: try series(.latency, counts.name, counts.rows)
                )
            }
            let (sum, count): (Rows, Rows)
            do throws(MissingSignal) {
                sum = try rows(.latency, source.selector, suffixes: ["_sum"])
                count = try rows(.latency, source.selector, suffixes: ["_count"])
            } catch {
                if case .noSuchLabels = error.cause { throw error }
                // Says that the metric isn't there at all, or that it has no series.
                _ = try rows(.latency, source.selector, suffixes: ["_bucket"])
                throw MissingSignal(.latency, cause: .noSeries(metric: name))
            }
            return .summary(
                quantiles: try quantiles(source),
                sum: try series(.latency, sum.name, sum.rows).mapValues { $0 * source.scale },
                count: try series(.latency, count.name, count.rows)
            )
        }
    }

    private func histograms(
        _ name: String,
        _ rows: [Int],
        scale: Double
    ) throws(MissingSignal) -> [SeriesKey: LatencyHistogram] {
        var buckets: [SeriesKey: [(bound: Double, count: Double)]] = [:]
        // The buckets of a series stand together.
        var series: [(bound: Double, count: Double)] = []
        for (place, row) in rows.enumerated() {
            guard let bound = page.number(ofLabel: "le", in: row), !bound.isNaN else {
                let text = page.label("le", of: row) ?? ""
                throw MissingSignal(.latency, cause: .contradictory(metric: name, "the bound \"\(text)\" is no number"))
            }
            try checkAge(.latency, name, row)
            series.append((bound * scale, page.rows[row].value))
            let isLast = place + 1 == rows.count || !page.hasSameLabels(row, rows[place + 1], without: "le")
            guard isLast else { continue }
            buckets[page.labelKey(of: row, without: "le"), default: []] += series
            series.removeAll(keepingCapacity: true)
        }
        guard buckets.count <= Self.mostSeries else {
            throw MissingSignal(.latency, cause: .tooMany(metric: name, what: "series", limit: Self.mostSeries))
        }
        guard buckets.values.allSatisfy({ $0.count <= Self.mostBuckets }) else {
            let what = "buckets in a series"
            throw MissingSignal(.latency, cause: .tooMany(metric: name, what: what, limit: Self.mostBuckets))
        }
        var histograms: [SeriesKey: LatencyHistogram] = [:]
        let sums = sums(of: name, scale: scale)
        for (key, series) in buckets {
            do {
                histograms[key] = try LatencyHistogram(checking: series)
                histograms[key]?.sum = sums[key]
            } catch {
                throw MissingSignal(.latency, cause: .contradictory(metric: name, error.reason))
            }
        }
        return histograms
    }

    /// The sums of a histogram's series in seconds, as far as they can be right; the buckets don't depend on them.
    private func sums(of name: String, scale: Double) -> CounterSeries {
        var sums: CounterSeries = [:]
        for row in page.indices(named: name + "_sum") {
            let value = page.rows[row].value
            if value.isFinite, value >= 0 { sums[page.labelKey(of: row, without: "le")] = value * scale }
        }
        return sums
    }

    /// The quantiles of a summary in seconds, the largest over its series; NaN is what a summary has without requests.
    private func quantiles(_ source: MetricSource) throws(MissingSignal) -> [Double: Double] {
        let name = source.selector.name
        var quantiles: [Double: Double] = [:]
        for row in page.indices(named: name) where isMeant(row, source.selector) {
            let value = page.rows[row].value
            guard let quantile = page.number(ofLabel: "quantile", in: row), !value.isNaN else { continue }
            try checkAge(.latency, name, row)
            guard (0...1).contains(quantile), value.isFinite, value >= 0 else {
                throw MissingSignal(.latency, cause: .unusable(metric: name, value: value))
            }
            quantiles[quantile] = max(quantiles[quantile] ?? 0, value * source.scale)
        }
        let sorted = quantiles.sorted { $0.key < $1.key }.map(\.value)
        guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw MissingSignal(.latency, cause: .contradictory(metric: name, "a higher quantile has a lower value"))
        }
        return quantiles
    }

    // MARK: Series

    /// The rows of a metric, with the name under which it has them.
    private typealias Rows = (name: String, rows: [Int])

    /// Whether a selector means a sample of its metric.
    private func isMeant(_ row: Int, _ selector: MetricSelector) -> Bool {
        page.sample(row, has: selector.labels) && !selector.except.contains { page.sample(row, has: $0) }
    }

    /// The rows of a selector's metric, under the first of the suffixes that has any; none where all are left out, since
    /// what a server counts besides says that there is nothing else yet.
    private func rows(
        _ signal: SignalKind,
        _ selector: MetricSelector,
        suffixes: [String]
    ) throws(MissingSignal) -> Rows {
        var others: [Int] = []
        for suffix in suffixes {
            let name = selector.name + suffix
            let all = page.indices(named: name)
            let rows = selector.labels.isEmpty ? all : all.filter { page.sample($0, has: selector.labels) }
            if !rows.isEmpty { return (name, selector.except.isEmpty ? rows : rows.filter { isMeant($0, selector) }) }
            if others.isEmpty { others = all }
        }
        if !others.isEmpty {
            let offered = offered(selector.labels.keys.sorted(), of: others)
            throw MissingSignal(
                signal,
                cause: .noSuchLabels(metric: selector.name, labels: selector.labels, offered: offered)
            )
        }
        if page.declares(selector.name) || page.declares(selector.name + "_total") || isCounter(selector.name) {
            throw MissingSignal(signal, cause: .noSeries(metric: selector.name))
        }
        throw MissingSignal(signal, lookedFor: [selector.name], cause: .notOnPage(offered: page.offered))
    }

    /// Whether the page declares a counter of which `name` is the sample: OpenMetrics declares `x_total` as `x`.
    private func isCounter(_ name: String) -> Bool {
        MetricsMapping.family(of: name).map { page.declares($0, as: .counter) } ?? false
    }

    /// What the samples have as these labels, as texts `a="x",b="y"`: each once, in the page's order, the first 100.
    private func offered(_ names: [String], of rows: [Int]) -> [String] {
        var seen: Set<String> = []
        var offered: [String] = []
        for row in rows where offered.count < 100 {
            let labels = names.compactMap { name in
                page.label(name, of: row).map { "\(name)=\"\($0.prefix(80))\"" }
            }
            let text = labels.joined(separator: ",")
            if seen.insert(text).inserted { offered.append(text) }
        }
        return offered
    }

    /// The values by series, each checked: finite, not negative, not too old, there once.
    private func series(_ signal: SignalKind, _ name: String, _ rows: [Int]) throws(MissingSignal) -> CounterSeries {
        guard rows.count <= Self.mostSeries else {
            throw MissingSignal(signal, cause: .tooMany(metric: name, what: "series", limit: Self.mostSeries))
        }
        var series: CounterSeries = [:]
        for index in rows {
            let row = page.rows[index]
            guard row.value.isFinite, row.value >= 0 else {
                throw MissingSignal(signal, cause: .unusable(metric: name, value: row.value))
            }
            try checkAge(signal, name, index)
            let key = page.labelKey(of: index, without: "")
            guard series.updateValue(row.value, forKey: key) == nil else {
                throw MissingSignal(signal, cause: .contradictory(metric: name, "a series is there twice"))
            }
        }
        return series
    }

    /// Throws where a sample has a time of its own, as a gateway's have, and it is too long ago.
    private func checkAge(_ signal: SignalKind, _ name: String, _ index: Int) throws(MissingSignal) {
        let row = page.rows[index]
        guard row.hasTimestamp else { return }
        let age = time - WallTime(seconds: Double(row.timestamp) / 1000)
        guard age <= staleAfter else { throw MissingSignal(signal, cause: .stale(metric: name, age: age)) }
    }

    /// The first source that is on the page; a source that is there and wrong is not passed over.
    private func first<Value>(
        _ signal: SignalKind,
        _ sources: [MetricSource],
        _ read: (MetricSource) throws(MissingSignal) -> Value
    ) -> SignalValue<Value> {
        guard !sources.isEmpty else { return .missing(MissingSignal(signal, cause: .notMapped)) }
        var lookedFor = sources.map(\.selector.name)
        var found: MissingSignal?
        for (index, source) in sources.enumerated() {
            do throws(MissingSignal) {
                return .value(try read(source))
            } catch {
                // A source may need a second metric, and lack only that.
                if let name = error.lookedFor.first { lookedFor[index] = name }
                let missing = MissingSignal(signal, lookedFor: lookedFor, cause: error.cause)
                switch error.cause {
                case .notOnPage: found = found ?? missing
                case .noSeries, .noSuchLabels:
                    if case .notOnPage = found?.cause { found = missing }
                    found = found ?? missing
                case .notMapped, .unusable, .contradictory, .tooMany, .stale, .firstReading, .unreadable:
                    return .missing(missing)
                }
            }
        }
        return .missing(MissingSignal(signal, lookedFor: lookedFor, cause: found?.cause ?? .notMapped))
    }
}
