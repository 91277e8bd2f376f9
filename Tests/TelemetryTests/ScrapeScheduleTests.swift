// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Scaling
import Synchronization
import Testing

@testable import Telemetry

@Suite("Scrape schedule")
struct ScrapeScheduleTests {
    private let start = WallTime(seconds: 1000)

    private func targets(_ count: Int, _ prefix: String = "p") -> [ScrapeTarget] {
        (0..<count).map { ScrapeTarget(pod: "\(prefix)\($0)", authority: "\(prefix)\($0):1") }
    }

    @Test("spreads the first scrapes over one interval, and repeats each after one interval")
    func spreads() {
        var schedule = ScrapeSchedule(concurrency: 100)
        var turn = 0.0
        schedule.replace("g", targets: targets(10), interval: .seconds(5), now: start) {
            turn += 0.1
            return turn - 0.1
        }
        var times: [String: [Double]] = [:]
        for step in 0..<200 {
            let now = start + .milliseconds(100 * step)
            for job in schedule.take(now: now) {
                times[job.target.pod, default: []].append((now - start).inSeconds)
                _ = schedule.finish(job, wasFailing: false, failed: false, now: now)
            }
        }
        for pod in 0..<10 {
            let due = (0..<4).map { Double(pod) * 0.5 + Double($0) * 5 }
            #expect(times["p\(pod)"] == due)
        }
    }

    @Test("never runs more than the bound, nor one replica twice at a time, and an interval is at least 1 s")
    func bounds() {
        var schedule = ScrapeSchedule(concurrency: 8)
        schedule.replace("g", targets: targets(20), interval: .zero, now: start) { 0 }
        let first = schedule.take(now: start)
        #expect(first.count == 8)
        #expect(schedule.take(now: start + .seconds(60)).isEmpty)
        for job in first { _ = schedule.finish(job, wasFailing: false, failed: false, now: start) }
        #expect(Set(schedule.take(now: start).map(\.target.pod)).isDisjoint(with: first.map(\.target.pod)))
        #expect(schedule.nextDue == start)
        var single = ScrapeSchedule(concurrency: 8)
        single.replace("g", targets: targets(1), interval: .zero, now: start) { 0 }
        for job in single.take(now: start) { _ = single.finish(job, wasFailing: false, failed: false, now: start) }
        #expect(single.nextDue == start + .seconds(1))
    }

