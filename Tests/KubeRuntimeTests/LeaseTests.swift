// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeRuntime
import Testing

@Suite("Leases")
struct LeaseTests {
    private let start = WallTime(nanoseconds: 1_000_000_000_000)

    private func record(_ holder: String, renewed: WallTime? = nil, duration: Int = 15) -> LeaseRecord {
        LeaseRecord(holder: holder, durationSeconds: duration, acquired: start, renewed: renewed, transitions: 3)
    }

    @Test("a missing lease is created, a released one is taken")
    func free() {
        var machine = LeaseStateMachine(identity: "me")
        guard case .create(let first) = machine.observe(nil, now: start) else {
            Issue.record("not created")
            return
        }
        #expect(first.holder == "me" && first.transitions == 0 && first.durationSeconds == 15)
        #expect(!machine.isLeader(at: start), "not before it was written")
        machine.wrote(first, sent: start)
        #expect(machine.isLeader(at: start))
        guard case .update(let taken) = machine.observe(record(""), now: start) else {
            Issue.record("not taken")
            return
        }
        #expect(taken.holder == "me" && taken.transitions == 4)
    }

    @Test("another's lease is taken only when it stood still for its whole duration, by our own clock")
    func another() {
        var machine = LeaseStateMachine(identity: "me")
        let old = start - .seconds(100_000)
        #expect(machine.observe(record("you", renewed: old), now: start) == .wait, "its times don't count")
        #expect(machine.observe(record("you", renewed: old), now: start + .seconds(14)) == .wait)
        let renewed = record("you", renewed: old + .seconds(10))
        #expect(machine.observe(renewed, now: start + .seconds(15)) == .wait, "it was renewed")
        #expect(machine.observe(renewed, now: start + .seconds(29)) == .wait)
        guard case .update(let mine) = machine.observe(renewed, now: start + .seconds(30)) else {
            Issue.record("not taken")
            return
        }
        #expect(mine.holder == "me" && mine.transitions == 4)
    }

    @Test("a leader that can't renew stops before others may begin")
    func deadline() {
        var machine = LeaseStateMachine(identity: "me")
        machine.wrote(record("me"), sent: start)
        #expect(machine.isLeader(at: start + .seconds(9)))
        #expect(!machine.isLeader(at: start + .seconds(10)))
    }

    @Test("two that race for one lease never lead at once")
    func race() {
        let random = SeededRandom(seed: 8)
        var machines = [LeaseStateMachine(identity: "a"), LeaseStateMachine(identity: "b")]
        var lease: (record: LeaseRecord, version: Int)?
        var now = start
        var leaders: Set<Int> = []
        for _ in 0..<20_000 {
            now = now + .milliseconds(Int(random.next() % 3000))
            let who = Int(random.next() % 2)
            // Now and then one can't reach the server for a while, or loses against the other's write.
            if random.next() % 3 == 0 { continue }
            let read = lease
            let action = machines[who].observe(read?.record, now: now)
            if random.next() % 10 == 0 { lease = lease.map { ($0.record, $0.version + 1) } }
            switch action {
            case .wait: break
            case .create(let record), .update(let record):
                guard lease?.version == read?.version else { continue }
                lease = (record, (read?.version ?? 0) + 1)
                machines[who].wrote(record, sent: now)
            }
            let leading = machines.indices.filter { machines[$0].isLeader(at: now) }
            #expect(leading.count <= 1)
            leaders.formUnion(leading)
        }
        #expect(leaders == [0, 1], "both led at some time")
    }
}
