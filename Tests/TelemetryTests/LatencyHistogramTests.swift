// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Telemetry

/// What the SLO policy learns of durations: their mean, and how much they vary.
@Suite("Histograms of durations")
struct LatencyHistogramTests {
    private static let even = LatencyHistogram(buckets: [(1, 10), (3, 20), (.infinity, 20)])

    @Test("the mean is exact where the sum is known, and else from evenly filled buckets")
    func mean() {
        var histogram = Self.even
        #expect(histogram.mean == 1.25)
        histogram.sum = 30
        #expect(histogram.mean == 1.5)
        for sum in [-1.0, .nan, .infinity] {
            histogram.sum = sum
            #expect(histogram.mean == 1.25)
        }
        #expect(LatencyHistogram(buckets: [(1, 0), (.infinity, 4)]).mean == 1, "without an end it is its beginning")
        #expect(LatencyHistogram(buckets: [(1, 0), (.infinity, 0)]).mean == nil)
    }

    @Test("the variation is that of evenly filled buckets, and none of a single request")
    func variation() throws {
        let variation = try #require(Self.even.variation)
        #expect(abs(variation - (7.0 / 3 / (1.25 * 1.25) - 1)) < 1e-9)
        #expect(LatencyHistogram(buckets: [(1, 0), (.infinity, 4)]).variation == 0)
        #expect(LatencyHistogram(buckets: [(1, 2), (.infinity, 2)]).variation != nil)
        #expect(LatencyHistogram(buckets: [(1, 1), (.infinity, 1)]).variation == nil)
    }

    @Test("sums are told apart and put together as the counts are, unless one isn't known")
    func sums() {
        var (earlier, later) = (Self.even, LatencyHistogram(buckets: [(1, 12), (3, 30), (.infinity, 30)]))
        (earlier.sum, later.sum) = (30, 50)
        #expect(later.since(earlier).sum == 20)
        #expect(later.merging(earlier).sum == 80)
        earlier.sum = 60
        #expect(later.since(earlier).sum == nil)
        earlier.sum = nil
        #expect(later.since(earlier).sum == nil && later.merging(earlier).sum == nil)
    }

    @Test("percentiles are above 0 and up to 100")
    func percentiles() {
        #expect([0, 25, 75, 100, 101].map { Self.even.percentile($0) } == [nil, 0.5, 2, 3, nil])
    }
}
