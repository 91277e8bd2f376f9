// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeTesting
import Synchronization
import Testing

@testable import Telemetry

@Suite("Levels from counters of time")
struct TimedLevelTests {
    private static let mapping = MetricsMapping(
        queueLength: [MetricSource("waited", kind: .time)],
        inFlight: [MetricSource("busy", kind: .time)],
        latency: [MetricSource("busy", count: "n")],
        requests: [MetricSource("n")]
    )

    /// A replica's counters at one time.
    private struct Page {
        var second: Double
        var busy: Double
        var requests: Int
        var waited = 0.0
    }

    /// The signals at each page but the first.
    private func signals(_ pages: [Page]) throws -> [ReplicaSignals] {
        var levels = TimedLevels()
        var before: ReplicaScrape?
        var all: [ReplicaSignals] = []
        for page in pages {
            let text = "busy \(page.busy)\nwaited \(page.waited)\nn \(page.requests)\n"
            let scrape = ReplicaScrape(
                page: try ExpositionParser.parse(Array(text.utf8), selection: Self.mapping.selection),
                mapping: Self.mapping,
                time: WallTime(seconds: page.second)
            )
            let signals = ReplicaSignals(scrape, since: before, levels: levels)
            (before, levels) = (scrape, signals.levels)
            all.append(signals)
        }
        return Array(all.dropFirst())
    }

    @Test("one request of a minute after the other is one in flight at every look, not none and then six")
    func longRequests() throws {
        let pages = (0...19).map { step in
            let ended = step / 6
            return Page(second: Double(step) * 10, busy: 600 + Double(ended) * 60, requests: 10 + ended)
        }
        let levels = try signals(pages).map(\.inFlight.value)
        // Unknown until the first has ended.
        #expect(levels.prefix(5).allSatisfy { $0 == nil })
        #expect(levels.dropFirst(5) == Array(repeating: 1, count: 14)[...])
    }

    @Test("a level is kept for three times the mean, and at least for one interval more; then it is 0")
    func keeps() throws {
        let long = (1...14).map { Page(second: Double($0) * 10, busy: 60, requests: 2) }
        let kept = try signals([Page(second: 0, busy: 0, requests: 0)] + long).map(\.inFlight.value)
        // Two requests of 30 s on average: 90 s from the page at 10 s on.
        #expect(kept == Array(repeating: 6, count: 10) + Array(repeating: 0, count: 4))
        let short = (1...4).map { Page(second: Double($0) * 10, busy: 20, requests: 2000) }
        #expect(try signals([Page(second: 0, busy: 0, requests: 0)] + short).map(\.inFlight.value) == [2, 2, 0, 0])
    }

    @Test("no claim of a server keeps a level for more than a quarter of an hour")
    func bounded() throws {
        let pages = (1...100).map { Page(second: Double($0) * 10, busy: 1e9, requests: 1) }
        let values = try signals([Page(second: 0, busy: 0, requests: 0)] + pages).map(\.inFlight.value)
        #expect(values[90] == 1e8)
        #expect(values[91] == 0)
    }

    @Test("requests after an idle hour are averaged over the time that they took, not over the hour")
    func afterIdleness() throws {
        let found = try signals([
            Page(second: 0, busy: 0, requests: 0), Page(second: 10, busy: 10, requests: 10),
            Page(second: 3600, busy: 10, requests: 10), Page(second: 3610, busy: 15, requests: 11),
            Page(second: 7200, busy: 15, requests: 11), Page(second: 7210, busy: 255, requests: 15),
        ])
        #expect(found.map(\.inFlight.value) == [1, 1, 0.5, 0.5, 4])
    }

    @Test("before a request was seen to end the level is unknown for as long as they take, not 0")
    func unknown() throws {
        let pages = (0...7).map { Page(second: Double($0) * 10, busy: 4000, requests: 200) }
        let found = try signals(pages)
        #expect(found.map(\.inFlight.value) == [nil, nil, nil, nil, nil, nil, 0])
        let text = "no requests in flight: no request has ended since the first page, and one takes 20 s on average"
        #expect(found[0].inFlight.missing?.description == text)
        // A server that has just started knows nothing of its requests.
        #expect(try signals((0...1).map { Page(second: Double($0) * 10, busy: 0, requests: 0) })[0].inFlight.value == 0)
    }

    @Test("the queue is empty when requests ended that hadn't waited, and kept when none ended")
    func queue() throws {
        let found = try signals([
            Page(second: 0, busy: 0, requests: 0), Page(second: 10, busy: 40, requests: 2, waited: 20),
            Page(second: 20, busy: 40, requests: 2, waited: 20), Page(second: 30, busy: 80, requests: 4, waited: 20),
            Page(second: 40, busy: 80, requests: 4, waited: 20),
        ])
        #expect(found.map(\.queueLength.value) == [2, 2, 0, 0])
    }

    @Test("the board remembers the level, also over a scrape that failed", .timeLimit(.minutes(5)))
    func board() async throws {
        let time = ManualTime()
        let turn = Mutex(0)
        let exchange = ClosureExchange { _ in
            let number = turn.withLock { turn in
                turn += 1
                return turn
            }
            if number == 3 { return HTTPResponseMessage(status: .internalServerError, text: "") }
            return HTTPResponseMessage(status: .ok, text: "busy \(number == 1 ? 0 : 60)\nn \(number == 1 ? 0 : 2)\n")
        }
        let board = ScrapeBoard(
            scraper: Scraper(exchange: exchange, time: time),
            time: time,
            random: SeededRandom(seed: 1)
        )
        let target = ScrapeTarget(pod: "a", authority: "a:1")
        board.watch("m", targets: [target], mapping: Self.mapping, interval: .seconds(2))
        await withTaskGroup { group in
            group.addTask { await board.run() }
            while board.counts.scraped < 3, !Task.isCancelled {
                time.advance(by: .milliseconds(50))
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
        #expect(board.counts.failed == 1)
        guard case .reported(let signals)? = board.parts(of: "m")["a"] else {
            Issue.record("the replica was not read")
            return
        }
        #expect(signals.inFlight.value.map { abs($0 - 30) < 1 } == true)
    }
}
