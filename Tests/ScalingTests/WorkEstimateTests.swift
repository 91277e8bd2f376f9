// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scaling

@Suite("The work in a request")
struct WorkEstimateTests {
    /// A queue that is served at a rate in fluid: what a server with end-to-end durations tells every 2 s.
    private struct Server {
        let slots: Double
        let work: Double
        var isQueueKnown = true
        private var waiting = 0.0
        /// When those that end now arrived: arrivals not yet answered, by the second.
        private var waits: [(count: Double, second: Double)] = []
        private var second = 0.0

        init(slots: Double, work: Double, isQueueKnown: Bool = true) {
            (self.slots, self.work, self.isQueueKnown) = (slots, work, isQueueKnown)
        }

        mutating func run(_ rate: Double) -> SLOTraffic {
            let interval = 2.0
            second += interval
            waits.append((rate * interval, second))
            var room = slots / work * interval
            var (ended, sum) = (0.0, 0.0)
            while room > 1e-9, let first = waits.first {
                let count = min(room, first.count)
                (ended, room) = (ended + count, room - count)
                sum += count * (second - first.second + work)
                if count < first.count { waits[0].count -= count } else { waits.removeFirst() }
            }
            waiting = waits.reduce(0) { $0 + $1.count }
            let running = waiting > 0 ? slots : min(slots, rate * work)
            return SLOTraffic(
                intervalSeconds: interval,
                arrived: rate * interval,
                completed: ended,
                running: isQueueKnown ? running : running + waiting,
                waiting: isQueueKnown ? waiting : 0,
                meanSeconds: ended > 0 ? sum / ended : nil,
                isQueueKnown: isQueueKnown
            )
        }
    }

    @Test("while a queue grows and while it is drained it stays what it is")
    func queue() throws {
        var (server, estimate) = (Server(slots: 8, work: 1), WorkEstimate())
        var seen: [Double] = []
        for step in 0..<200 {
            estimate.learn(server.run(step < 50 ? 4 : step < 100 ? 40 : 2))
            seen.append(try #require(estimate.seconds))
        }
        #expect(seen.allSatisfy { abs($0 - 1) < 0.05 }, "\(seen)")
    }

    @Test("durations that leave the queue out aren't taken for less work the longer it is")
    func withoutWaits() throws {
        var (server, estimate) = (Server(slots: 36, work: 1), WorkEstimate())
        for step in 0..<600 {
            var traffic = server.run(step < 30 ? 30 : 60)
            traffic.meanSeconds = 1
            estimate.learn(traffic)
        }
        #expect(try abs(#require(estimate.seconds) - 1) < 0.05)
    }

    @Test("what a look misses of short queues, another counts too much: work is what both leave")
    func shortQueues() throws {
        var estimate = WorkEstimate()
        // At one look of ten eight wait, where 800 requests come between two such looks: 16 s of waits by Little's law.
        for step in 0..<1000 {
            let waiting = step % 10 == 9 ? 8.0 : 0
            estimate.learn(
                SLOTraffic(
                    intervalSeconds: 2,
                    arrived: 80,
                    completed: 80,
                    running: 40,
                    waiting: waiting,
                    meanSeconds: 1.02
                )
            )
        }
        #expect(try abs(#require(estimate.seconds) - 1) < 0.003)
    }

    @Test("without durations it is those at work over those that end a second")
    func levelsAlone() throws {
        var estimate = WorkEstimate()
        for step in 0..<200 {
            let running = step % 2 == 0 ? 30.0 : 50
            estimate.learn(SLOTraffic(intervalSeconds: 2, arrived: 20, completed: 20, running: running, waiting: 0))
        }
        #expect(try abs(#require(estimate.seconds) - 4) < 0.1)
    }

    @Test("looks that find nobody at work count: those that find somebody by chance aren't all there is")
    func levelsThatAreMostlyZero() throws {
        var estimate = WorkEstimate()
        for step in 0..<1000 {
            let running = step % 10 == 0 ? 2.0 : 0
            estimate.learn(SLOTraffic(intervalSeconds: 2, arrived: 20, completed: 20, running: running, waiting: 0))
        }
        #expect(try abs(#require(estimate.seconds) - 0.02) < 0.002)
    }

    @Test("where nothing ends in an interval, no more are at work than before")
    func nothingEnds() {
        var (server, estimate) = (Server(slots: 4, work: 0.2, isQueueKnown: false), WorkEstimate())
        for step in 0..<150 { estimate.learn(estimate.splitting(server.run(step < 50 ? 15 : 40))) }
        let told = SLOTraffic(
            intervalSeconds: 2,
            arrived: 0,
            completed: 0,
            running: 1500,
            waiting: 0,
            meanSeconds: nil,
            isQueueKnown: false
        )
        let split = estimate.splitting(told)
        #expect(split.running < 5 && split.waiting > 1490, "\(split)")
    }

    @Test("a version that takes longer isn't taken for a queue of the one before")
    func startAnew() throws {
        var (server, estimate) = (Server(slots: 4, work: 0.2, isQueueKnown: false), WorkEstimate())
        for _ in 0..<50 { estimate.learn(estimate.splitting(server.run(10))) }
        estimate.startAnew()
        server = Server(slots: 4, work: 0.6, isQueueKnown: false)
        for _ in 0..<100 {
            let told = server.run(4)
            let split = estimate.splitting(told)
            #expect(split == told)
            estimate.learn(split)
        }
        #expect(try abs(#require(estimate.seconds) - 0.6) < 0.01)
    }

    @Test("without a queue's length what the throughput doesn't explain waits, once a hundred requests show it")
    func unknownQueue() throws {
        var (server, estimate) = (Server(slots: 4, work: 0.2, isQueueKnown: false), WorkEstimate())
        var last: SLOTraffic?
        for step in 0..<150 {
            let told = server.run(step < 50 ? 15 : 40)
            let split = estimate.splitting(told)
            if step < 50 { #expect(split == told) }
            estimate.learn(split)
            last = split
        }
        let traffic = try #require(last)
        #expect(abs(traffic.running - 4) < 0.5 && traffic.waiting > 1000, "\(traffic)")
        #expect(try abs(#require(estimate.seconds) - 0.2) < 0.05)
    }

    @Test("the first requests count alike; what can't be is ten times what was known at most, or nothing")
    func outliers() throws {
        func seen(_ mean: Double, _ count: Double) -> SLOTraffic {
            SLOTraffic(intervalSeconds: 2, arrived: count, completed: count, running: 0, waiting: 0, meanSeconds: mean)
        }
        var lazy = WorkEstimate()
        lazy.learn(seen(10, 1))
        for _ in 0..<19 { lazy.learn(seen(0.1, 1)) }
        #expect(try abs(#require(lazy.seconds) - 11.9 / 20) < 0.02)
        lazy.learn(seen(1e9, 1))
        #expect(try abs(#require(lazy.seconds) - 11.9 / 20) < 0.02)
        lazy.learn(seen(80_000, 1))
        #expect(try #require(lazy.seconds) < 1)
        var absurd = WorkEstimate()
        for mean in [1e21, .nan, .infinity, -1, 0] { absurd.learn(seen(mean, 5)) }
        #expect(absurd.seconds == nil)
    }

    @Test("no load is too much to be sized for")
    func absurdLoads() {
        for service in [1e-9, 1, 1e20] {
            let model = QueueModel(rate: 1e12, serviceSeconds: service, variability: 1)
            #expect(model.replicas(concurrency: 4, waitSeconds: 1, late: 0.05) <= 20_000_000)
        }
    }
}
