// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What one replica did between two scrapes.
public struct ReplicaSignals: Sendable, Hashable {
    /// When the later page arrived.
    public let time: WallTime
    /// Requests that wait.
    public let queueLength: SignalValue<Double>
    /// Requests that were accepted and not yet answered.
    public let inFlight: SignalValue<Double>
    /// How full the cache is, 0 to 1.
    public let cacheUsage: SignalValue<Double>
    /// Requests a second; missing before the second scrape.
    public let requestRate: SignalValue<Double>
    /// Errors a second; missing before the second scrape.
    public let errorRate: SignalValue<Double>
    /// The durations of the requests that ended in between; missing before the second scrape.
    public let latency: SignalValue<LatencyEvidence>
    /// Seconds of CPU time a second; missing before the second scrape.
    public let cpu: SignalValue<Double>
    /// Requests that are being worked on; `nil` where the page doesn't say.
    public let running: Double?
    /// Requests a second that arrived: those that ended, and by how much those in the replica have become more.
    public let arrivalRate: Double?
    /// What the next interval has to know of levels that come from counters of time.
    let levels: TimedLevels

    /// The signals at `scrape`, with rates since `earlier`, and without knowledge of the time before that.
    ///
    /// A series that fell was reset by a restart, and a series that is new began since: what it counts now happened since.
    public init(_ scrape: ReplicaScrape, since earlier: ReplicaScrape?) {
        self.init(scrape, since: earlier, levels: TimedLevels())
    }

    /// The signals at `scrape`, with rates since `earlier`, at which `levels` were known.
    init(_ scrape: ReplicaScrape, since earlier: ReplicaScrape?, levels known: TimedLevels) {
        time = scrape.time
        let interval = Interval(now: scrape, before: earlier)
        latency = interval.durations()
        requestRate = interval.rate(.requestRate, \.requests)
        var levels = known
        let ended = interval.ended(latency.value)
        // Requests that ended without having waited leave the counter of waiting as it is: the queue was empty.
        let hasEnded = (requestRate.value ?? 0) > 0
        queueLength = interval.level(.queueLength, \.queueLength, &levels.queueLength, ended, hasEnded: hasEnded)
        inFlight = interval.level(.inFlight, \.inFlight, &levels.inFlight, ended)
        self.levels = levels
        var none: TimedLevel?
        cacheUsage = interval.level(.cacheUsage, \.cacheUsage, &none)
        let errors = interval.rate(.errorRate, \.errors)
        if let requests = requestRate.value, let failed = errors.value, failed > requests * 1.001 + 1e-9 {
            let reason = "\(failed) errors a second of \(requests) requests a second"
            errorRate = .missing(MissingSignal(.errorRate, cause: .contradictory(metric: "the error counter", reason)))
        } else {
            errorRate = errors
        }
        cpu = interval.rate(.cpu, \.cpuSeconds)
        let waiting = queueLength.value ?? 0
        running = inFlight.value.map { scrape.leavesWaitingOut ? $0 : max(0, $0 - waiting) }
        arrivalRate = requestRate.value.map { max(0, $0 + interval.outstandingGrowth) }
    }
}

/// The time between two scrapes of one replica.
private struct Interval {
    var now: ReplicaScrape
    /// `nil` before the second scrape.
    var before: ReplicaScrape?
    var seconds: Double

    init(now: ReplicaScrape, before: ReplicaScrape?) {
        self.now = now
        let seconds = before.map { (now.time - $0.time).inSeconds } ?? 0
        self.seconds = seconds
        self.before = seconds > 0 ? before : nil
    }

    /// - Parameters:
    ///   - timed: what is known of the level where it comes from a counter of time.
    ///   - ended: the requests that ended in the interval, where their durations are known.
    ///   - hasEnded: whether requests ended, whatever the counter says.
    func level(
        _ signal: SignalKind,
        _ part: KeyPath<ReplicaScrape, SignalValue<ReplicaScrape.Level>>,
        _ timed: inout TimedLevel?,
        _ ended: EndedRequests? = nil,
        hasEnded: Bool = false
    ) -> SignalValue<Double> {
        switch now[keyPath: part] {
        case .missing(let missing): return .missing(missing)
        case .value(.now(let value)):
            timed = nil
            return .value(value)
        case .value(.time(let series)):
            guard let before, case .value(.time(let earlier)) = before[keyPath: part] else { return first(signal) }
            let growth = Self.growth(series, earlier)
            var level = timed ?? TimedLevel(first: before.time, mean: Self.meanSeconds(before))
            let endedSeconds = growth > 0 || hasEnded ? growth : nil
            let value = level.add(growth: endedSeconds, ended: ended, from: before.time, to: now.time)
            timed = level
            return value.map { .value($0) } ?? .missing(MissingSignal(signal, cause: .unreadable(level.unknown)))
        }
    }

