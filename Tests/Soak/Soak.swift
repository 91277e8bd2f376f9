// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FaultSimulation
import Foundation
import Synchronization

/// Lives through many simulated worlds: `soak --seeds 10000`, or one of them with its trace: `soak --seed 1234`.
@main
struct Soak {
    /// The processors that are used at one time.
    static let lanes = max(1, ProcessInfo.processInfo.activeProcessorCount)

    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        func number(_ flag: String) -> UInt64? {
            guard let place = arguments.firstIndex(of: flag), place + 1 < arguments.count else { return nil }
            return UInt64(arguments[place + 1])
        }
        if let seed = number("--seed") {
            let outcome = World.run(Scenario(drawing: seed))
            print(outcome.trace.joined(separator: "\n"))
            print(
                outcome.violation.map { "FAILED: \($0.invariant): \($0.message)" } ?? "ok, at rest after \(outcome.end)"
            )
            exit(outcome.violation == nil ? 0 : 1)
        }
        let first = number("--first") ?? 1
        let count = number("--seeds") ?? 200
        let failures = await run(first..<(first + count))
        exit(failures == 0 ? 0 : 1)
    }

    /// What came of the seeds so far.
    private final class Tally: Sendable {
        struct Totals {
            var next: UInt64
            var done = 0
            var failed = 0
            var virtual = Duration.zero
            var busiest = 0
            var busiestSeed: UInt64 = 0
            var injected: [String: Int] = [:]
        }

        let totals: Mutex<Totals>
        private let end: UInt64
        private let start = ContinuousClock.now

        init(_ seeds: Range<UInt64>) {
            totals = Mutex(Totals(next: seeds.lowerBound))
            end = seeds.upperBound
        }

        func next() -> UInt64? {
            totals.withLock { totals in
                guard totals.next < end else { return nil }
                totals.next += 1
                return totals.next - 1
            }
        }

        func note(_ outcome: Outcome, of seed: UInt64) {
            let done = totals.withLock { totals in
                totals.done += 1
                totals.virtual += outcome.end
                totals.injected.merge(outcome.injected) { $0 + $1 }
                if outcome.busiest > totals.busiest {
                    totals.busiest = outcome.busiest
                    totals.busiestSeed = seed
                }
                if outcome.violation != nil { totals.failed += 1 }
                return totals.done
            }
            if let violation = outcome.violation {
                print("seed \(seed): \(violation.invariant): \(violation.message)")
                print("    replay: make soak SEED=\(seed)")
            }
            if done % 100 == 0 { print(summary) }
            fflush(nil)
        }

        var summary: String {
            let totals = totals.withLock { $0 }
            let hours = Int(totals.virtual.components.seconds / 3600)
            return "\(totals.done) seeds, \(totals.failed) failed, \(hours) virtual hours in "
                + "\(ContinuousClock.now - start), at most \(totals.busiest) requests a minute of one process "
                + "(seed \(totals.busiestSeed))"
        }
    }

    /// Runs the seeds on all processors, and prints those that fail; answers how many did.
    static func run(_ seeds: Range<UInt64>) async -> Int {
        let tally = Tally(seeds)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<lanes {
                group.addTask {
                    while let seed = tally.next() { tally.note(World.run(Scenario(drawing: seed)), of: seed) }
                }
            }
        }
        print("what was injected:")
        for (what, count) in tally.totals.withLock({ $0.injected }).sorted(by: { $0.key < $1.key }) {
            print("\(String(repeating: " ", count: max(0, 9 - String(count).count)))\(count)  \(what)")
        }
        print(tally.summary)
        return tally.totals.withLock { $0.failed }
    }
}
