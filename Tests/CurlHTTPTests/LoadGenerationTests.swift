// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Testing

@testable import LoadGeneration

@Suite("latency histogram")
struct LatencyHistogramTests {
    @Test("quantiles of exact values are exact below 256 microseconds")
    func small() {
        var histogram = LatencyHistogram()
        for value in 1...100 { histogram.record(.microseconds(value) - .nanoseconds(1)) }
        #expect(histogram.quantile(0.5) == .microseconds(50))
        #expect(histogram.quantile(0.95) == .microseconds(95))
        #expect(histogram.quantile(0) == .microseconds(1))
        #expect(histogram.quantile(1) == .microseconds(100) - .nanoseconds(1))
        #expect(histogram.count == 100)
    }

    @Test("a quantile is never below the true value and at most 1/128 above it", arguments: 1...200)
    func bounded(seed: Int) {
        let random = SeededRandom(seed: UInt64(seed))
        let values = (0..<50).map { _ in Int64(random.next() >> (24 + random.next() % 38)) }.sorted()
        var histogram = LatencyHistogram()
        for value in values { histogram.record(.microseconds(value)) }
        for (rank, value) in values.enumerated() {
            let found = histogram.quantile(Double(rank + 1) / 50)?.wholeNanoseconds ?? -1
            #expect(found >= value * 1000)
            #expect(Double(found) <= Double(value) * 1000 * (1 + 1.0 / 128) + 1000)
        }
    }

    @Test("nothing, negative and enormous durations are no problem")
    func edges() {
        var histogram = LatencyHistogram()
        #expect(histogram.quantile(0.5) == nil)
        histogram.record(.seconds(-1))
        histogram.record(.seconds(Int64.max))
        #expect(histogram.count == 2)
        #expect(histogram.quantile(.nan) != nil)
    }

    @Test("merging is the same as recording both")
    func merge() {
        var left = LatencyHistogram()
        var right = LatencyHistogram()
        var both = LatencyHistogram()
        for value in 0..<1000 {
            let duration = Duration.microseconds(value * value)
            if value % 3 == 0 { left.record(duration) } else { right.record(duration) }
            both.record(duration)
        }
        left.merge(right)
        #expect(left == both)
    }
}

@Suite("arrival schedules")
struct ArrivalScheduleTests {
    private func arrivals(_ plan: LoadPlan, seed: UInt64 = 1) -> [Double] {
        var schedule = ArrivalSchedule(plan, random: SeededRandom(seed: seed))
        var all: [Double] = []
        while let next = schedule.next() { all.append(next.inSeconds) }
        return all
    }

    @Test("a constant rate is evenly spaced")
    func uniform() {
        let all = arrivals(.constant(requestsPerSecond: 10, for: .seconds(2), spacing: .uniform))
        #expect(all.count == 20)
        for (index, time) in all.enumerated() { #expect(abs(time - Double(index + 1) / 10) < 1e-6) }
    }

    @Test("steps, pauses and ramps give the counts of their areas, in order and in time")
    func stages() {
        let plan = LoadPlan(
            stages: [
                .steady(10, for: .seconds(1)), .steady(0, for: .seconds(5)), .ramp(from: 0, to: 20, for: .seconds(2)),
                .ramp(from: 20, to: 0, for: .seconds(1)), .steady(5, for: .zero),
            ],
            spacing: .uniform
        )
        let all = arrivals(plan)
        #expect(all.count == 40)
        #expect(all == all.sorted())
        #expect(all.filter { $0 <= 1.000001 }.count == 10)
        #expect(all.filter { $0 > 1.000001 && $0 < 6 }.isEmpty)
        #expect(all.filter { $0 > 6 && $0 <= 7.000001 }.count == 5)
        #expect((all.last ?? 0) <= 9.000001)
    }

    @Test("Poisson arrivals repeat with their seed, and have the right mean and spread")
    func poisson() {
        let plan = LoadPlan.constant(requestsPerSecond: 100, for: .seconds(100))
        let all = arrivals(plan, seed: 7)
        #expect(all == arrivals(plan, seed: 7))
        #expect(all != arrivals(plan, seed: 8))
        #expect(abs(all.count - 10_000) < 400)
        let gaps = zip(all.dropFirst(), all).map { $0 - $1 }
        let mean = gaps.reduce(0, +) / Double(gaps.count)
        let variance = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
        #expect(abs(variance.squareRoot() / mean - 1) < 0.1)
    }
}

@Suite("load generator", .timeLimit(.minutes(5)))
struct LoadGeneratorTests {
    private let request = LoadRequest(
        head: HTTPRequest(method: .post, scheme: "http", authority: "a", path: "/"),
        body: Array("x".utf8)
    )

