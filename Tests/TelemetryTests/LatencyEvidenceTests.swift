// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Telemetry

#if canImport(Glibc)
    import func Glibc.exp
    import func Glibc.log
#elseif canImport(Musl)
    import func Musl.exp
    import func Musl.log
#endif

@Suite("What servers tell of durations without a histogram")
struct LatencyEvidenceTests {
    /// Half of the requests took a second or less, 95 % two, and none is known beyond.
    private static let summary = LatencyEvidence(quantiles: [0.5: 1, 0.95: 2], mean: 1, observations: 40)

    private static func isClose(_ left: Double?, _ right: Double) -> Bool {
        left.map { abs($0 - right) < 1e-9 } ?? false
    }

    @Test("a percentile is the next quantile of a summary, and beyond the last what the mean gives")
    func percentiles() {
        #expect([10, 50, 51, 95].map { Self.summary.percentile($0) } == [1, 1, 2, 2])
        #expect(Self.isClose(Self.summary.percentile(99), log(100)))
        #expect([95, 95.1].map { Self.summary.isEstimate($0) } == [false, true])
        #expect([0, 100].map { Self.summary.percentile($0) } == [nil, nil])
        #expect(LatencyEvidence(quantiles: [0.5: 1], observations: 0).percentile(50) == nil, "of no request")
        #expect(LatencyEvidence(quantiles: [0.5: 1]).percentile(99) == nil, "without a mean")
    }

    @Test("the late are those beyond the highest quantile that keeps below, and fewer and fewer the longer it takes")
    func late() {
        #expect(Self.isClose(Self.summary.lateShare(above: 2), 0.05))
        #expect(Self.isClose(Self.summary.lateShare(above: 4), 0.05 * 0.05))
        #expect(Self.isClose(Self.summary.lateShare(above: 1.5), exp(1.5 * log(0.5))))
        #expect(Self.isClose(Self.summary.lateShare(above: 0.5), exp(0.5 * log(0.5))))
        #expect(LatencyEvidence(quantiles: [0.5: 0]).lateShare(above: 1) == 0)
        #expect(Self.isClose(LatencyEvidence(mean: 2, observations: 10).lateShare(above: 2), exp(-1)))
        #expect(LatencyEvidence(mean: 0).lateShare(above: 2) == 0)
        #expect(LatencyEvidence(mean: 2, observations: 0).lateShare(above: 2) == nil)
        #expect(LatencyEvidence().lateShare(above: 2) == nil)
    }

    @Test("a histogram tells the late by itself, as far as it reaches")
    func histogram() {
        let buckets = LatencyHistogram(buckets: [(1, 10), (3, 30), (.infinity, 40)])
        let evidence = LatencyEvidence(histogram: buckets, quantiles: [0.5: 9], mean: 9)
        #expect(evidence.total == 40 && evidence.lateShare(above: 1) == 0.75 && evidence.lateShare(above: 3) == 0.25)
        #expect(evidence.lateShare(above: 4) == nil)
        #expect(!evidence.isEstimate(99))
    }

    @Test("of replicas together the largest quantile counts, and the mean of all their requests")
    func merging() {
        let slow = LatencyEvidence(quantiles: [0.95: 3], mean: 2, observations: 10)
        for both in [Self.summary.merging(slow), slow.merging(Self.summary)] {
            #expect(both.quantiles == [0.5: 1, 0.95: 3] && both.total == 50 && both.mean == 1.2)
        }
        let idle = LatencyEvidence(mean: 7, observations: 0)
        #expect(Self.summary.merging(idle).mean == 1 && Self.summary.merging(idle).total == 40)
        #expect(idle.merging(LatencyEvidence(mean: 8, observations: 0)).mean == 8)
        // Where servers don't say how many requests a mean is of, each counts alike.
        #expect(LatencyEvidence(mean: 1).merging(LatencyEvidence(mean: 2)).mean == 1.5)
        #expect(LatencyEvidence().merging(Self.summary) == Self.summary)
        #expect(Self.summary.merging(LatencyEvidence()) == Self.summary)

        let histogram = LatencyEvidence(histogram: LatencyHistogram(buckets: [(1, 1), (.infinity, 2)]))
        #expect(histogram.merging(histogram).histogram?.total == 4)
        #expect(Self.summary.merging(histogram).histogram == histogram.histogram)
        #expect(histogram.merging(Self.summary).histogram == histogram.histogram)
    }
}
