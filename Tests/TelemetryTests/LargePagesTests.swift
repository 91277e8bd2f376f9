// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Telemetry

/// Valid pages that are as unhandy as the limits allow. Where work grew with the square of a size, these would take minutes.
@Suite("Large pages", .timeLimit(.minutes(1)))
struct LargePagesTests {
    private static let mapping = MetricsMapping(
        queueLength: [MetricSource("q")],
        inFlight: [MetricSource(MetricSelector("f", labels: ["n": "7"]))],
        latency: [MetricSource("d")]
    )

    private func scrape(_ text: String) throws -> ReplicaScrape {
        let page = try ExpositionParser.parse(Array(text.utf8), selection: Self.mapping.selection)
        return ReplicaScrape(page: page, mapping: Self.mapping, time: WallTime(seconds: 0))
    }

    @Test("two wanted names that alternate over 50,000 series each")
    func alternatingNames() throws {
        let scrape = try scrape((0..<50_000).map { "q{n=\"\($0)\"} 1\nf{n=\"\($0)\"} 2\n" }.joined())
        #expect(scrape.inFlight.value == .now(2))
        let missing = try #require(scrape.queueLength.missing)
        let next = "choose some by labels, or let the server export fewer"
        #expect(missing.description == "no queue length: q has more than 10000 series; \(next)")
    }

    @Test("a histogram of 50,000 buckets, and one of 50,000 series")
    func largeHistograms() throws {
        let buckets = (0..<50_000).map { "d_bucket{le=\"\($0)\"} 1\n" }.joined() + "d_bucket{le=\"+Inf\"} 1\n"
        let tall = try scrape(buckets).latency.missing
        #expect(tall?.cause == .tooMany(metric: "d", what: "buckets in a series", limit: 1000))
        let series = (0..<50_000).map { "d_bucket{n=\"\($0)\",le=\"+Inf\"} 1\n" }.joined()
        let wide = try scrape(series).latency.missing
        #expect(wide?.cause == .tooMany(metric: "d", what: "series", limit: 10_000))
    }

    @Test("merging two histograms of 100,000 bounds, of which they share every third")
    func merging() {
        let one = LatencyHistogram(buckets: (0..<100_000).map { (Double($0) * 3, 1) })
        let two = LatencyHistogram(buckets: (0..<100_000).map { (Double($0), 2) })
        let both = one.merging(two)
        #expect(both.bounds.count == 33_334)
        #expect(both.bounds.last == 99_999)
        #expect(both.counts.allSatisfy { $0 == 3 })
    }
}
