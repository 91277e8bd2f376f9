// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A priority queue of what ends when: two flat arrays, four children a node, no allocation once it has grown.
///
/// Ends at the same time come out in an order that depends only on what went in: the run stays reproducible.
struct CompletionHeap: Sendable {
    private var times: [Int64] = []
    private var payloads: [UInt64] = []

    /// An empty heap.
    init() {
        times.reserveCapacity(1024)
        payloads.reserveCapacity(1024)
    }

    /// The number of entries.
    var count: Int { times.count }

    /// The earliest time; `Int64.max` when there is none.
    var earliest: Int64 { times.isEmpty ? .max : times[0] }

    /// Adds an entry.
    mutating func push(_ time: Int64, _ payload: UInt64) {
        times.append(time)
        payloads.append(payload)
        var hole = times.count - 1
        while hole > 0 {
            let parent = (hole - 1) >> 2
            if times[parent] <= time { break }
            times[hole] = times[parent]
            payloads[hole] = payloads[parent]
            hole = parent
        }
        times[hole] = time
        payloads[hole] = payload
    }

    /// Takes the earliest entry's payload; 0 when there is none.
    mutating func pop() -> UInt64 {
        guard let first = payloads.first else { return 0 }
        let time = times.removeLast()
        let payload = payloads.removeLast()
        let count = times.count
        guard count > 0 else { return first }
        var hole = 0
        while true {
            let child = hole << 2 + 1
            guard child < count else { break }
            var best = child
            var bestTime = times[child]
            var other = child + 1
            let end = min(child + 4, count)
            while other < end {
                if times[other] < bestTime {
                    best = other
                    bestTime = times[other]
                }
                other += 1
            }
            if bestTime >= time { break }
            times[hole] = bestTime
            payloads[hole] = payloads[best]
            hole = best
        }
        times[hole] = time
        payloads[hole] = payload
        return first
    }
}
