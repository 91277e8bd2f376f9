// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import KubeRuntime
import KubeTesting
import Synchronization
import Testing

@Suite("Work queue", .timeLimit(.minutes(1)))
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
