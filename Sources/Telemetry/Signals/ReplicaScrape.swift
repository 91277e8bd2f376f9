// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient

/// What one scrape of one replica showed. A `nil` is missing, which is not zero.
public struct ReplicaScrape: Sendable, Hashable {
    /// When the page arrived.
    public var time: WallTime
    /// Requests that wait.
    public var queueLength: Double?
    /// Requests that were accepted and not yet answered.
    public var inFlight: Double?
    /// Request durations since the server's start.
    public var latency: LatencyHistogram?
    /// Requests since the server's start.
    public var requests: Double?
    /// Requests that ended in an error since the server's start.
    public var errors: Double?

    /// A scrape.
    public init(
        time: WallTime,
        queueLength: Double? = nil,
        inFlight: Double? = nil,
        latency: LatencyHistogram? = nil,
        requests: Double? = nil,
        errors: Double? = nil
    ) {
        self.time = time
        self.queueLength = queueLength
        self.inFlight = inFlight
        self.latency = latency
        self.requests = requests
        self.errors = errors
    }

    /// Picks from a page what `mapping` names; NaN and infinite values count as missing.
    public init(page: PrometheusPage, mapping: MetricsMapping, time: WallTime) {
        self.init(time: time)
        queueLength = Self.sum(page, mapping.queueLength)
        inFlight = Self.sum(page, mapping.inFlight)
        requests = Self.sum(page, mapping.requests)
        if let selector = mapping.requests, requests != nil {
            errors = page.samples.lazy
                .filter { sample in
                    selector.matches(sample)
                        && mapping.errorCodes.contains { sample[label: mapping.codeLabel]?.hasPrefix($0) ?? false }
                }
                .reduce(0.0) { $0 + ($1.value.isFinite ? $1.value : 0) }
        }
        if let selector = mapping.latency {
            let buckets = page.samples.filter { selector.matches($0, suffix: "_bucket") }
                .compactMap { sample -> (bound: Double, count: Double)? in
                    guard let bound = sample[label: "le"].flatMap(PrometheusText.number) else { return nil }
                    return (bound * mapping.latencyScale, sample.value)
                }
            if !buckets.isEmpty { latency = LatencyHistogram(buckets: buckets) }
        }
        // A server that counts requests by code has no series before its first request: the histogram says it started.
        if requests == nil, let latency { requests = latency.total }
    }

    private static func sum(_ page: PrometheusPage, _ selector: MetricSelector?) -> Double? {
        guard let selector else { return nil }
        let values = page.samples.filter { selector.matches($0) }.map(\.value)
        guard !values.isEmpty, values.allSatisfy(\.isFinite) else { return nil }
        return values.reduce(0, +)
    }
}

/// What one replica did between two scrapes.
public struct ReplicaSignals: Sendable, Hashable {
    /// When the later page arrived.
    public var time: WallTime
    /// Requests that wait.
    public var queueLength: Double?
    /// Requests that were accepted and not yet answered.
    public var inFlight: Double?
    /// Requests a second; `nil` before the second scrape.
    public var requestRate: Double?
    /// Errors a second; `nil` before the second scrape.
    public var errorRate: Double?
    /// The durations of the requests that ended in between; `nil` before the second scrape.
    public var latency: LatencyHistogram?

    /// The signals at `scrape`, with rates since `earlier`.
    ///
    /// A counter that fell was reset by a restart: what it counts now happened since.
    public init(_ scrape: ReplicaScrape, since earlier: ReplicaScrape?) {
        time = scrape.time
        queueLength = scrape.queueLength
        inFlight = scrape.inFlight
        guard let earlier, scrape.time > earlier.time else { return }
        let seconds = (scrape.time - earlier.time).inSeconds
        requestRate = Self.growth(scrape.requests, earlier.requests).map { $0 / seconds }
        errorRate = Self.growth(scrape.errors, earlier.errors).map { $0 / seconds }
        if let now = scrape.latency, let before = earlier.latency { latency = now.since(before) }
    }

    private static func growth(_ now: Double?, _ before: Double?) -> Double? {
        guard let now else { return nil }
        guard let before else { return nil }
        return now >= before ? now - before : now
    }
}