    /// The requests that ended: from the latency, else from the time in flight; `nil` where no duration is known.
    func ended(_ latency: LatencyEvidence?) -> EndedRequests? {
        if let latency, let mean = latency.meanSeconds {
            return EndedRequests(count: latency.observations ?? 1, meanSeconds: mean)
        }
        guard let before, case .value(.time(let time)) = before.inFlight, let requests = before.requests.value else {
            return nil
        }
        return Self.worked(now, since: time, requests)
    }

    /// The requests that ended since the time in flight and the number of requests were these; `nil` where that isn't known.
    private static func worked(
        _ now: ReplicaScrape,
        since time: CounterSeries,
        _ requests: CounterSeries
    ) -> EndedRequests? {
        guard case .value(.time(let timeNow)) = now.inFlight, let requestsNow = now.requests.value else { return nil }
        let count = growth(requestsNow, requests)
        return count > 0 ? EndedRequests(count: count, meanSeconds: growth(timeNow, time) / count) : nil
    }

    func rate(
        _ signal: SignalKind,
        _ part: KeyPath<ReplicaScrape, SignalValue<CounterSeries>>
    ) -> SignalValue<Double> {
        switch now[keyPath: part] {
        case .missing(let missing): return .missing(missing)
        case .value(let series):
            guard let earlier = before?[keyPath: part].value else { return first(signal) }
            return .value(Self.growth(series, earlier) / seconds)
        }
    }

    func durations() -> SignalValue<LatencyEvidence> {
        switch now.latency {
        case .missing(let missing): return .missing(missing)
        case .value(let durations):
            guard let earlier = before?.latency.value else { return first(.latency) }
            return Self.evidence(durations, since: earlier).map { .value($0) } ?? first(.latency)
        }
    }

    /// By how much the requests in the replica became more, a second; 0 where only averages are known.
    var outstandingGrowth: Double {
        let isApart = now.leavesWaitingOut
        guard let before, let now = Self.outstanding(now, isApart: isApart),
            let earlier = Self.outstanding(before, isApart: isApart)
        else { return 0 }
        return (now - earlier) / seconds
    }

    private static func outstanding(_ scrape: ReplicaScrape, isApart: Bool) -> Double? {
        guard case .value(.now(let inFlight)) = scrape.inFlight else { return nil }
        guard isApart else { return inFlight }
        guard case .value(.now(let waiting)) = scrape.queueLength else { return nil }
        return inFlight + waiting
    }

    private func first<Value>(_ signal: SignalKind) -> SignalValue<Value> {
        .missing(MissingSignal(signal, cause: .firstReading))
    }

    /// What happened in between; `nil` when the server changed how it exports durations.
    private static func evidence(
        _ now: ReplicaScrape.Durations,
        since before: ReplicaScrape.Durations
    ) -> LatencyEvidence? {
        switch (now, before) {
        case (.histograms(let now), .histograms(let before)):
            let parts = now.map { key, histogram in before[key].map { histogram.since($0) } ?? histogram }
            guard let first = parts.first else { return LatencyEvidence(observations: 0) }
            return LatencyEvidence(histogram: parts.dropFirst().reduce(first) { $0.merging($1) })
        case (.summary(let quantiles, let sum, let count), .summary(_, let sumBefore, let countBefore)):
            let ended = growth(count, countBefore)
            let mean = ended > 0 ? growth(sum, sumBefore) / ended : nil
            // The quantiles are over the server's own window, which may reach back behind the interval.
            return LatencyEvidence(quantiles: ended > 0 ? quantiles : [:], mean: mean, observations: ended)
        case (.sums(let sum, let count), .sums(let sumBefore, let countBefore)):
            let ended = growth(count, countBefore)
            return LatencyEvidence(mean: ended > 0 ? growth(sum, sumBefore) / ended : nil, observations: ended)
        case (.histograms, _), (.summary, _), (.sums, _): return nil
        }
    }

    /// The seconds that a request took on average since the server's start: from the latency, else from the time in flight;
    /// `nil` where no duration is known.
    private static func meanSeconds(_ scrape: ReplicaScrape) -> Double? {
        scrape.latency.value.flatMap(meanSeconds) ?? worked(scrape, since: [:], [:])?.meanSeconds
    }

    private static func meanSeconds(_ durations: ReplicaScrape.Durations) -> Double? {
        let start: ReplicaScrape.Durations =
            switch durations {
            case .histograms: .histograms([:])
            case .summary: .summary(quantiles: [:], sum: [:], count: [:])
            case .sums: .sums(sum: [:], count: [:])
            }
        return evidence(durations, since: start)?.meanSeconds
    }

    /// How much a counter grew, over its series.
    private static func growth(_ now: CounterSeries, _ before: CounterSeries) -> Double {
        now.reduce(0) { sum, series in
            guard let earlier = before[series.key], series.value >= earlier else { return sum + series.value }
            return sum + series.value - earlier
        }
    }
}
