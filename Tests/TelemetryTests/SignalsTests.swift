// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Testing

@testable import Telemetry

@Suite("Signals")
struct SignalsTests {
    static let mapping = MetricsMapping(
        queueLength: [MetricSource("q")],
        inFlight: [MetricSource("f")],
        latency: [MetricSource("d")],
        requests: [MetricSource("r")]
    )

    func scrape(
        _ text: String,
        at second: Double,
        mapping: MetricsMapping = Self.mapping
    ) throws -> ReplicaScrape {
        ReplicaScrape(
            page: try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection),
            mapping: mapping,
            time: WallTime(seconds: second)
        )
    }

    /// The signals ten seconds after an earlier page.
    func signals(_ before: String, _ now: String, _ mapping: MetricsMapping = Self.mapping) throws
        -> ReplicaSignals
    {
        ReplicaSignals(try scrape(now, at: 110, mapping: mapping), since: try scrape(before, at: 100, mapping: mapping))
    }

    func page(queue: Int, fast: Int, slow: Int, errors: Int = 0) -> String {
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

    @Test("where fewer are in flight than wait, those that wait are left out of them, whatever the mapping says")
    func fewerThanWait() throws {
        func signals(_ before: (queue: Int, all: Int), _ now: (queue: Int, all: Int)) throws -> ReplicaSignals {
            try self.signals(
                "q \(before.queue)\nf \(before.all)\nr_total 0\n",
                "q \(now.queue)\nf \(now.all)\nr_total 100\n"
            )
        }
        let whole = try signals((2, 6), (12, 16))
        #expect(whole.running == 4 && whole.arrivalRate == 11)
        let apart = try signals((2, 4), (12, 4))
        #expect(apart.running == 4 && apart.arrivalRate == 11)
    }

    @Test("a request's time has its wait in it: where nobody says what is in work, those that wait are taken off")
    func littlesLawOfAQueue() throws {
        let before = "q 6\nd_sum 0\nd_count 0\nd_bucket{le=\"+Inf\"} 0\nr_total 0\n"
        let now = "q 6\nd_sum 200\nd_count 100\nd_bucket{le=\"+Inf\"} 100\nr_total 100\n"
        let parts = ["a": TrackSignals.Part.reported(try signals(before, now))]
        let track = TrackSignals(parts: parts, now: WallTime(seconds: 110), staleAfter: .seconds(30))
        let objective = LatencyObjective(percentile: 95, milliseconds: 3000)
        let traffic = try #require(track.traffic(seconds: 10, objective: objective))
        #expect(traffic.running == 14, "10 a second of 2 s each are 20, of which 6 wait")
        #expect(traffic.meanSeconds == 2 && traffic.isQueueKnown)
    }

    @Test("rates and percentiles come from the difference of two scrapes")
    func difference() throws {
        let first = try scrape(page(queue: 3, fast: 1000, slow: 0), at: 100)
        let second = try scrape(page(queue: 5, fast: 1080, slow: 20, errors: 10), at: 110)
        let signals = ReplicaSignals(second, since: first)
        #expect(signals.queueLength.value == 5)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 1)
        let latency = try #require(signals.latency.value)
        #expect(latency.total == 100)
        #expect(abs((latency.percentile(95) ?? 0) - 0.175) < 1e-9)
        #expect(!latency.isEstimate(95))
        let alone = ReplicaSignals(first, since: nil)
        #expect(alone.requestRate.missing?.cause == .firstReading)
        #expect(alone.latency.missing?.cause == .firstReading)
        #expect(alone.queueLength.value == 3)
    }

    @Test("a series that fell was reset, and a new one began since: what they count happened since")
    func reset() throws {
        let signals = try signals(page(queue: 0, fast: 1000, slow: 0), page(queue: 0, fast: 30, slow: 0))
        #expect(signals.requestRate.value == 3)
        #expect(signals.latency.value?.total == 30)
        // Only one series is reset: the other's growth stays what it is.
        let mapping = MetricsMapping(requests: [MetricSource("r")])
        let two = try self.signals(
            "r{m=\"a\"} 100\nr{m=\"b\"} 50\n",
            "r{m=\"a\"} 110\nr{m=\"b\"} 5\nr{m=\"c\"} 5\n",
            mapping
        )
        #expect(two.requestRate.value == 2)
    }

    @Test("a series is its set of labels: in another order it is the same one")
    func labelOrder() throws {
        func page(_ labels: String..., count: Int) -> String {
            labels.map { labels in
                """
                r{\(labels)} \(count)
                d_bucket{\(labels),le="1"} \(count)
                d_bucket{le="+Inf",\(labels)} \(count)

                """
            }
            .joined()
        }
        let (one, other) = (#"code="200",method="POST",path="/a""#, #"path="/a",method="POST",code="200""#)
        let signals = try signals(page(one, count: 1_000_000), page(other, count: 1_000_010))
        #expect(signals.requestRate.value == 1)
        #expect(signals.latency.value?.total == 10)
        let twice = try scrape(page(one, other, count: 5), at: 100)
        #expect(twice.requests.missing?.description.contains("a series is there twice") == true)
        #expect(twice.latency.missing?.description.contains("there twice") == true)
        // The same values under each other's names are another series.
        let swapped = try self.signals("r{a=\"1\",b=\"2\"} 100\n", "r{a=\"2\",b=\"1\"} 100\n")
        #expect(swapped.requestRate.value == 10)
    }

    @Test("buckets of a series belong together wherever they stand")
    func scatteredBuckets() throws {
        func page(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }
        let together = ["a", "b"].flatMap { model in
            [("1", 3), ("2", 8), ("+Inf", 9)].map { "d_bucket{model=\"\(model)\",le=\"\($0.0)\"} \($0.1)" }
        }
        let scattered = [0, 3, 1, 4, 5, 2].map { together[$0] }
        let (one, other) = (try scrape(page(together), at: 100), try scrape(page(scattered), at: 100))
        guard case .value(.histograms(let series)) = one.latency else { return #expect(Bool(false), "no histograms") }
        #expect(series.count == 2 && series.values.allSatisfy { $0.counts == [3, 8, 9] })
        #expect(other.latency == one.latency)
    }

    @Test("percentiles follow histogram_quantile's rule")
    func quantileRule() {
        func percentile(_ p: Double, _ buckets: [(bound: Double, count: Double)]) -> Double? {
            LatencyHistogram(buckets: buckets).percentile(p)
        }
        // Linear within the bucket; the lowest one starts at 0.
        #expect(percentile(50, [(1, 10), (2, 20), (.infinity, 20)]) == 1)
        #expect(percentile(25, [(1, 10), (2, 20), (.infinity, 20)]) == 0.5)
        #expect(percentile(90, [(1, 10), (2, 20), (.infinity, 20)]) == 1.8)
        // In the infinite bucket: the largest finite bound, which is the least that is certain.
        #expect(percentile(99, [(1, 10), (2, 20), (.infinity, 40)]) == 2)
        let evidence = LatencyEvidence(histogram: LatencyHistogram(buckets: [(1, 10), (2, 20), (.infinity, 40)]))
        #expect(evidence.isLowerBound(99) && evidence.isLowerBound(51) && !evidence.isLowerBound(50))
        #expect(!LatencyEvidence(quantiles: [0.95: 1]).isLowerBound(99))
        // A lowest bound that isn't positive is the answer of its bucket.
        #expect(percentile(10, [(-1, 10), (2, 20), (.infinity, 20)]) == -1)
        // Only the infinite bucket, or no observation: nothing is known.
        #expect(percentile(50, [(.infinity, 20)]) == nil)
        #expect(percentile(50, [(1, 0), (.infinity, 0)]) == nil)
        // An empty bucket in the middle doesn't count.
        #expect(percentile(50, [(1, 5), (2, 5), (3, 10), (.infinity, 10)]) == 1)
    }

    @Test("OpenMetrics declares a counter without its ending _total")
    func declaredByFamily() throws {
        let mapping = MetricsMapping(requests: [MetricSource("x_total")])
        func requests(_ text: String) throws -> SignalValue<CounterSeries> {
            let page = try ExpositionParser.parse(
                Array(text.utf8),
                format: .openMetrics,
                selection: mapping.selection
            )
            return ReplicaScrape(page: page, mapping: mapping, time: WallTime(seconds: 1)).requests
        }
        #expect(try requests("# TYPE x counter\n# EOF\n").value == [:])
        #expect(try requests("# TYPE x counter\nx_total 3\n# EOF\n").value == [SeriesKey([]): 3])
        // A gauge of that name is something else.
        #expect(try requests("# TYPE x gauge\nx 3\n# EOF\n").missing?.cause == .notOnPage(offered: ["x"]))
    }

    @Test("labels select; a declared counter without a series is at zero, a gauge isn't")
    func labelsAndDeclarations() throws {
        let mapping = MetricsMapping(
            queueLength: [MetricSource(MetricSelector("q", labels: ["model": "a"]))],
            requests: [MetricSource("r")],
            errors: [MetricSource(MetricSelector("e", labels: ["class": "5xx"]))]
        )
        let text = "q{model=\"a\"} 1\nq{model=\"b\"} 9\n# TYPE r counter\ne_total{class=\"2xx\"} 7\n"
        let scrape = try scrape(text, at: 1, mapping: mapping)
        #expect(scrape.queueLength.value == .now(1))
        #expect(scrape.requests.value == [:])
        #expect(scrape.errors.value == [:])
        let other = try self.scrape("q{model=\"b\"} 9\n", at: 1, mapping: mapping)
        let cause = MissingSignal.Cause.noSuchLabels(metric: "q", labels: ["model": "a"], offered: ["model=\"b\""])
        #expect(other.queueLength.missing?.cause == cause)
    }

    @Test("the first name on the page counts; one that is there and wrong is not passed over")
    func alternatives() throws {
        let mapping = MetricsMapping(queueLength: [MetricSource("new"), MetricSource("old")])
        #expect(try scrape("old 4\n", at: 1, mapping: mapping).queueLength.value == .now(4))
        #expect(try scrape("old 4\nnew 5\n", at: 1, mapping: mapping).queueLength.value == .now(5))
        #expect(try scrape("old 4\nnew NaN\n", at: 1, mapping: mapping).queueLength.value == nil)
        let missing = try #require(try scrape("queue_new_size 4\nx 1\n", at: 1, mapping: mapping).queueLength.missing)
        #expect(missing.description == "no queue length: looked for new, old; the page offers queue_new_size, x")
    }

    @Test("numbers come from time counters by Little's law")
    func littlesLaw() throws {
        let mapping = MetricsMapping(inFlight: [MetricSource("busy_us", kind: .time, scale: 1e-6)])
        let signals = try signals("busy_us{m=\"a\"} 5000000\n", "busy_us{m=\"a\"} 35000000\n", mapping)
        #expect(abs((signals.inFlight.value ?? 0) - 3) < 1e-9)
    }

    @Test("durations come from summaries and from sums")
    func summaries() throws {
        let summary = MetricsMapping(latency: [MetricSource("s", scale: 1e-3)])
        let before = "s{quantile=\"0.5\"} 100\ns{quantile=\"0.95\"} 400\ns_sum 1000\ns_count 10\n"
        let now = "s{quantile=\"0.5\"} 120\ns{quantile=\"0.95\"} 500\ns_sum 3000\ns_count 20\n"
        let found = try #require(try signals(before, now, summary).latency.value)
        #expect(found.percentile(95) == 0.5)
        #expect(found.mean == 0.2)
        #expect(found.total == 10)
        #expect(found.isEstimate(99))
        let sums = MetricsMapping(latency: [MetricSource("t_us", scale: 1e-6, count: "n")])
        let mean = try #require(try signals("t_us 0\nn 0\n", "t_us 2000000\nn 10\n", sums).latency.value)
        #expect(abs((mean.percentile(95) ?? 0) - 0.2 * 2.9957322735539909) < 1e-12)
        #expect(mean.isEstimate(95))
        #expect(try signals("t_us 5\nn 1\n", "t_us 5\nn 1\n", sums).latency.value?.percentile(95) == nil)
    }

    @Test("any two of requests, successes and errors give the third")
    func counts() throws {
        let good = MetricsMapping(successes: [MetricSource("ok")], errors: [MetricSource("bad")])
        let first = try signals("ok 0\nbad 0\n", "ok 90\nbad 10\n", good)
        #expect(first.requestRate.value == 10)
        #expect(first.errorRate.value == 1)
        let all = MetricsMapping(requests: [MetricSource("all")], successes: [MetricSource("ok")])
        let second = try signals("all 0\nok 0\n", "all 100\nok 90\n", all)
        #expect(second.requestRate.value == 10)
        #expect(second.errorRate.value == 1)
        let wrong = try signals(
            "ok 0\nall 0\n",
            "ok 0\nall 10\nbad 5\n",
            MetricsMapping(requests: [MetricSource("all")], errors: [MetricSource("ok")])
        )
        #expect(wrong.errorRate.value == 0)
    }

    @Test("where the errors are there and can't be right, the sum of successes and errors is unknown")
    func unusableErrors() throws {
        let mapping = MetricsMapping(successes: [MetricSource("ok")], errors: [MetricSource("bad")])
        let missing = try scrape("ok 5\nbad NaN\n", at: 1, mapping: mapping).requests.missing
        #expect(missing?.description == "no request rate: bad is NaN")
        #expect(try scrape("ok 5\n", at: 1, mapping: mapping).requests.value?.values.reduce(0, +) == 5)
    }

    @Test("a track sums its replicas, and says which are missing and why")
    func folds() throws {
        let now = WallTime(seconds: 200)
        let fresh = ReplicaSignals(try scrape(page(queue: 4, fast: 10, slow: 0), at: 199), since: nil)
        let old = ReplicaSignals(try scrape(page(queue: 9, fast: 10, slow: 0), at: 100), since: nil)
        let other = ReplicaSignals(try scrape("x 1\n", at: 199), since: nil)
        let track = TrackSignals(
            parts: ["a": .reported(fresh), "b": .reported(old), "c": .missing("no answer"), "d": .reported(other)],
            now: now,
            staleAfter: .seconds(30)
        )
        #expect(track.readings[.queueLength] == SignalReading(total: 4, reporting: 1, age: .seconds(1)))
        #expect(track.missing.map(\.pod) == ["b", "c"])
        #expect(track.missing.first?.reason == "the last metrics are 100 s old")
        #expect(track.latencyReading(percentile: 95) == nil)
        #expect(track.missingSignals[.queueLength]?.cause == .notOnPage(offered: ["x"]))
        let partial = try #require(track.partial[.queueLength])
        #expect(partial.missing == 3 && partial.total == 4 && partial.largest == 4)
    }

    @Test("in the traffic a replica of which it isn't known what runs there has as much as the others, not nothing")
    func runningOfAll() throws {
        let mapping = MetricsMapping(
            queueLength: [MetricSource("q")],
            inFlight: [MetricSource("busy", kind: .time)],
            latency: [MetricSource("busy", count: "n")],
            requests: [MetricSource("n")],
            inFlightIsRunning: true
        )
        // Requests of a minute, over an operator's first 70 s: in three of ten replicas some ended, four at a time on average.
        var parts: [String: TrackSignals.Part] = [:]
        for replica in 0..<10 {
            let (quiet, busy) = ("q 2\nbusy 6000\nn 100\n", "q 2\nbusy 6280\nn 105\n")
            let before = try scrape(quiet, at: 100, mapping: mapping)
            let now = try scrape(replica < 3 ? busy : quiet, at: 170, mapping: mapping)
            parts["\(replica)"] = .reported(ReplicaSignals(now, since: before))
        }
        let track = TrackSignals(parts: parts, now: WallTime(seconds: 170), staleAfter: .seconds(30))
        #expect(track.running == SignalReading(total: 12, reporting: 3, age: .zero))
        let objective = LatencyObjective(percentile: 95, milliseconds: 1000)
        let traffic = try #require(track.traffic(seconds: 70, objective: objective))
        #expect(track.trafficReporting == 10)
        #expect(traffic.running == 40)
        #expect(traffic.waiting == 20)
    }

    @Test("what is at work is that of replicas with a rate: those that were read once are no slots of the others")
    func runningOfThoseWithRates() throws {
        let page = "q 6\nf 10\nd_sum 0\nd_count 0\nd_bucket{le=\"+Inf\"} 0\nr_total 0\n"
        var parts = ["0": TrackSignals.Part.reported(try signals(page, page))]
        for replica in 1..<7 { parts["\(replica)"] = .reported(ReplicaSignals(try scrape(page, at: 110), since: nil)) }
        let track = TrackSignals(parts: parts, now: WallTime(seconds: 110), staleAfter: .seconds(30))
        let objective = LatencyObjective(percentile: 95, milliseconds: 1000)
        let traffic = try #require(track.traffic(seconds: 10, objective: objective))
        #expect(track.trafficReporting == 1 && traffic.running == 4)
        #expect(traffic.waiting == 42, "all that wait have to be served")
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
}
