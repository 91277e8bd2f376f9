// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// Counters by series.
typealias CounterSeries = [SeriesKey: Double]

/// What one scrape of one replica showed.
public struct ReplicaScrape: Sendable, Hashable {
    /// A level as the page has it.
    enum Level: Sendable, Hashable {
        /// The level at the time of the scrape.
        case now(Double)
        /// The seconds that requests spent so since the server's start, by series.
        case time(CounterSeries)
    }

    /// Request durations since the server's start, as the page has them.
    enum Durations: Sendable, Hashable {
        /// Histograms by series.
        case histograms([SeriesKey: LatencyHistogram])
        /// A summary: quantiles in seconds over the server's own window, sums and counts since its start.
        case summary(quantiles: [Double: Double], sum: CounterSeries, count: CounterSeries)
        /// Only the sum of durations in seconds, and how many were summed.
        case sums(sum: CounterSeries, count: CounterSeries)
    }

    /// When the page arrived.
    public var time: WallTime
    /// Requests that wait.
    var queueLength: SignalValue<Level>
    /// Requests that were accepted and not yet answered.
    var inFlight: SignalValue<Level>
    /// How full the cache is, 0 to 1.
    var cacheUsage: SignalValue<Level>
    /// Request durations since the server's start.
    var latency: SignalValue<Durations>
    /// Requests since the server's start.
    var requests: SignalValue<CounterSeries>
    /// Requests that ended in an error since the server's start.
    var errors: SignalValue<CounterSeries>
    /// The process's CPU seconds since its start.
    var cpuSeconds: SignalValue<CounterSeries>
    /// Whether `inFlight` leaves out the requests that wait.
    var inFlightIsRunning: Bool
    /// Whether `errors` is the difference of two counters, so that it may fall a little without a reset.
    var errorsAreDifference: Bool
    /// Outputs since the server's start, by category; `nil` where they aren't mapped or can't be read.
    var outputs: CounterSeries?

    /// Picks from a page what `mapping` names.
    /// - Parameter staleAfter: how old a sample may be that has a time of its own.
    public init(page: MetricsPage, mapping: MetricsMapping, time: WallTime, staleAfter: Duration = .seconds(30)) {
        let reader = SignalReader(page: page, time: time, staleAfter: staleAfter)
        self.time = time
        queueLength = reader.level(.queueLength, mapping.queueLength)
        inFlight = reader.level(.inFlight, mapping.inFlight)
        cacheUsage = reader.ratio(.cacheUsage, mapping.cacheUsage)
        latency = reader.durations(mapping.latency)
        cpuSeconds = reader.counter(.cpu, mapping.cpuSeconds)
        inFlightIsRunning = mapping.inFlightIsRunning
        let counts = RequestCounts(reader: reader, mapping: mapping)
        requests = counts.requests
        errors = counts.errors
        errorsAreDifference = counts.errorsAreDifference
        outputs = mapping.outputs.isEmpty ? nil : reader.outputs(mapping)
        // A server that counts requests by code has no series before its first request: the histogram says it started.
        if case .missing(let missing) = requests, case .notOnPage = missing.cause,
            case .value(.histograms(let series)) = latency
        {
            requests = .value(series.mapValues(\.total))
        }
    }
}

/// Requests and errors, from whichever two of requests, successes and errors a server counts.
private struct RequestCounts {
    var requests: SignalValue<CounterSeries>
    var errors: SignalValue<CounterSeries>
    var errorsAreDifference = false

    init(reader: SignalReader, mapping: MetricsMapping) {
        let successes = reader.counter(.requestRate, mapping.successes)
        requests = reader.counter(.requestRate, mapping.requests)
        errors = reader.counter(.errorRate, mapping.errors)
        if mapping.requests.isEmpty { requests = Self.sum(successes, errors) }
        guard mapping.errors.isEmpty else { return }
        if let all = requests.value, let good = successes.value {
            let difference = all.values.reduce(0, +) - good.values.reduce(0, +)
            // The two are counted one after the other: one may run ahead by what is ending right now.
            errors = .value([SeriesKey([]): max(0, difference)])
            errorsAreDifference = true
        } else if mapping.successes.isEmpty, !mapping.requests.isEmpty {
            errors = requests.value.map { _ in reader.errors(mapping) } ?? requests
        }
    }

    /// Successes and errors together. Errors that the server doesn't count, or not yet, are none; those that are there and
    /// can't be right make the sum unknown.
    private static func sum(
        _ successes: SignalValue<CounterSeries>,
        _ errors: SignalValue<CounterSeries>
    ) -> SignalValue<CounterSeries> {
        switch errors.missing?.cause {
        case nil, .notMapped, .notOnPage, .noSuchLabels, .noSeries, .firstReading:
            // Keys of different metrics must not meet: their labels may be equal.
            let bad = keyed(errors.value ?? [:], 1)
            return successes.map { good in keyed(good, 0).merging(bad) { $0 + $1 } }
        case .unusable, .contradictory, .tooMany, .stale, .unreadable:
            guard var missing = errors.missing, successes.value != nil else { return successes }
            missing.signal = .requestRate
            return .missing(missing)
        }
    }

    private static func keyed(_ series: CounterSeries, _ mark: UInt8) -> CounterSeries {
        CounterSeries(uniqueKeysWithValues: series.map { (SeriesKey([mark] + $0.key.bytes), $0.value) })
    }
}

extension ReplicaScrape {
    /// Whether its requests in flight leave out those that wait: the mapping says so, or there are fewer of them than wait.
    var leavesWaitingOut: Bool {
        if inFlightIsRunning { return true }
        guard case .value(.now(let all)) = inFlight, case .value(.now(let waiting)) = queueLength else { return false }
        return all < waiting
    }
}
