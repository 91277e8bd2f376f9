// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import KubeTesting
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Work queue", .timeLimit(.minutes(5)))
struct WorkQueueTests {
    private let start = WallTime(nanoseconds: 0)
    private func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "n", name: name) }

    @Test("a key is queued once, and never handed out twice at once")
    func dedupe() {
        var queue = WorkQueueCore()
        queue.add(key("a"))
        queue.add(key("a"))
        #expect(queue.next(now: start) == key("a"))
        queue.add(key("a"))
        queue.add(key("a"))
        #expect(queue.next(now: start) == nil, "it is in work")
        queue.done(key("a"))
        #expect(queue.next(now: start) == key("a"), "it was added meanwhile")
        queue.done(key("a"))
        #expect(queue.next(now: start) == nil)
        #expect(queue.count == 0 && queue.inWorkCount == 0)
    }

    @Test("changes come before resyncs, and a key may rise")
    func priority() {
        var queue = WorkQueueCore()
        for name in ["a", "b", "c"] { queue.add(key(name), priority: .resync) }
        queue.add(key("c"), priority: .change)
        queue.add(key("d"), priority: .change)
        var order: [String] = []
        while let next = queue.next(now: start) { order.append(next.name) }
        #expect(order == ["c", "d", "a", "b"])
    }

    @Test("a delayed key comes at its earliest deadline, once")
    func delays() {
        var queue = WorkQueueCore()
        queue.add(key("a"), at: start + .seconds(10))
        queue.add(key("a"), at: start + .seconds(5))
        queue.add(key("a"), at: start + .seconds(20))
        #expect(queue.nextDeadline == start + .seconds(5))
        #expect(queue.next(now: start + .seconds(4)) == nil)
        #expect(queue.next(now: start + .seconds(5)) == key("a"))
        queue.done(key("a"))
        #expect(queue.next(now: start + .seconds(60)) == nil)
    }

    @Test("after shutdown nothing is handed out")
    func shutdown() {
        var queue = WorkQueueCore()
        queue.add(key("a"))
        queue.add(key("b"), at: start)
        queue.shutDown()
        queue.add(key("c"))
        #expect(queue.next(now: start + .seconds(1)) == nil)
        #expect(queue.count == 0 && queue.delayedCount == 0)
    }

    @Test("random operations keep the promise of one hand for each key, and lose none")
    func model() {
        let random = SeededRandom(seed: 3)
        var queue = WorkQueueCore()
        var inWork: Set<ObjectKey> = []
        var owed: Set<ObjectKey> = []
        var now = start
        for _ in 0..<20_000 {
            let some = key(String(random.next() % 6))
            switch random.next() % 5 {
            case 0:
                queue.add(some, priority: random.next() % 2 == 0 ? .change : .resync)
                owed.insert(some)
            case 1:
                queue.add(some, at: now + .seconds(Int(random.next() % 5)))
                owed.insert(some)
            case 2:
                if let next = queue.next(now: now) {
                    #expect(inWork.insert(next).inserted)
                    owed.remove(next)
                }
            case 3: if let done = inWork.sorted().first { inWork.remove(done); queue.done(done) }
            default: now = now + .seconds(1)
            }
        }
        for done in inWork { queue.done(done) }
        while let next = queue.next(now: now + .seconds(100)) { owed.remove(next) }
        #expect(owed.isEmpty)
    }

    @Test("what a person asked for comes first, and the lowest line gets a turn now and then")
    func userFirst() {
        var queue = WorkQueueCore()
        for number in 0..<40 { queue.add(key("resync\(number)"), priority: .resync) }
        for number in 0..<40 { queue.add(key("change\(number)")) }
        queue.add(key("change7"), priority: .user)
        var order: [String] = []
        while let next = queue.next(now: start) { order.append(next.name) }
        #expect(order.first == "change7")
        #expect(Set(order).count == 80 && order.count == 80)
        let turns = order.prefix(32).filter { $0.hasPrefix("resync") }
        #expect(turns == ["resync0", "resync1"], "one in \(WorkQueueCore.fairness)")
    }

    @Test("keys that rise or are put off again and again leave nothing behind")
    func sweeps() {
        var queue = WorkQueueCore()
        for number in 0..<10_000 {
            queue.add(key("a"), priority: .resync)
            queue.add(key("a"), priority: .user)
            #expect(queue.next(now: start) == key("a"))
            queue.done(key("a"))
            queue.add(key("b"), at: start + .seconds(100_000 - number))
        }
        #expect(queue.count == 0 && queue.inWorkCount == 0 && queue.delayedCount == 1)
        #expect(queue.retainedEntries < 300)
        #expect(queue.next(now: start + .seconds(100_000)) == key("b"))
    }

    @Test("a bucket gives its burst at once, then its rate, and fills up again")
    func bucket() {
        var bucket = TokenBucket(perSecond: 10, burst: 3)
        let waits = (0..<5).map { _ in bucket.reserve(now: start) }
        #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200)])
        #expect(bucket.reserve(now: start + .milliseconds(400)) == .zero)
        let later = start + .seconds(1000)
        #expect((0..<4).map { _ in bucket.reserve(now: later) } == [.zero, .zero, .zero, .milliseconds(100)])
    }

    @Test("retries of all keys together keep to the rate")
    func rate() {
        let queue = WorkQueue(
            backoff: Backoff(initial: .milliseconds(1), maximum: .milliseconds(1), jitter: 0),
            retries: TokenBucket(perSecond: 1, burst: 2),
            time: ManualTime()
        )
        let delays = (0..<4).map { queue.retry(key("\($0)")) }
        #expect(delays == [.milliseconds(1), .milliseconds(1), .seconds(1), .seconds(2)])
    }

    private final class Tally: Sendable {
        let taken = Mutex<[ObjectKey: Int]>([:])
    }

    @Test("many workers take every key once, however they wait", arguments: [1, 2, 5])
    func workers(count: Int) async {
        let time = ManualTime()
        let queue = WorkQueue(time: time)
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<count {
                group.addTask {
                    while let next = await queue.next() {
                        tally.taken.withLock { $0[next, default: 0] += 1 }
                        await Task.yield()
                        queue.done(next)
                    }
                }
            }
            for number in 0..<200 {
                queue.add(key("now\(number)"))
                queue.add(key("later\(number)"), after: .seconds(1 + number % 7))
                if number % 5 == 0 { await Task.yield() }
            }
            while tally.taken.withLock({ $0.count }) < 400 {
                time.advance(by: .milliseconds(500))
                await Task.yield()
            }
            queue.shutDown()
        }
        #expect(tally.taken.withLock { $0.values.allSatisfy { $0 == 1 } })
    }

    /// Keeps what a queue tells about itself.
    private final class Notes: WorkQueueObserver {
        let depths = Mutex<[Int]>([])
        let times = Mutex<[String]>([])
        func depth(_ count: Int) { depths.withLock { $0.append(count) } }
        func added() { times.withLock { $0.append("added") } }
        func waited(_ duration: Duration) { times.withLock { $0.append("waited \(duration.components.seconds)") } }
        func worked(_ duration: Duration) { times.withLock { $0.append("worked \(duration.components.seconds)") } }
        func retried() { times.withLock { $0.append("retried") } }
    }

    @Test("tells its depth, and how long keys wait and are worked on")
    func observed() async {
        let time = ManualTime()
        let notes = Notes()
        let queue = WorkQueue(time: time, observer: notes)
        queue.add(key("a"))
        queue.add(key("a"), priority: .user)
        queue.add(key("b"))
        time.advance(by: .seconds(3))
        let first = await queue.next()
        time.advance(by: .seconds(4))
        if let first {
            queue.retry(first)
            queue.done(first)
        }
        #expect(notes.times.withLock { $0 } == ["added", "added", "waited 3", "retried", "worked 4"])
        #expect(notes.depths.withLock { $0 } == [1, 2, 1, 1])
    }

    @Test("a worker that waits is woken by an addition, a deadline and shutdown")
    func waking() async {
        let time = ManualTime()
        let queue = WorkQueue(time: time)
        async let first = queue.next()
        queue.add(key("a"))
        #expect(await first == key("a"))
        queue.done(key("a"))
        queue.add(key("b"), after: .seconds(5))
        async let second = queue.next()
        await time.waitForSleepers(1)
        time.advance(by: .seconds(5))
        #expect(await second == key("b"))
        queue.done(key("b"))
        async let third = queue.next()
        queue.shutDown()
        #expect(await third == nil)
    }

    @Test("a cancelled worker gets nothing")
    func cancelled() async {
        let queue = WorkQueue()
        let task = Task { await queue.next() }
        task.cancel()
        #expect(await task.value == nil)
    }

    @Test("failures in a row wait longer, and are forgotten after success")
    func backoff() {
        let queue = WorkQueue(
            backoff: Backoff(initial: .seconds(1), maximum: .seconds(8), jitter: 0),
            time: ManualTime()
        )
        let delays = (0..<5).map { _ in queue.retry(key("a")).components.seconds }
        #expect(delays == [1, 2, 4, 8, 8])
        #expect(queue.retry(key("a"), minimum: .seconds(30)) == .seconds(30))
        queue.forget(key("a"))
        #expect(queue.retry(key("a")) == .seconds(1))
    }
}
