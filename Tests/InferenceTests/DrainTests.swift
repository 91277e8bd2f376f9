// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Inference
@testable import InferenceHTTP

@Suite("When a drain is over")
struct DrainTests {
    private let rule = DrainRule(least: .seconds(2), quiet: .seconds(1), most: .seconds(25))

    private func verdict(_ elapsed: Double, open: Int = 0, calm: Double? = nil, p99: Double? = nil)
        -> DrainRule.Verdict
    {
        rule.verdict(elapsed: .seconds(elapsed), open: open, sinceArrival: calm.map { .seconds($0) }, p99: p99)
    }

    @Test("it lasts for its least time, whatever happens or doesn't")
    func least() {
        #expect(verdict(0) == .wait)
        #expect(verdict(1.9, calm: 100) == .wait)
        #expect(verdict(2) == .drained)
        #expect(verdict(2, calm: 100) == .drained)
    }

    @Test("then until nothing is open and nothing came for a moment")
    func quiet() {
        #expect(verdict(3, open: 1, calm: 3) == .wait)
        #expect(verdict(3, calm: 0.9) == .wait)
        #expect(verdict(3, calm: 1) == .drained)
        #expect(verdict(20, open: 3, calm: 0.1, p99: 0.01) == .wait, "requests still come")
    }

    @Test("a request that takes ten times the p99, and ten seconds at least, is stuck once no other comes")
    func stuck() {
        #expect(verdict(9.9, open: 1, calm: 60, p99: 0.1) == .wait)
        #expect(verdict(10, open: 1, calm: 60, p99: 0.1) == .givenUp)
        #expect(verdict(19.9, open: 1, calm: 19.9, p99: 2) == .wait)
        #expect(verdict(20, open: 1, calm: 20, p99: 2) == .givenUp)
        #expect(verdict(24, open: 1, calm: 24, p99: nil) == .wait, "nobody knows how long requests take")
        #expect(verdict(24, open: 1, calm: 24, p99: .infinity) == .wait)
    }

    @Test("nothing outlasts the end")
    func most() {
        #expect(verdict(25, open: 1, calm: 0, p99: 100) == .givenUp)
        #expect(verdict(25, calm: 0) == .givenUp)
        #expect(verdict(25, calm: 2) == .drained)
        #expect(DrainRule(least: .seconds(9), most: .seconds(3)).most == .seconds(9))
    }

    @Test("the server's numbers: a request is open from its arrival to its answer, the p99 is a bucket's bound")
    func numbers() {
        let metrics = ServerMetrics(model: ServedModel(name: "m", version: "1"))
        let start = WallTime(seconds: 1000)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(2)) == .drained)
        for _ in 0..<99 {
            metrics.requestBegan(at: start)
            metrics.requestEnded(code: 200, duration: .milliseconds(15))
        }
        metrics.requestBegan(at: start + .seconds(1))
        #expect(metrics.openRequests == 1)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(24)) == .wait, "too few for a p99")
        metrics.requestBegan(at: start)
        metrics.requestEnded(code: 200, duration: .milliseconds(15))
        #expect(metrics.drain(rule, since: start, now: start + .seconds(9)) == .wait)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(10)) == .givenUp)
        metrics.requestEnded(code: 200, duration: .seconds(3))
        #expect(metrics.openRequests == 0)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(5)) == .drained)
    }

    @Test("an answer that isn't sent yet is open, whatever the counters of predictions say")
    func unsent() {
        let metrics = ServerMetrics(model: ServedModel(name: "m", version: "1"))
        let start = WallTime(seconds: 1000)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(3), unsent: 1) == .wait)
        #expect(metrics.drain(rule, since: start, now: start + .seconds(3), unsent: 0) == .drained)
    }

    @Test("what was refused without asking the model is no latency of it")
    func refusals() {
        let metrics = ServerMetrics(model: ServedModel(name: "m", version: "1"))
        for code in [200, 400, 404, 408, 413, 415, 429, 499, 500, 503, 504] {
            metrics.requestBegan(at: WallTime(seconds: 1000))
            metrics.requestEnded(code: code, duration: .seconds(1))
        }
        let page = metrics.page()
        #expect(page.contains("modelfleet_request_duration_seconds_count{model=\"m\",version=\"1\"} 3\n"))
        #expect(page.contains("modelfleet_requests_total{model=\"m\",version=\"1\",code=\"429\"} 1\n"))
        #expect(metrics.openRequests == 0)
    }

    @Test("a quantile is the bound under which the share lies")
    func quantile() {
        var histogram = Histogram(bounds: [1, 2, 4])
        #expect(histogram.quantile(0.99) == nil)
        for value in [0.5, 0.5, 1.5] { histogram.observe(value) }
        #expect(histogram.quantile(0.5) == 1)
        #expect(histogram.quantile(0.99) == 2)
        histogram.observe(9)
        #expect(histogram.quantile(0.99) == .infinity)
    }
}
