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
    private func signals(_ pages: [Page], mapping: MetricsMapping = Self.mapping) throws -> [ReplicaSignals] {
        var levels = TimedLevels()
        var before: ReplicaScrape?
        var all: [ReplicaSignals] = []
        for page in pages {
            let text = "busy \(page.busy)\nwaited \(page.waited)\nn \(page.requests)\n"
            let scrape = ReplicaScrape(
                page: try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection),
                mapping: mapping,
                time: WallTime(seconds: page.second)
            )
            let signals = ReplicaSignals(scrape, since: before, levels: levels)
            (before, levels) = (scrape, signals.levels)
            all.append(signals)
        }
        return Array(all.dropFirst())
    }

    private static func isClose(_ values: [Double?], _ expected: [Double?]) -> Bool {
        values.count == expected.count
            && zip(values, expected).allSatisfy { pair in
                guard let value = pair.0, let wanted = pair.1 else { return pair.0 == nil && pair.1 == nil }
                return abs(value - wanted) < 1e-6
            }
    }

    @Test("one request of a minute after the other is one in flight at every look, not none and then six")
    func longRequests() throws {
        let pages = (0...30).map { step in
            let ended = step / 6
            return Page(second: Double(step) * 10, busy: 600 + Double(ended) * 60, requests: 10 + ended)
        }
        let levels = try signals(pages).map(\.inFlight.value)
        // Unknown until the first has ended, which is after a minute; the window is full after three.
        #expect(levels.prefix(5).allSatisfy { $0 == nil })
        #expect(levels[5..<17].allSatisfy { $0.map { $0 > 0.5 && $0 <= 1 } == true })
        #expect(levels.dropFirst(17) == Array(repeating: 1, count: 13)[...])
    }

    @Test("a level is an average over three times the mean; it is unknown before one mean was seen")
    func window() throws {
        let long = (1...11).map { Page(second: Double($0) * 10, busy: 60, requests: 2) }
        let found = try signals([Page(second: 0, busy: 0, requests: 0)] + long)
        // Two requests of 30 s on average: most that ran had begun before the first page.
        let seen = [nil, nil, 60.0 / 30, 60.0 / 40, 60.0 / 50, 60.0 / 60, 60.0 / 70, 60.0 / 80, 60.0 / 90, 0, 0]
        #expect(Self.isClose(found.map(\.inFlight.value), seen))
        let text = "no requests in flight: seen for less time than a request takes, 30 s on average"
        #expect(found[0].inFlight.missing?.description == text)
        let short = (1...4).map { Page(second: Double($0) * 10, busy: 20, requests: 2000) }
        #expect(try signals([Page(second: 0, busy: 0, requests: 0)] + short).map(\.inFlight.value) == [2, 0, 0, 0])
    }

    @Test("no claim of a server makes a level count for more than a quarter of an hour")
    func bounded() throws {
        let pages = (1...100).map { Page(second: Double($0) * 10, busy: 1e9, requests: 1) }
        let found = try signals([Page(second: 0, busy: 0, requests: 0)] + pages)
        let values = found.map(\.inFlight.value)
        #expect(values[88] == nil)
        let text = "no requests in flight: seen for less time than a request takes, 900 s or more on average"
        #expect(found[88].inFlight.missing?.description == text)
        #expect(Self.isClose(Array(values[89...91]), [1e9 / 900, 0, 0]))
    }

    @Test("nor does a gap between two pages: what ended an hour ago is no level of now")
    func afterGap() throws {
        let found = try signals([
            Page(second: 0, busy: 0, requests: 0), Page(second: 10, busy: 10, requests: 10),
            Page(second: 3600, busy: 10, requests: 10), Page(second: 3610, busy: 15, requests: 11),
        ])
        #expect(Self.isClose(found.map(\.inFlight.value), [1, 0, 0.5]))
        // What isn't known doesn't become known by a gap that is shorter than the window.
        let unknown = try signals([
            Page(second: 0, busy: 4000, requests: 20), Page(second: 10, busy: 4000, requests: 20),
            Page(second: 550, busy: 4000, requests: 20), Page(second: 650, busy: 4000, requests: 20),
        ])
        #expect(unknown.map(\.inFlight.value) == [nil, nil, 0])
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

    @Test("how long they take is also known from the time in flight, where no latency is mapped")
    func unknownWithoutLatency() throws {
        let (waited, busy) = (MetricSource("waited", kind: .time), MetricSource("busy", kind: .time))
        let mapping = MetricsMapping(queueLength: [waited], inFlight: [busy], requests: [MetricSource("n")])
        let pages = (0...7).map { Page(second: Double($0) * 10, busy: 4000, requests: 200) }
        let found = try signals(pages, mapping: mapping)
        #expect(found.map(\.inFlight.value) == [nil, nil, nil, nil, nil, nil, 0])
        #expect(found.map(\.queueLength.value) == [nil, nil, nil, nil, nil, nil, 0])
        // Without a number of requests nothing tells it.
        #expect(try signals(pages, mapping: MetricsMapping(inFlight: [busy]))[0].inFlight.value == 0)
    }

    @Test("requests that ended without having waited make the queue's average smaller, and known")
    func queue() throws {
        let found = try signals([
            Page(second: 0, busy: 0, requests: 0), Page(second: 10, busy: 20, requests: 4, waited: 10),
            Page(second: 20, busy: 20, requests: 4, waited: 10), Page(second: 30, busy: 40, requests: 8, waited: 10),
            Page(second: 40, busy: 40, requests: 8, waited: 10),
        ])
        #expect(Self.isClose(found.map(\.queueLength.value), [1, 10.0 / 15 * 0.5, 0, 0]))
        let empty = try signals([
            Page(second: 0, busy: 4000, requests: 200), Page(second: 10, busy: 4000, requests: 200),
            Page(second: 20, busy: 4020, requests: 201),
        ])
        #expect(empty.map(\.queueLength.value) == [nil, 0])
    }

    @Test("the board remembers the level, also over a scrape that failed", .timeLimit(.minutes(5)))
    func board() async throws {
        let time = ManualTime()
        let turn = Mutex(0)
        let asked = Mutex([WallTime]())
        let exchange = ClosureExchange { _ in
            let number = turn.withLock { turn in
                turn += 1
                return turn
            }
            if number == 3 { return HTTPResponseMessage(status: .internalServerError, text: "") }
            asked.withLock { $0.append(time.now()) }
            return HTTPResponseMessage(status: .ok, text: "busy \(number == 1 ? 0 : 6)\nn \(number == 1 ? 0 : 2)\n")
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
                let counts = board.counts
                // No time goes by while a page is on its way.
                if turn.withLock({ UInt64($0) }) == counts.scraped + counts.failed {
                    time.advance(by: .milliseconds(50))
                }
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
        #expect(board.counts.failed == 1)
        guard case .reported(let signals)? = board.parts(of: "m")["a"] else {
            Issue.record("the replica was not read")
            return
        }
        // Six seconds of work in the six seconds since the first page, or a little more where a turn came late.
        let times = asked.withLock { $0 }
        let seen = (try #require(times.last) - times[0]).inSeconds
        #expect(signals.inFlight.value.map { abs($0 - 6 / seen) < 0.1 } == true, "\(seen) s")
    }
}
