// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Scaling
import Synchronization
import Testing

@testable import Telemetry

@Suite("Signals")
struct SignalsTests {
    private static let mapping = MetricsMapping(
        queueLength: MetricSelector("q"),
        inFlight: MetricSelector("f"),
        latency: MetricSelector("d"),
        requests: MetricSelector("r_total")
    )

    private func scrape(_ text: String, at second: Double) throws -> ReplicaScrape {
        ReplicaScrape(
            page: try PrometheusText.parse(Array(text.utf8)),
            mapping: Self.mapping,
            time: WallTime(seconds: second)
        )
    }

    private func page(queue: Int, fast: Int, slow: Int, errors: Int = 0) -> String {
        """
        q \(queue)
        f 1
        d_bucket{le="0.1"} \(fast)
        d_bucket{le="0.2"} \(fast + slow)
        d_bucket{le="+Inf"} \(fast + slow)
        r_total{code="200"} \(fast + slow - errors)
        r_total{code="503"} \(errors)

        """
    }

    @Test("rates and percentiles come from the difference of two scrapes")
    func difference() throws {
        let first = try scrape(page(queue: 3, fast: 1000, slow: 0), at: 100)
        let second = try scrape(page(queue: 5, fast: 1080, slow: 20, errors: 10), at: 110)
        let signals = ReplicaSignals(second, since: first)
        #expect(signals.queueLength == 5)
        #expect(signals.requestRate == 10)
        #expect(signals.errorRate == 1)
        let latency = try #require(signals.latency)
        #expect(latency.total == 100)
        #expect(abs((latency.percentile(95) ?? 0) - 0.175) < 1e-9)
        #expect(ReplicaSignals(first, since: nil).requestRate == nil)
    }

    @Test("a counter that fell was reset: what it counts happened since")
    func reset() throws {
        let first = try scrape(page(queue: 0, fast: 1000, slow: 0), at: 100)
        let second = try scrape(page(queue: 0, fast: 30, slow: 0), at: 110)
        let signals = ReplicaSignals(second, since: first)
        #expect(signals.requestRate == 3)
        #expect(signals.latency?.total == 30)
    }

    @Test("NaN and missing metrics are missing, not zero")
    func missing() throws {
        let scrape = try scrape("q NaN\nother 3\n", at: 1)
        #expect(scrape.queueLength == nil)
        #expect(scrape.inFlight == nil)
        #expect(scrape.requests == nil)
    }

    @Test("a track sums its replicas, and says which are missing and why")
    func folds() throws {
        let now = WallTime(seconds: 200)
        let fresh = ReplicaSignals(try scrape(page(queue: 4, fast: 10, slow: 0), at: 199), since: nil)
        let old = ReplicaSignals(try scrape(page(queue: 9, fast: 10, slow: 0), at: 100), since: nil)
        let track = TrackSignals(
            parts: ["a": .reported(fresh), "b": .reported(old), "c": .missing("no answer")],
            now: now,
            staleAfter: .seconds(30)
        )
        #expect(track.readings[.queueLength] == SignalReading(total: 4, reporting: 1, age: .seconds(1)))
        #expect(track.missing.map(\.pod) == ["b", "c"])
        #expect(track.missing.first?.reason == "the last metrics are 100 s old")
        #expect(track.latencyReading(percentile: 95) == nil)
    }

    @Test("histograms of several replicas merge, and percentiles stay within the bounds")
    func merges() {
        let one = LatencyHistogram(buckets: [(0.1, 90), (1, 100), (.infinity, 100)])
        let two = LatencyHistogram(buckets: [(0.1, 0), (1, 0), (.infinity, 100)])
        let both = one.merging(two)
        #expect(both.total == 200)
        #expect(both.percentile(99) == 1)
        #expect(both.percentile(45) == 0.1)
        #expect(LatencyHistogram(buckets: []).percentile(50) == nil)
    }

    @Test("scrapes all targets with a bound on how many at a time", .timeLimit(.minutes(1)))
    func scrapes() async {
        let running = Mutex((now: 0, most: 0))
        let text = page(queue: 2, fast: 1, slow: 0)
        let exchange = ClosureExchange { request in
            running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await Task.yield()
            running.withLock { $0.now -= 1 }
            if request.head.authority == "p3:1" { return HTTPResponseMessage(status: .serviceUnavailable, text: "no") }
            if request.head.authority == "p4:1" { return HTTPResponseMessage(status: .ok, text: "broken") }
            return HTTPResponseMessage(status: .ok, text: text)
        }
        let scraper = Scraper(exchange: exchange, time: SystemTime(), concurrency: 3, timeout: .seconds(20))
        let targets = (0..<10).map { ScrapeTarget(pod: "p\($0)", authority: "p\($0):1") }
        let results = await scraper.scrape(targets, mapping: Self.mapping)
        #expect(results.count == 10)
        #expect(results["p3"] == .failed("/metrics answered status 503"))
        guard case .failed(let reason) = results["p4"] else {
            Issue.record("a malformed page must fail")
            return
        }
        #expect(reason.contains("line 1"))
        #expect(running.withLock { $0.most } <= 3)
    }

    @Test("a server that doesn't answer is given up after the time limit", .timeLimit(.minutes(1)))
    func timesOut() async {
        let time = ManualTime()
        let exchange = ClosureExchange { _ in
            try await time.sleep(for: .seconds(1000))
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let scraper = Scraper(exchange: exchange, time: time, timeout: .seconds(1))
        async let result = scraper.scrape(ScrapeTarget(pod: "p", authority: "p:1"), mapping: Self.mapping)
        while time.sleeperCount < 2 { await Task.yield() }
        time.advance(by: .seconds(1))
        #expect(await result == .failed("no answer within 1.0 s"))
    }
}
