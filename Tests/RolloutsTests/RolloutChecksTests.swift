// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Rollouts

@Suite("Checks beside the judge")
struct RolloutChecksTests {
    @Test("checks never make a verdict better, and one that can't answer never lets a canary pass")
    func combination() {
        let passed = RolloutCheck(name: "a", answer: .passed, message: "ok")
        let failed = RolloutCheck(name: "b", answer: .failed, message: "7 is above 5")
        let silent = RolloutCheck(name: "c", answer: .unknown, message: "no answer")
        func verdict(_ judge: Judgement.Verdict, _ checks: [RolloutCheck]) -> Judgement.Verdict {
            Judgement(verdict: judge, reason: "").with(checks).verdict
        }
        for judge in Judgement.Verdict.allCases {
            #expect(verdict(judge, [passed]) == judge)
            #expect(verdict(judge, [silent, passed, failed]) == .worse)
        }
        #expect(verdict(.worse, [silent]) == .worse)
        #expect(verdict(.notWorse, [passed, silent]) == .noData)
        #expect(verdict(.inconclusive, [passed, silent]) == .noData)
        #expect(verdict(.noData, [silent]) == .noData)
        #expect(Judgement(verdict: .notWorse, reason: "").with([failed]).reason == "check \"b\" failed: 7 is above 5")
    }

    @Test("a check that can't answer holds an analysis that the judge would pass, also between two looks")
    func holds() {
        let start = WallTime(seconds: 1_000_000)
        let good = TrackIncrement(answers: HitCount(trials: 20_000, hits: 200))
        var state = RolloutState(settledOn: 1, strategy: .canary)
        state.phase = .analyzing
        state.canaryRevision = 2
        state.stepIndex = 1
        state.stepCount = 2
        state.startedAt = start
        state.stepStartedAt = start
        state.reachedAt = start
        state.desiredWeight = 10
        func turn(_ answer: RolloutCheck.Answer?, at second: Int) -> RolloutState? {
            let checks = answer.map { [RolloutCheck(name: "c", answer: $0, message: "so")] }
            let observation = RolloutObservation(
                time: start + .seconds(second),
                plan: RolloutPlan(strategy: .canary, steps: [.setWeight(10), .analysis(nil)]),
                state: state,
                stable: RevisionState(number: 1, replicas: 9, readyReplicas: 9),
                wanted: RevisionState(number: 2, replicas: 1, readyReplicas: 1),
                traffic: TrafficObservation(rootRevision: 1, canaryRevision: 2, weight: 10, isAttached: true),
                evidence: checks.map { RolloutEvidence(canary: good, stable: good, checks: $0) }
            )
            let next = RolloutMachine.next(observation).state
            if let next { state = next }
            return next
        }
        #expect(turn(.unknown, at: 10)?.judgement?.verdict == .noData)
        #expect(turn(nil, at: 12)?.stepIndex == 1)
        #expect(turn(.unknown, at: 20)?.stepIndex == 1)
        #expect(turn(.passed, at: 30)?.stepIndex == 2)
        #expect(turn(.failed, at: 40)?.phase == .rollingBack)
    }
}
