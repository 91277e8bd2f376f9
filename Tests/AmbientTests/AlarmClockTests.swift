// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Ambient

@Suite struct AlarmClockTests {
    @Test(.timeLimit(.minutes(5)))
    func `A sleeper wakes, not before its deadline`() async throws {
        let clock = AlarmClock()
        let deadline = ContinuousClock.now.advanced(by: .milliseconds(20))
        try await clock.sleep(until: deadline)
        #expect(ContinuousClock.now >= deadline)
        #expect(clock.count == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `An earlier deadline doesn't wait for a later one`() async throws {
        let clock = AlarmClock()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for (number, delay) in [(1, Duration.seconds(3600)), (2, .milliseconds(30)), (3, .milliseconds(5))] {
                group.addTask {
                    try await clock.sleep(until: ContinuousClock.now.advanced(by: delay))
                    return number
                }
            }
            let first = [try await group.next(), try await group.next()]
            #expect(Set(first) == [2, 3])
            group.cancelAll()
        }
        #expect(clock.count == 0)
    }

    @Test(.timeLimit(.minutes(5)))
    func `Cancelled sleepers leave nothing behind`() async {
        let clock = AlarmClock()
        for _ in 0..<50 {
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        do {
                            try await clock.sleep(until: ContinuousClock.now.advanced(by: .seconds(3600)))
                            return true
                        } catch {
                            return false
                        }
                    }
                }
                group.cancelAll()
                for await woke in group { #expect(!woke) }
            }
        }
        #expect(clock.count == 0)
    }

    @Test func `The heap gives deadlines in order and drops those that are gone`() {
        var heap = DeadlineHeap()
        let start = ContinuousClock.now
        for number in 0..<1000 {
            heap.insert(start.advanced(by: .seconds(number * 7919 % 1000)), UInt64(number * 7919 % 1000))
        }
        for _ in 0..<900 { heap.noteGone { $0 >= 900 } }
        #expect(heap.count <= 500)
        var found: [UInt64] = []
        while let id = heap.removeFirst(upTo: start.advanced(by: .seconds(949))) { found.append(id) }
        #expect(found.filter { $0 >= 900 } == Array(900..<950))
        #expect(found == found.sorted())
    }
}
