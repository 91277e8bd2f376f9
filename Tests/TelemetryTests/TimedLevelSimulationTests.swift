// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Telemetry

#if canImport(Glibc)
    import func Glibc.log
#elseif canImport(Musl)
    import func Musl.log
#elseif canImport(Darwin)
    import func Darwin.log
#endif

/// Requests of a known load, and what is read of it every two seconds.
@Suite("Levels from counters of time, against the truth")
struct TimedLevelSimulationTests {
    /// A load whose requests in flight are known.
    struct Load: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Slots that are never empty, by the second in which each begins; else requests come by themselves.
        var slots: [Double] = []
        /// Requests in flight on average, where they come by themselves.
        var arriving = 0.0
        /// The mean duration.
        var seconds: Double
        var isExponential = false
        /// The largest reading that is sane.
        var largest: Double

        /// The requests until `end`, by their end.
        func requests(until end: Double, _ random: SeededRandom) -> [(end: Double, seconds: Double)] {
            func drawn(_ mean: Double) -> Double { -log(1 - random.unit()) * mean }
            func duration() -> Double { isExponential ? drawn(seconds) : seconds }
            var all: [(end: Double, seconds: Double)] = []
            for start in slots {
                var time = start
                while time < end {
                    let taken = duration()
                    time += taken
                    all.append((time, taken))
                }
            }
            var time = 0.0
            while arriving > 0, time < end {
                time += drawn(seconds / arriving)
                let taken = duration()
                all.append((time + taken, taken))
            }
            return all.sorted { $0.end < $1.end }
        }
    }

    static let loads = [
        Load(testDescription: "two slots, the second 2 s behind", slots: [0, 2], seconds: 60, largest: 2.5),
        Load(
            testDescription: "ten at once, five on each side of a page",
            slots: Array(repeating: 1.5, count: 5) + Array(repeating: 2.5, count: 5),
            seconds: 60,
            largest: 12
        ),
        Load(
            testDescription: "four busy slots",
            slots: [0, 0, 0, 0],
            seconds: 60,
            isExponential: true,
            largest: 10
        ),
        Load(testDescription: "seldom a request", arriving: 0.3, seconds: 60, isExponential: true, largest: 5),
        Load(testDescription: "short requests", arriving: 4, seconds: 0.5, isExponential: true, largest: 12),
    ]

    /// The levels known at the pages from the first to the last second, and the most entries that were held.
    private func levels(
        of requests: [(end: Double, seconds: Double)],
        pages: ClosedRange<Double>,
        mean: Double? = nil,
        _ random: SeededRandom
    ) -> (known: [(second: Double, level: Double)], mostEntries: Int) {
        func time(_ second: Double) -> WallTime { WallTime(seconds: 1e6 + second) }
        var rest = requests.drop { $0.end <= pages.lowerBound }
        var level = TimedLevel(first: time(pages.lowerBound), mean: mean)
        var known: [(second: Double, level: Double)] = []
        var mostEntries = 0
        var before = pages.lowerBound
        while before < pages.upperBound {
            // Pages don't come at the very same time.
            let now = before + 1.95 + 0.1 * random.unit()
            let ended = rest.prefix { $0.end <= now }
            rest = rest.dropFirst(ended.count)
            let seconds = ended.reduce(0) { $0 + $1.seconds }
            let count = Double(ended.count)
            let value = level.add(
                growth: ended.isEmpty ? nil : seconds,
                ended: ended.isEmpty ? nil : EndedRequests(count: count, meanSeconds: seconds / count),
                from: time(before),
                to: time(now)
            )
            if let value { known.append((now, value)) }
            mostEntries = max(mostEntries, level.entryCount)
            before = now
        }
        return (known, mostEntries)
    }

    @Test("the mean of the readings is the requests in flight, and no reading is far from them", arguments: loads)
    func steady(load: Load) {
        let random = SeededRandom(seed: 7)
        let requests = load.requests(until: 40_000, random)
        let found = levels(of: requests, pages: 0...40_000, random)
        let settled = found.known.filter { $0.second > 600 }.map(\.level)
        let mean = settled.reduce(0, +) / Double(settled.count)
        let worked = requests.filter { (600...40_000).contains($0.end) }.reduce(0) { $0 + $1.seconds }
        let truth = worked / 39_400
        #expect(abs(mean / truth - 1) < 0.1, "\(mean) in flight were read, and there were \(truth)")
        #expect(settled.allSatisfy { $0 <= load.largest }, "\(settled.max() ?? 0)")
        #expect(found.mostEntries <= 121)
    }

    @Test("after a restart of the operator what is read is neither a part of the requests in flight nor a multiple")
    func restarts() {
        let load = Self.loads[2]
        var byMinute: [Int: [Double]] = [:]
        for seed in 1...300 {
            let random = SeededRandom(seed: UInt64(seed))
            let requests = load.requests(until: 900, random)
            for (second, level) in levels(of: requests, pages: 600...840, mean: load.seconds, random).known {
                byMinute[Int(second - 600) / 60, default: []].append(level)
            }
        }
        for minute in 1...3 {
            let found = byMinute[minute] ?? []
            let mean = found.reduce(0, +) / Double(max(1, found.count))
            #expect(abs(mean / 4 - 1) < 0.15, "\(mean) in minute \(minute)")
            #expect(found.allSatisfy { $0 <= 20 }, "\(found.max() ?? 0) in minute \(minute)")
        }
    }

    @Test("what is held of long requests has a bound, also while they get longer")
    func entries() {
        let random = SeededRandom(seed: 3)
        var time = 0.0
        let growing = (0..<4000).map { _ in
            time += 1
            return (end: time, seconds: min(600, 0.5 + time / 4))
        }
        #expect(levels(of: growing, pages: 0...4000, random).mostEntries <= 300)
    }
}
