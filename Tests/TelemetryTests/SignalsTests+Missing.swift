// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Testing

@testable import Telemetry

/// What a page doesn't have, and what the signal says of it.
extension SignalsTests {
    @Test(
        "what can't be true is missing with its reason, never zero",
        arguments: [
            ("q NaN\n", MissingSignal.Cause.unusable(metric: "q", value: .nan)),
            ("q -1\n", .unusable(metric: "q", value: -1)), ("q +Inf\n", .unusable(metric: "q", value: .infinity)),
            ("q 1 1000\n", .stale(metric: "q", age: .seconds(99))),
            ("q{a=\"1\"} 1\nq{a=\"1\"} 2\n", .contradictory(metric: "q", "a series is there twice")),
            ("# TYPE q gauge\n", .noSeries(metric: "q")), ("other 3\n", .notOnPage(offered: ["other"])),
            ("", .notOnPage(offered: [])),
        ]
    )
    func missingLevels(text: String, cause: MissingSignal.Cause) throws {
        let missing = try #require(try scrape(text, at: 100).queueLength.missing)
        #expect("\(missing.cause)" == "\(cause)")
        #expect(missing.lookedFor == ["q"])
        #expect(missing.description.hasPrefix("no queue length: "))
    }

    @Test(
        "a histogram that contradicts itself is missing",
        arguments: [
            ("d_bucket{le=\"1\"} 5\nd_bucket{le=\"+Inf\"} 4\n", "fewer than the one below"),
            ("d_bucket{le=\"1\"} 5\n", "no bucket for all"),
            ("d_bucket{le=\"x\"} 5\nd_bucket{le=\"+Inf\"} 5\n", "is no number"),
            ("d_bucket{le=\"1\"} -5\nd_bucket{le=\"+Inf\"} 5\n", "counts -5"), ("d_bucket 5\n", "is no number"),
            ("d_bucket{le=\"1\"} NaN\nd_bucket{le=\"+Inf\"} 5\n", "counts NaN"),
            ("d_bucket{le=\"1\"} 5\nd_bucket{le=\"1.0\"} 5\nd_bucket{le=\"+Inf\"} 5\n", "there twice"),
        ]
    )
    func missingHistograms(text: String, reason: String) throws {
        let missing = try #require(try scrape(text, at: 100).latency.missing)
        guard case .contradictory = missing.cause else {
            Issue.record("\(missing)")
            return
        }
        #expect(missing.description.contains(reason))
    }

    @Test("durations with times of long ago are stale, in whatever shape")
    func staleDurations() throws {
        let pages = [
            "d_bucket{le=\"1\"} 5 1000\nd_bucket{le=\"+Inf\"} 5 1000\n",
            "d{quantile=\"0.5\"} 1 1000\nd_sum 5\nd_count 5\n",
        ]
        for page in pages {
            #expect(try scrape(page, at: 31).latency.value != nil)
            let missing = try scrape(page, at: 100).latency.missing
            #expect(missing?.cause == .stale(metric: "d", age: .seconds(99)), "\(page)")
        }
    }

    @Test("where only the counter of what was summed is absent, it is what was looked for")
    func absentCount() throws {
        let mapping = MetricsMapping(latency: [MetricSource("new"), MetricSource("busy", count: "answers")])
        let missing = try #require(try scrape("busy 4\n", at: 1, mapping: mapping).latency.missing)
        #expect(missing.description == "no latency: looked for new, answers; the page offers busy")
    }

    @Test("durations under other labels say which there are, in whatever shape")
    func otherLabels() throws {
        let mapping = MetricsMapping(latency: [MetricSource(MetricSelector("d", labels: ["model": "a"]))])
        let pages = [
            "# TYPE d histogram\nd_bucket{model=\"b\",le=\"+Inf\"} 5\nd_sum{model=\"b\"} 5\nd_count{model=\"b\"} 5\n",
            "# TYPE d summary\nd{model=\"b\",quantile=\"0.5\"} 1\nd_sum{model=\"b\"} 5\nd_count{model=\"b\"} 5\n",
            "d_sum{model=\"a\"} 5\nd_count{model=\"b\"} 5\n",
        ]
        for page in pages {
            let missing = try scrape(page, at: 1, mapping: mapping).latency.missing
            let cause = MissingSignal.Cause.noSuchLabels(metric: "d", labels: ["model": "a"], offered: ["model=\"b\""])
            #expect(missing?.cause == cause, "\(page)")
        }
        let declared = try scrape("# TYPE d summary\n", at: 1, mapping: mapping).latency.missing
        #expect(declared?.cause == .noSeries(metric: "d"))
    }

    @Test("load under labels that nobody chose is missing, not zero, and the message says which labels there are")
    func wrongLabels() throws {
        let labels = ["app": "m", "model": "gone"]
        let mapping = MetricsMapping(
            requests: [MetricSource(MetricSelector("r", labels: labels))],
            successes: [MetricSource(MetricSelector("ok", labels: labels))],
            cpuSeconds: [MetricSource(MetricSelector("cpu", labels: labels))]
        )
        let series = (0..<9).map { number in
            ["r_total", "ok", "cpu"].map { "\($0){model=\"m\(number)\",app=\"m\"} \(number)\n" }.joined()
        }
        let scrape = try scrape(series.joined(), at: 1, mapping: mapping)
        let missing = try #require(scrape.requests.missing)
        #expect(
            missing.description == "no request rate: r has no series with {app=\"m\",model=\"gone\"}; the page offers "
                + (0..<6).map { "{app=\"m\",model=\"m\($0)\"}" }.joined(separator: ", ") + " and 3 more"
        )
        #expect(scrape.errors.value == nil)
        #expect(scrape.cpuSeconds.missing?.description.hasPrefix("no CPU usage: cpu has no series with") == true)
        let successes = MetricsMapping(successes: mapping.successes, errors: [MetricSource("bad")])
        let other = try self.scrape(series.joined() + "bad 3\n", at: 1, mapping: successes)
        #expect(other.requests.missing?.description.hasPrefix("no request rate: ok has no series with") == true)
        // Declared and not counted yet, it is at zero.
        #expect(try self.scrape("# TYPE r counter\n", at: 1, mapping: mapping).requests.value == [:])
    }
}
