// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FaultSimulation
import KubeTesting
import Testing

/// The real operator and the real workload controllers, in worlds that a seed decides. A failing world is lived through
/// again, with its trace, by `make soak SEED=…`; hundreds run in `make test`, any number with `make soak SEEDS=…`.
///
/// No time limits: a world waits for nothing outside of it, and ends at a virtual time or after so many jobs.
@Suite("Simulated worlds")
struct SimulationTests {
    @Test("a world without faults comes to rest")
    func calm() { expectPeace(.calm(seed: 1)) }

    @Test("a seed decides everything: its world goes the same way twice", arguments: [3] as [UInt64])
    func repeats(seed: UInt64) {
        let (first, second) = (World.run(Scenario(drawing: seed)), World.run(Scenario(drawing: seed)))
        let places = zip(first.trace, second.trace).enumerated()
        let different = places.first { $0.element.0 != $0.element.1 }
        #expect(different == nil, "the two runs part at line \(different?.offset ?? 0)")
        #expect(first.trace.count == second.trace.count)
    }

    @Test("the world comes to rest after each kind of fault of the network", arguments: NetworkFault.allCases)
    func network(fault: NetworkFault) { expectPeace(.only(fault, seed: 7)) }

    @Test("the world comes to rest after each other kind of fault", arguments: WorldFault.allCases)
    func others(fault: WorldFault) { expectPeace(.only(fault, seed: 7)) }

    @Test("the world comes to rest with the models split over operators that die, stand still and are told to end")
    func sharded() { expectPeace(.sharded(seed: 7)) }

    @Test("the world comes to rest after nodes fell silent, by the real node controllers")
    func silentNodes() { expectPeace(.silentNodes(seed: 7)) }

    @Test(
        "the world comes to rest after canaries were started, aborted, promoted and tried again",
        arguments: [7, 8] as [UInt64]
    )
    func canaries(seed: UInt64) { expectPeace(.canaries(seed: seed)) }

    /// Lives through a world; a broken promise is recorded with the end of the trace.
    private func expectPeace(_ scenario: Scenario) {
        let outcome = World.run(scenario)
        guard let violation = outcome.violation else { return }
        Issue.record(
            """
            \(violation.invariant): \(violation.message)
            \(scenario.summary)
            \(outcome.trace.suffix(60).joined(separator: "\n"))
            """
        )
    }
}

@Suite("The simulation's scheduler")
struct SimSchedulerTests {
    @Test("time jumps from deadline to deadline, and sleepers wake in their order")
    func jumps() {
        let scheduler = SimScheduler(seed: 1)
        let trace = SimTrace(scheduler)
        let process = scheduler.makeProcess("p")
        for seconds in [3, 1, 2] {
            process.spawn {
                try? await scheduler.sleep(for: .seconds(seconds))
                trace.note("p", "\(seconds)")
            }
        }
        #expect(scheduler.run(until: .seconds(2)) == .reached)
        #expect(trace.all == ["00:01.000 p: 1", "00:02.000 p: 2"])
        #expect(scheduler.run(until: .seconds(60)) == .reached)
        #expect(trace.all.last == "00:03.000 p: 3")
        #expect(scheduler.strayCount == 0)
    }

    @Test("seeds give different orders, and each the same again")
    func orders() {
        func order(_ seed: UInt64) -> [String] {
            let scheduler = SimScheduler(seed: seed)
            let trace = SimTrace(scheduler)
            let process = scheduler.makeProcess("p")
            for number in 0..<8 {
                process.spawn {
                    await withTaskGroup(of: Void.self) { group in
                        group.addTask { trace.note("p", "\(number)") }
                        group.addTask { try? await scheduler.sleep(for: .zero) }
                    }
                    trace.note("p", "end of \(number)")
                }
            }
            #expect(scheduler.run(until: .seconds(1)) == .reached)
            return trace.all
        }
        let all = (0..<20).map { order($0) }
        #expect(Set(all).count > 10)
        #expect(all == (0..<20).map { order($0) })
    }

    @Test("a paused process does nothing until it goes on, and a cancelled sleep ends at once")
    func pauses() {
        let scheduler = SimScheduler(seed: 1)
        let trace = SimTrace(scheduler)
        let process = scheduler.makeProcess("p")
        let task = process.spawn {
            do { try await scheduler.sleep(for: .seconds(10)) } catch { trace.note("p", "cancelled") }
        }
        process.spawn {
            try? await scheduler.sleep(for: .seconds(1))
            trace.note("p", "awake")
        }
        #expect(scheduler.run(until: .milliseconds(500)) == .reached)
        process.pause()
        #expect(scheduler.run(until: .seconds(5)) == .reached)
        #expect(trace.all.isEmpty)
        process.resume()
        task.cancel()
        scheduler.drain()
        #expect(trace.all.sorted() == ["00:05.000 p: awake", "00:05.000 p: cancelled"])
        #expect(process.livingCount == 0)
        #expect(scheduler.sleeperCount == 0)
    }
}
