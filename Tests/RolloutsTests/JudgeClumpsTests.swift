// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Rollouts

@Suite("Judge: errors that come in clumps")
struct JudgeClumpsTests {
    @Test("a burst of errors on both tracks proves nothing")
    func sharedBurst() {
        var state = JudgeState()
        let judge = Judge()
        for look in 0..<60 {
            let burst = look % 10 == 3
            let judgement = judge.look(
                &state,
                canary: JudgeTests.increment(100, burst ? 40 : 1),
                stable: JudgeTests.increment(900, burst ? 360 : 9)
            )
            #expect(judgement.verdict != .worse)
        }
        #expect(state.peak < 2)
    }

    @Test("errors that come in clumps on one track are learned to be less evidence")
    func clumps() {
        let random = SeededRandom(seed: 11)
        let judge = Judge()
        /// Each clump is five errors in a row, on the track that a client happens to reach.
        func look(_ requests: Int) -> TrackIncrement {
            let clumps = (0..<requests / 5).count { _ in random.unit() < 0.01 }
            return JudgeTests.increment(requests, clumps * 5)
        }
        var wrong = 0
        for _ in 0..<40 {
            var state = JudgeState()
            var effects: [Double] = []
            for _ in 0..<150 {
                let judgement = judge.look(&state, canary: look(200), stable: look(800))
                effects.append(state.errors.dispersion.designEffect)
                if judgement.verdict == .worse {
                    wrong += 1
                    break
                }
            }
            if effects.count == 150 { #expect((effects.last ?? 0) > 2.5) }
        }
        // Without it nearly all of them would be rolled back.
        #expect(wrong <= 4)
    }

    /// A look of a stable track whose two halves have these errors among 400 requests each.
    private static func halves(_ first: Int, _ second: Int) -> TrackIncrement {
        var sum = JudgeTests.increment(800, first + second)
        sum.half = HalfIncrement(answers: HitCount(trials: 400, hits: first))
        return sum
    }

    @Test("clumps are known from the stable track's halves before the first one falls on the canary")
    func clumpsOfTheStableTrack() {
        let random = SeededRandom(seed: 5)
        let judge = Judge()
        func clumped() -> Int { 5 * (0..<80).count { _ in random.unit() < 0.01 } }
        var wrong = 0
        for run in 0..<40 {
            var state = JudgeState()
            // The canary warms up: nothing of it counts yet.
            for _ in 0..<12 {
                _ = judge.look(&state, canary: TrackIncrement(), stable: Self.halves(clumped(), clumped()))
            }
            if run == 0 { #expect(state.errors.dispersion.designEffect == 3) }
            #expect(state.errors.designEffect > 2.5)
            for _ in 0..<150 {
                let canary = 5 * (0..<40).count { _ in random.unit() < 0.01 }
                let look = judge.look(
                    &state,
                    canary: JudgeTests.increment(200, canary),
                    stable: Self.halves(clumped(), clumped())
                )
                guard look.verdict == .worse else { continue }
                wrong += 1
                break
            }
        }
        #expect(wrong <= 1)
    }

    @Test("bursts on all pods, and a bad pod, make no design effect; a half that can't be is none")
    func halvesWithoutClumps() {
        let random = SeededRandom(seed: 6)
        var comparison = TrackComparison()
        for look in 0..<300 {
            let ratio = look % 7 == 0 ? 0.2 : 0.02
            let worse = 2 * ratio / (1 + ratio)
            let half = HitCount(trials: 400, hits: (0..<400).count { _ in random.unit() < worse })
            let rest = (0..<400).count { _ in random.unit() < ratio }
            comparison.watch(half: half, of: HitCount(trials: 800, hits: half.hits + rest))
        }
        #expect(comparison.stableDispersion.blocks == 299)
        #expect(comparison.stableDispersion.designEffect < 1.3)
        let before = comparison
        comparison.watch(half: HitCount(trials: 900, hits: 3), of: HitCount(trials: 800, hits: 4))
        comparison.watch(half: HitCount(trials: 100, hits: 30), of: HitCount(trials: 800, hits: 4))
        comparison.watch(half: nil, of: HitCount(trials: 800, hits: 4))
        #expect(comparison == before)
    }

    @Test("neither chance nor bursts on both tracks nor a canary that is always worse make a design effect")
    func noClumps() {
        for factor in [1.0, 3] {
            let random = SeededRandom(seed: 3)
            var dispersion = Dispersion()
            for look in 0..<300 {
                let ratio = look % 7 == 0 ? 0.2 : 0.02
                let odds = factor * ratio / (1 - ratio)
                let canary = (0..<200).count { _ in random.unit() < odds / (1 + odds) }
                let stable = (0..<400).count { _ in random.unit() < ratio }
                dispersion.learn(
                    PairedCounts(
                        canary: HitCount(trials: 200, hits: canary),
                        stable: HitCount(trials: 400, hits: stable)
                    )
                )
            }
            #expect(dispersion.designEffect < 1.3)
        }
    }
}
