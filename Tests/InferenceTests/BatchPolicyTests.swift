// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Inference

@Suite struct BatchPolicyTests {
    static let start = WallTime(nanoseconds: 1_000_000_000)

    static func key(_ name: String) -> BatchKey? { name == "-" ? nil : BatchKey(inputs: [], outputs: [name]) }

    static func entries(_ rows: [(String, Int)]) -> [BatchEntry] {
        rows.enumerated().map { index, row in
            BatchEntry(id: UInt64(index), key: key(row.0), rows: row.1, enqueuedAt: start)
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var entries: [(String, Int)]
        var waited = Duration.zero
        var expected: BatchDecision
        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(name: "nothing waits", entries: [], expected: .idle),
        Row(name: "one may still grow", entries: [("a", 1)], expected: .wait(until: start + .milliseconds(10))),
        Row(name: "one has waited", entries: [("a", 1)], waited: .milliseconds(10), expected: .run(positions: [0])),
        Row(name: "alone runs at once", entries: [("-", 1), ("-", 1)], expected: .run(positions: [0])),
        Row(name: "full", entries: [("a", 2), ("a", 2), ("a", 1)], expected: .run(positions: [0, 1])),
        Row(name: "the next doesn't fit", entries: [("a", 3), ("a", 2)], expected: .run(positions: [0])),
        Row(name: "larger than a batch", entries: [("a", 9), ("a", 1)], expected: .run(positions: [0])),
        Row(
            name: "others stay",
            entries: [("a", 1), ("b", 1), ("a", 1)],
            waited: .milliseconds(10),
            expected: .run(positions: [0, 2])
        ),
    ]

    @Test("decides as the table says", arguments: rows) func table(row: Row) {
        let policy = BatchPolicy(maximumSize: 4, maximumWait: .milliseconds(10))
        #expect(policy.decide(Self.entries(row.entries), now: Self.start + row.waited) == row.expected)
    }

    @Test("keeps its promises in every small configuration") func exhaustive() {
        let kinds: [(String, Int)] = [("a", 1), ("a", 3), ("b", 1), ("b", 2), ("-", 1)]
        var checked = 0
        for length in 1...4 {
            for code in 0..<Int(pow(Double(kinds.count), length)) {
                var rest = code
                let chosen = (0..<length).map { _ in
                    defer { rest /= kinds.count }
                    return kinds[rest % kinds.count]
                }
                for size in 1...4 {
                    check(Self.entries(chosen), BatchPolicy(maximumSize: size, maximumWait: .milliseconds(1)))
                    checked += 1
                }
            }
        }
        #expect(checked == (5 + 25 + 125 + 625) * 4)
    }

    private func pow(_ base: Double, _ exponent: Int) -> Double {
        (0..<exponent).reduce(1) { value, _ in value * base }
    }

    private func check(_ entries: [BatchEntry], _ policy: BatchPolicy) {
        guard case .run(let positions) = policy.decide(entries, now: Self.start + .milliseconds(1)) else {
            Issue.record("what has waited long enough must run")
            return
        }
        let rows = positions.reduce(0) { $0 + entries[$1].rows }
        #expect(positions.first == 0, "the oldest leads")
        #expect(positions == positions.sorted())
        #expect(Set(positions.map { entries[$0].key }).count == 1)
        #expect(rows <= policy.maximumSize || positions.count == 1)
        #expect(entries[0].key != nil || positions.count == 1)
        // Running earlier than the wait's end is only for batches that can't grow.
        if case .run(let early) = policy.decide(entries, now: Self.start) { #expect(early == positions) }
    }

    @Test("the queue never holds more than its capacity, and loses nothing") func bound() {
        var queue = BatchQueue<Int>(capacity: 3)
        let taken = Self.entries([("a", 1), ("b", 1), ("a", 1), ("a", 1)]).map { entry in
            queue.append(Int(entry.id), entry: entry)
        }
        #expect(taken == [true, true, true, false])
        let removals = [queue.remove(id: 1), queue.remove(id: 1)]
        #expect(removals == [true, false])
        guard case .run(let items) = queue.next(policy: BatchPolicy(), now: Self.start) else {
            Issue.record("expected a batch")
            return
        }
        #expect(items.map(\.payload) == [0, 2])
        #expect(queue.count == 0)
    }
}