    /// Moves the time on whenever every task of the generator sleeps.
    private func drive(_ time: ManualTime, step: Duration, until done: Signal) async {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await done.wait()
                return true
            }
            group.addTask {
                while !Task.isCancelled {
                    if time.sleeperCount > 0 { time.advance(by: step) }
                    await Task.yield()
                }
                return false
            }
            for await isDone in group where isDone { group.cancelAll() }
        }
    }

    @Test("everything that is planned is sent, counted and classified")
    func counts() async {
        struct Refused: Error {}
        let number = Counter()
        let exchange = ClosureExchange { request in
            #expect(try await request.body.collect(upTo: 10) == Array("x".utf8))
            number.add()
            switch number.value % 10 {
            case 0: throw Refused()
            case 1: return HTTPResponseMessage(status: .tooManyRequests, text: "the queue\n is full")
            default: return HTTPResponseMessage(status: .ok, text: "fine")
            }
        }
        let generator = LoadGenerator(
            exchange: exchange,
            time: SystemTime(),
            random: SeededRandom(seed: 1),
            errorKind: { _ in "connect" }
        )
        let seen = Counter()
        let summary = await generator.run(
            .constant(requestsPerSecond: 1000, for: .milliseconds(500), spacing: .uniform),
            request: request
        ) { progress in
            seen.add()
            #expect(progress.sent >= progress.ok + progress.errors)
        }
        #expect(summary.count == 500)
        #expect(summary.ok + summary.failed == 500)
        #expect(Set(summary.errors.keys).isSubset(of: ["429", "connect"]))
        #expect(summary.failed > 50)
        #expect(summary.firstErrors == ["429": "the queue is full", "connect": "Refused()"])
        #expect(summary.latencies.count == UInt64(summary.ok))
        #expect(summary.achievedRate > 0)
        #expect(seen.value >= 1)
    }

    @Test("requests over the bound are counted as dropped, and the load goes on on time")
    func drops() async {
        let release = Signal()
        let stuck = ClosureExchange { _ in
            await release.wait()
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let time = ManualTime()
        let generator = LoadGenerator(
            exchange: stuck,
            time: time,
            random: SeededRandom(seed: 1),
            maximumInFlight: 1
        )
        let done = Signal()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                let summary = await generator.run(
                    .constant(requestsPerSecond: 10, for: .seconds(3), spacing: .uniform),
                    request: request
                ) { progress in
                    if progress.sent == 30 { release.fire() }
                }
                #expect(summary.count == 30)
                #expect(summary.ok == 1)
                #expect(summary.errors == ["dropped": 29])
                // The one request was meant for 0.1 s and was answered after 3 s: no coordinated omission.
                #expect((summary.maximum ?? .zero) >= .seconds(2.8))
                done.fire()
            }
            await drive(time, step: .milliseconds(50), until: done)
        }
    }

    @Test("latency counts from when the request was meant to be sent")
    func fromIntendedTime() {
        let start = WallTime(nanoseconds: 0)
        let plan = LoadPlan.constant(requestsPerSecond: 2, for: .seconds(1), spacing: .uniform)
        var state = LoadState(
            schedule: ArrivalSchedule(plan, random: SeededRandom(seed: 1)),
            start: start,
            maximumInFlight: 5
        )
        #expect(state.takeDue(start + .milliseconds(400)).isEmpty)
        // The generator was late: both are due, each with its own intended time.
        #expect(state.takeDue(start + .seconds(4)) == [start + .milliseconds(500), start + .seconds(1)])
        #expect(state.nextArrival == nil)
        #expect(state.inFlight == 2)
        state.answered(.ok(.seconds(1)))
        state.answered(.failed("503"))
        let progress = state.progress(start + .seconds(4))
        #expect(progress.sent == 2 && progress.ok == 1 && progress.errors == 1 && progress.okLastSecond == 1)
        #expect(state.progress(start + .seconds(5)).p95LastSecond == nil)
        #expect(state.summary(start + .seconds(5)).achievedRate == 0.2)
    }

    @Test("a cancelled load stops sending, and sums up what was")
    func cancelled() async {
        let started = Signal()
        let stuck = ClosureExchange { _ in
            started.fire()
            await Signal().wait()
            try Task.checkCancellation()
            return HTTPResponseMessage(status: .ok, text: "")
        }
        let generator = LoadGenerator(exchange: stuck, time: SystemTime(), random: SeededRandom(seed: 1))
        await withTaskGroup(of: LatencySummary.self) { group in
            group.addTask {
                await generator.run(.constant(requestsPerSecond: 100, for: .seconds(600)), request: request)
            }
            await started.wait()
            group.cancelAll()
            for await summary in group {
                #expect(summary.count >= 1)
                #expect(summary.errors["cancelled"] == summary.count)
            }
        }
    }
}
