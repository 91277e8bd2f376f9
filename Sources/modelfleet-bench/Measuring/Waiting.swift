// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Measures durations.
struct Stopwatch {
    private let start = ContinuousClock.now

    /// The time since the start, in seconds.
    var seconds: Double {
        let (seconds, attoseconds) = start.duration(to: ContinuousClock.now).components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

/// Asks `condition` every `interval` until it answers true.
/// - Throws: `BenchError` after `limit`; what the condition throws.
func waitUntil(
    _ what: String,
    limit: Duration,
    every interval: Duration = .milliseconds(10),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw BenchError("\(what): not within \(limit)") }
        try await Task.sleep(for: interval)
    }
}

/// Calls `body` with 0 up to `count`, in `lanes` child tasks.
func inLanes(_ lanes: Int, count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
    try await withThrowingDiscardingTaskGroup { group in
        for lane in 0..<min(lanes, count) {
            group.addTask { for index in stride(from: lane, to: count, by: lanes) { try await body(index) } }
        }
    }
}

/// The value below which `share` of `values` lie (nearest rank); 0 of nothing.
func percentile(_ share: Double, of values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    let rank = Int((share * Double(sorted.count)).rounded(.up)) - 1
    return sorted[min(max(0, rank), sorted.count - 1)]
}
