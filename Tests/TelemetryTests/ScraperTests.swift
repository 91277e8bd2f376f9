// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Synchronization
import Testing

@testable import Telemetry

@Suite("Scraper")
struct ScraperTests {
    private static let mapping = MetricsMapping(queueLength: [MetricSource("q")])

    /// A pod that answers one page.
    private struct Page: HTTPExchange {
        var status: HTTPResponse.Status = .ok
        var type = "text/plain; version=0.0.4"
        var text = "q 2\n"

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            HTTPResponseMessage(status: status, contentType: type, bytes: Array(text.utf8))
        }
    }

    private func result(_ exchange: any HTTPExchange, limits: ExpositionLimits = ExpositionLimits()) async
        -> ScrapeResult
    {
        await Scraper(exchange: exchange, time: SystemTime(), timeout: .seconds(20), limits: limits)
            .scrape(ScrapeTarget(pod: "p", authority: "p:1"), mapping: Self.mapping)
    }

    @Test("scrapes all targets with a bound on how many at a time", .timeLimit(.minutes(5)))
    func scrapes() async {
        let running = Mutex((now: 0, most: 0))
        let exchange = ClosureExchange { request in
            running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await Task.yield()
            running.withLock { $0.now -= 1 }
            if request.head.authority == "p3:1" { return HTTPResponseMessage(status: .serviceUnavailable, text: "no") }
            if request.head.authority == "p4:1" { return HTTPResponseMessage(status: .ok, text: "broken") }
            return HTTPResponseMessage(status: .ok, text: "q 2\n")
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

    @Test("a server that doesn't answer is given up after the time limit", .timeLimit(.minutes(5)))
    func timesOut() async {
        let time = ManualTime()
        let exchange = ClosureExchange { _ in
            try await time.sleep(for: .seconds(1000))
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let scraper = Scraper(exchange: exchange, time: time, timeout: .seconds(1))
        async let result = scraper.scrape(ScrapeTarget(pod: "p", authority: "p:1"), mapping: Self.mapping)
        while time.sleeperCount < 2, !Task.isCancelled { await Task.yield() }
        time.advance(by: .seconds(1))
        #expect(await result == .failed("no answer within 1.0 s"))
    }

    @Test("asks as Prometheus does, and reads the page in the format that the answer names", .timeLimit(.minutes(5)))
    func negotiates() async {
        let fields = Mutex(HTTPFields())
        let exchange = ClosureExchange { request in
            fields.withLock { $0 = request.head.headerFields }
            return try await Page(type: "application/openmetrics-text; version=1.0.0", text: "q 2\n# EOF\n").exchange(
                request
            )
        }
        guard case .scraped(let scrape) = await result(exchange) else {
            Issue.record("an OpenMetrics page must be read")
            return
        }
        #expect(scrape.queueLength.value == .now(2))
        let accept = fields.withLock { $0[.accept] } ?? ""
        #expect(accept.hasPrefix("application/openmetrics-text;version=1.0.0"))
        #expect(accept.contains("text/plain;version=0.0.4"))
    }

    @Test(
        "an OpenMetrics page that was cut off, a page of HTML and a page that is too large fail with reasons",
        .timeLimit(.minutes(5))
    )
    func refuses() async {
        let cases: [(Page, ExpositionLimits, String)] = [
            (Page(type: "application/openmetrics-text", text: "q 2\n"), ExpositionLimits(), "does not end with # EOF"),
            (Page(type: "text/html; charset=utf-8", text: "<html>"), ExpositionLimits(), "content type is text/html"),
            (Page(text: String(repeating: "q 2\n", count: 30)), ExpositionLimits(bytes: 100), "larger than the limit"),
        ]
        for (page, limits, words) in cases {
            guard case .failed(let reason) = await result(page, limits: limits) else {
                Issue.record("\(words): must fail")
                continue
            }
            #expect(reason.contains(words), "\(reason)")
        }
    }
}
