// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Simulation

@Suite("Training loads")
struct TrainingLoadTests {
    private static func rates(_ trace: ArrivalTrace) -> [Double] {
        guard case .rates(let rates, _) = trace.rows else { return [] }
        return rates
    }

    @Test(
        "a seed always gives the same load, of full length, with rates that can be played",
        arguments: TrainingLoad.allCases
    )
    func loadsAreReproducible(kind: TrainingLoad) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let trace = kind.trace(seed: seed)
            #expect(trace == kind.trace(seed: seed))
            let rates = Self.rates(trace)
            #expect(rates.count == (kind == .daily ? 8640 : 2160))
            #expect(rates.allSatisfy { $0.isFinite && $0 >= 0 } && trace.requests > 0, "\(trace.name)")
        }
    }

    @Test("kinds that have a shape have another one with each seed")
    func seedsDiffer() {
        for kind in TrainingLoad.allCases where kind != .poisson {
            #expect(kind.trace(seed: 1).rows != kind.trace(seed: 2).rows, "\(kind)")
        }
    }

    @Test("clumps are clumped, steps are flat between jumps, and ramps aren't")
    func kindsAreWhatTheySay() {
        for seed in 1...10 as ClosedRange<UInt64> {
            guard case .rates(_, let variation) = TrainingLoad.batches.trace(seed: seed).rows else {
                Issue.record("clumps are told by their rates")
                continue
            }
            #expect(variation >= 2 && variation < 4)
            func changes(_ kind: TrainingLoad) -> Int {
                let rates = Self.rates(kind.trace(seed: seed))
                return zip(rates, rates.dropFirst()).filter { $0 != $1 }.count
            }
            #expect((1...180).contains(changes(.steps)) && changes(.ramps) > 1900)
            let crowds = Self.rates(TrainingLoad.flashCrowds.trace(seed: seed))
            #expect(crowds.allSatisfy { $0 >= 30 })
        }
    }
}
