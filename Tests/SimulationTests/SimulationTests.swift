// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeTesting
import Simulation
import Testing

@Suite("Simulated worlds")
struct SimulationTests {
    @Test("a world without faults comes to rest, twice in the same way")
    func calm() {
        let first = World.run(.calm(seed: 1))
        #expect(first.violation == nil, "\(first.trace.joined(separator: "\n"))")
        let second = World.run(.calm(seed: 1))
        let difference = zip(first.trace, second.trace).first { $0 != $1 }
        #expect(difference == nil)
        #expect(first.trace.count == second.trace.count)
    }
}
