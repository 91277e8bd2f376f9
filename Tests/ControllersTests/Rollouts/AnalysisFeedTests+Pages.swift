// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Rollouts
import Telemetry
import Testing

@testable import Controllers

/// Looks and pages that come at different times.
extension AnalysisFeedTests {
    @Test("looks that are more frequent than pages compare both tracks all the same")
    func alternating() throws {
        var (canary, stable) = (Server(), Server())
        var memory = AnalysisMemory()
        var (state, judge) = (JudgeState(), Judge())
        judge.settings.minimumRequests = 20
        var pages = (canary: try reading(canary.page, at: 0), stable: try reading(stable.page, at: 0))
        for second in 0...30 {
            canary.answer(10)
            stable.answer(10)
            // The pages of each track are read every other second, but never in the same one.
            if second.isMultiple(of: 2) {
                pages.canary = try reading(canary.page, at: second)
            } else {
                pages.stable = try reading(stable.page, at: second)
            }
            let look = memory.look(
                canary: seen(["a": pages.canary]),
                stable: seen(revision: 1, ["s": pages.stable]),
                warmup: .zero,
                at: Self.start + .seconds(second)
            )
            _ = judge.look(&state, canary: look.canary, stable: look.stable)
        }
        #expect(state.errors.counted.canary.trials >= 250 && state.errors.counted.stable.trials >= 250)
    }

    @Test("a track whose pages stay away holds up the other one's for five seconds")
    func away() throws {
        var canary = Server()
        var memory = AnalysisMemory()
        let stable = seen(revision: 1, ["s": try reading(Server().page, at: 0)])
        var answers: [HitCount?] = []
        for second in 0...6 {
            canary.answer(10)
            let page = try reading(canary.page, at: second)
            let time = Self.start + .seconds(second)
            let look = memory.look(canary: seen(["a": page]), stable: stable, warmup: .zero, at: time)
            answers.append(look.canary.answers)
        }
        #expect(answers == [nil, nil, nil, nil, nil, HitCount(trials: 50, hits: 0), nil])
    }
}