    @Test("dead replicas hold a quarter of the places at most, and are asked less often")
    func dead() {
        var schedule = ScrapeSchedule(concurrency: 8)
        schedule.replace("dead", targets: targets(50, "d"), interval: .seconds(1), now: start) { 0 }
        schedule.replace("live", targets: targets(6, "l"), interval: .seconds(1), now: start) { 0 }
        var running: [(job: ScrapeSchedule.Job, failing: Bool, until: WallTime)] = []
        var scraped: [String: Int] = [:]
        for step in 0..<600 {
            let now = start + .milliseconds(100 * step)
            for entry in running where entry.until <= now {
                _ = schedule.finish(entry.job, wasFailing: entry.failing, failed: entry.job.group == "dead", now: now)
            }
            running.removeAll { $0.until <= now }
            for job in schedule.take(now: now) {
                scraped[job.group, default: 0] += 1
                // A dead replica takes the whole time limit of a second.
                let end = now + (job.group == "dead" ? .seconds(1) : .milliseconds(100))
                running.append((job, schedule.isFailing(job), end))
            }
            #expect(running.count <= 8)
            if step > 100 { #expect(running.count { $0.job.group == "dead" } <= 2) }
        }
        // Sixty seconds, six live replicas, an interval of one second: the dead delay none of them by more than at the start.
        #expect((scraped["live"] ?? 0) > 6 * 48)
        #expect((scraped["dead"] ?? 0) > 50)
    }

    @Test("failing replicas get their places in the order of their turns, and those that wait cost nothing")
    func waiting() {
        var schedule = ScrapeSchedule(concurrency: 8)
        failOnce(&schedule, targets(40))
        var running: [ScrapeSchedule.Job] = []
        var order: [String] = []
        let now = start + .seconds(3)
        for _ in 0..<40 {
            running += schedule.take(now: now)
            #expect(running.count <= 2)
            guard !running.isEmpty else { break }
            #expect(running.count == 2 || order.count == 39)
            let job = running.removeFirst()
            order.append(job.target.pod)
            _ = schedule.finish(job, wasFailing: true, failed: true, now: now)
            if order.count < 39 { #expect(schedule.nextDue.map { $0 <= now } == true, "a place is free") }
        }
        #expect(order.count == 40 && Set(order).count == 40)
        #expect(schedule.nextDue.map { $0 > now } == true)

        // What a scrape costs that ends doesn't grow with how many wait.
        func cost(waiting count: Int) -> Duration {
            var schedule = ScrapeSchedule(concurrency: 8)
            failOnce(&schedule, targets(count))
            var running = schedule.take(now: now)
            let rounds = (0..<5).map { _ in
                ContinuousClock().measure {
                    for _ in 0..<20 {
                        _ = schedule.finish(running.removeFirst(), wasFailing: true, failed: true, now: now)
                        running += schedule.take(now: now)
                    }
                }
            }
            return rounds.min() ?? .zero
        }
        #expect(cost(waiting: 8000) < cost(waiting: 250) * 8)
    }

    /// Lets each replica's first scrape fail; the second ones are due a second later.
    private func failOnce(_ schedule: inout ScrapeSchedule, _ targets: [ScrapeTarget]) {
        schedule.replace("g", targets: targets, interval: .seconds(1), now: start) { 0 }
        while schedule.nextDue == start {
            for job in schedule.take(now: start) {
                _ = schedule.finish(job, wasFailing: false, failed: true, now: start)
            }
        }
    }

    @Test(
        "replicas that stay keep their turn, those that go are forgotten, and a late answer isn't taken for a new replica's"
    )
    func replaces() throws {
        var schedule = ScrapeSchedule(concurrency: 8)
        schedule.replace("g", targets: targets(2), interval: .seconds(5), now: start) { 0 }
        let jobs = schedule.take(now: start)
        var moved = targets(2)
        moved[1].authority = "elsewhere:1"
        schedule.replace("g", targets: moved, interval: .seconds(5), now: start) { 0 }
        let old = try #require(jobs.first { $0.target.pod == "p1" })
        let same = try #require(jobs.first { $0.target.pod == "p0" })
        let late = schedule.finish(old, wasFailing: false, failed: false, now: start)
        let inTime = schedule.finish(same, wasFailing: false, failed: false, now: start)
        #expect(!late && inTime)
        #expect(schedule.take(now: start).map(\.target.authority) == ["elsewhere:1"])
        schedule.replace("g", targets: [], interval: .seconds(5), now: start) { 0 }
        #expect(schedule.take(now: start + .seconds(100)).isEmpty)
        #expect(schedule.pods(of: "g").isEmpty)
    }

    @Test("a group is the same only with the same replicas, where they were, at the same interval")
    func sameness() {
        var schedule = ScrapeSchedule(concurrency: 8)
        #expect(schedule.has("g", [], interval: .seconds(5)) && !schedule.has("g", targets(2), interval: .seconds(5)))
        schedule.replace("g", targets: targets(2), interval: .seconds(5), now: start) { 0 }
        #expect(schedule.has("g", targets(2), interval: .seconds(5)))
        #expect(!schedule.has("g", targets(2), interval: .seconds(6)))
        #expect(!schedule.has("g", targets(1), interval: .seconds(5)))
        #expect(!schedule.has("g", targets(3), interval: .seconds(5)))
        #expect(!schedule.has("other", targets(2), interval: .seconds(5)))
        var moved = targets(2)
        moved[1].authority = "elsewhere:1"
        #expect(!schedule.has("g", moved, interval: .seconds(5)))
    }
}

@Suite("Scrape board")
struct ScrapeBoardTests {
    private static let mapping = MetricsMapping(queueLength: [MetricSource("q")], requests: [MetricSource("r")])

    private struct TimedOut: Error, CustomStringConvertible {
        var description: String { "no answer" }
    }

    /// Moves the time in small steps until `isDone`.
    private func run(_ time: ManualTime, until isDone: () -> Bool) async {
        while !isDone(), !Task.isCancelled {
            time.advance(by: .milliseconds(50))
            for _ in 0..<20 { await Task.yield() }
        }
    }

    @Test("holds what came of the last scrapes; a replica that hangs delays no other", .timeLimit(.minutes(5)))
    func holds() async {
        let time = ManualTime()
        let count = Mutex(0)
        let exchange = ClosureExchange { request in
            if request.head.authority == "hangs:1" {
                // As a client does that gives up at the request's time limit.
                try await time.sleep(for: request.timeout ?? .seconds(10_000))
                throw TimedOut()
            }
            let n = count.withLock { count in
                count += 10
                return count
            }
            return HTTPResponseMessage(status: .ok, text: "q 3\nr \(n)\n")
        }
        let scraper = Scraper(exchange: exchange, time: time, timeout: .seconds(1))
        let board = ScrapeBoard(scraper: scraper, time: time, random: SeededRandom(seed: 1), concurrency: 8)
        board.watch(
            "m",
            targets: [ScrapeTarget(pod: "a", authority: "a:1"), ScrapeTarget(pod: "b", authority: "hangs:1")],
            mapping: Self.mapping,
            interval: .seconds(2)
        )
        #expect(board.parts(of: "m") == ["a": .pending, "b": .pending])
        await withTaskGroup { group in
            group.addTask { await board.run() }
            await run(time) { board.counts.scraped >= 3 && board.counts.failed >= 1 }
            group.cancelAll()
        }
        let signals = board.signals(of: "m", staleAfter: .seconds(30))
        #expect(signals.readings[.queueLength]?.total == 3)
        #expect(signals.readings[.requestRate]?.reporting == 1)
        #expect(signals.missing.map(\.pod) == ["b"])
        #expect(signals.missing.first?.reason == "the metrics can't be read: no answer")
        board.watch("m", targets: [], mapping: Self.mapping, interval: .seconds(2))
        #expect(board.parts(of: "m").isEmpty)
        board.forget("m")
        #expect(board.signals(of: "m", staleAfter: .seconds(30)).readings.isEmpty)
    }

    @Test("a scrape that the end of the board cuts off says nothing of its replica", .timeLimit(.minutes(5)))
    func cutOff() async {
        let time = ManualTime()
        let begun = Mutex(false)
        let exchange = ClosureExchange { request in
            begun.withLock { $0 = true }
            try await time.sleep(for: .seconds(10_000))
            return HTTPResponseMessage(status: .ok, text: "")
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
            await run(time) { begun.withLock { $0 } }
            group.cancelAll()
        }
        #expect(begun.withLock { $0 })
        #expect(board.parts(of: "m") == ["a": .pending])
        #expect(board.counts == (0, 0))
    }

    /// A time that passes as soon as somebody rests, for 10 s; it keeps how long the rests were.
    private final class RestingTime: TimeSource {
        private let passed = Mutex((now: WallTime(seconds: 1000), rests: [Duration]()))

        var rests: [Duration] { passed.withLock(\.rests) }

        func now() -> WallTime { passed.withLock(\.now) }

        func sleep(for duration: Duration) async throws {
            for _ in 0..<20 { await Task.yield() }
            let isOver = passed.withLock { passed in
                passed.now = passed.now + duration
                passed.rests.append(duration)
                return passed.now >= WallTime(seconds: 1010)
            }
            if isOver { throw CancellationError() }
        }
    }

    @Test("a thousand replicas a second are scraped in turns of 20 ms, not one by one", .timeLimit(.minutes(5)))
    func turns() async {
        let time = RestingTime()
        let exchange = ClosureExchange { _ in HTTPResponseMessage(status: .ok, text: "q 3\n") }
        let board = ScrapeBoard(
            scraper: Scraper(exchange: exchange, time: ManualTime()),
            time: time,
            random: SeededRandom(seed: 1)
        )
        let targets = (0..<1000).map { ScrapeTarget(pod: "p\($0)", authority: "p\($0):1") }
        board.watch("m", targets: targets, mapping: Self.mapping, interval: .seconds(1))
        await board.run()
        #expect(time.rests.allSatisfy { $0 >= .milliseconds(20) && $0 <= .milliseconds(500) })
        #expect(time.rests.count <= 500)
        #expect(board.counts.scraped >= 1000)
    }

    @Test("one host and port always belongs to the same part, and the parts share the load", .timeLimit(.minutes(5)))
    func partitions() async throws {
        let seen = Mutex([String: Set<Int>]())
        var made = 0
        let exchange = PartitionedExchange(parts: 4) {
            let part = made
            made += 1
            return ClosureExchange { request in
                seen.withLock { _ = $0[request.head.authority ?? "", default: []].insert(part) }
                return HTTPResponseMessage(status: .ok, text: "")
            }
        }
        for turn in 0..<400 {
            let head = HTTPRequest(method: .get, scheme: "http", authority: "10.0.0.\(turn % 200):80", path: "/")
            _ = try await exchange.exchange(HTTPRequestMessage(head: head))
        }
        let found = seen.withLock { $0 }
        #expect(found.values.allSatisfy { $0.count == 1 })
        for part in 0..<4 { #expect(found.values.count { $0.contains(part) } > 20) }
    }
}
