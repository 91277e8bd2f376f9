// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Rollouts

@Suite("Judge")
struct JudgeTests {
    static func increment(_ requests: Int, _ errors: Int) -> TrackIncrement {
        TrackIncrement(answers: HitCount(trials: requests, hits: errors))
    }

    @Test(
        "a canary that is no worse is rolled back no more often than the parameter, however often one looks",
        .timeLimit(.minutes(5))
    )
    func falseRollbacks() {
        let judge = Judge(JudgeSettings(falseRollbackRate: 0.05))
        for (track, canaryRequests, stableRequests) in [
            (SimulatedTrack(errorRatio: 0.02), 20, 60), (SimulatedTrack(errorRatio: 0.2), 30, 30),
        ] {
            let analysis = SimulatedAnalysis(
                judge: judge,
                canary: track,
                stable: track,
                canaryRequests: canaryRequests,
                stableRequests: stableRequests,
                looks: 80
            )
            let runs = 300
            let wrong = (0..<runs).count { analysis.lookOfRollback(seed: UInt64($0)) != nil }
            // Three standard deviations above 5 % of 300.
            #expect(wrong <= 26)
        }
    }

    @Test("twice the errors and a fifth more latency are found, and a good canary passes")
    func power() {
        let stable = SimulatedTrack(errorRatio: 0.05)
        let runs = 30
        let worse = SimulatedAnalysis(canary: SimulatedTrack(errorRatio: 0.1), stable: stable, looks: 200)
        #expect((0..<runs).count { worse.lookOfRollback(seed: UInt64($0)) != nil } >= 29)
        let slow = SimulatedAnalysis(
            canary: SimulatedTrack(errorRatio: 0.05, slowness: 1.2),
            stable: stable,
            looks: 200
        )
        #expect((0..<runs).count { slow.lookOfRollback(seed: UInt64($0)) != nil } >= 29)
        let good = SimulatedAnalysis(canary: stable, stable: stable, looks: 400)
        let verdicts = (0..<10).map { good.outcome(seed: UInt64($0)).verdict }
        #expect(verdicts.count { $0 == .notWorse } >= 9)
    }

    @Test("a version that is better is not worse")
    func better() {
        let analysis = SimulatedAnalysis(
            canary: SimulatedTrack(errorRatio: 0.001, slowness: 0.5),
            stable: SimulatedTrack(errorRatio: 0.1)
        )
        for seed in 0..<10 { #expect(analysis.outcome(seed: UInt64(seed)).verdict == .notWorse) }
    }

    @Test("three requests decide nothing, even if all of them fail")
    func threeRequests() {
        var state = JudgeState()
        let judgement = Judge().look(&state, canary: Self.increment(3, 3), stable: Self.increment(10_000, 0))
        #expect(judgement.verdict == .inconclusive)
        #expect(judgement.reason.contains("not enough traffic, 3 requests of the canary"))
        let all = Judge().look(&state, canary: Self.increment(17, 17), stable: Self.increment(10_000, 0))
        #expect(all.verdict == .worse)
    }

    @Test("the sentence has the counts and the confidence")
    func sentence() {
        var state = JudgeState()
        let judge = Judge()
        let judgement = judge.look(&state, canary: Self.increment(2000, 82), stable: Self.increment(1900, 11))
        #expect(judgement.verdict == .worse)
        #expect(
            judgement.reason
                == "canary errors 4.1 % (82/2000) against 0.58 % (11/1900): worse with over 99.9 % confidence"
        )
        // What was decided stays decided, whatever comes after.
        #expect(
            judge.look(&state, canary: Self.increment(90_000, 0), stable: Self.increment(1900, 900)).verdict == .worse
        )
    }

    @Test(
        "no data, tiny, equal and regressed series",
        arguments: [
            (TrackIncrement(), TrackIncrement(), Judgement.Verdict.noData),
            (TrackIncrement(), increment(1000, 3), .noData),
            (increment(1000, 3), TrackIncrement(), .noData),
            (increment(0, 0), increment(0, 0), .noData),
            (increment(5, 0), increment(500, 2), .inconclusive),
            (increment(1000, 3), increment(1000, 3), .notWorse),
            (increment(1000, 60), increment(1000, 3), .worse),
        ]
    )
    func series(canary: TrackIncrement, stable: TrackIncrement, expected: Judgement.Verdict) {
        var state = JudgeState()
        let judge = Judge()
        for _ in 0..<(expected == .inconclusive ? 1 : 4) { _ = judge.look(&state, canary: canary, stable: stable) }
        #expect(judge.judgement(state).verdict == expected)
    }

    @Test("one rule says what an analysis does, for every verdict and fallback")
    func rule() {
        for verdict in Judgement.Verdict.allCases {
            for isOver in [false, true] {
                for fallback in AnalysisFallback.allCases {
                    let other = AnalysisFallback.allCases.first { $0 != fallback } ?? .wait
                    let action = AnalysisRule.action(
                        verdict,
                        isOver: isOver,
                        onNoData: verdict == .noData ? fallback : other,
                        onInconclusive: verdict == .inconclusive ? fallback : other
                    )
                    let open: AnalysisRule.Action =
                        switch fallback {
                        case .wait: .wait
                        case .promote: .advance
                        case .rollback: .rollBack
                        }
                    switch verdict {
                    case .worse: #expect(action == .rollBack)
                    case .notWorse: #expect(action == .advance)
                    case .inconclusive, .noData: #expect(action == (isOver ? open : .wait))
                    }
                }
            }
        }
    }

    @Test("errors that fall while the weight rises don't look like a worse canary (Simpson's paradox)")
    func weightsChange() {
        // Bad times at weight 90, good times at weight 10; both tracks are the same at each time.
        var state = JudgeState()
        let judge = Judge()
        for step in 0..<2 {
            for _ in 0..<20 {
                let (ours, theirs, failing) = step == 0 ? (900, 100, 5) : (100, 900, 100)
                let judgement = judge.look(
                    &state,
                    canary: Self.increment(ours, ours / failing),
                    stable: Self.increment(theirs, theirs / failing)
                )
                #expect(judgement.verdict != .worse)
            }
            state.beginStep()
        }
        let totals = state.errors.totals
        // The totals alone would say that the canary fails five times as often.
        #expect((totals.canary.share ?? 0) > 3 * (totals.stable.share ?? 1))
    }

    @Test("tracks of very different size are compared fairly, both ways round")
    func sizes() {
        for (ours, theirs) in [(20, 20_000), (20_000, 20)] {
            var state = JudgeState()
            let judge = Judge()
            var last = Judgement(verdict: .noData, reason: "")
            for _ in 0..<50 {
                last = judge.look(
                    &state,
                    canary: Self.increment(ours, ours / 20),
                    stable: Self.increment(theirs, theirs / 20)
                )
                #expect(last.verdict != .worse)
            }
            var worse = JudgeState()
            for _ in 0..<50 {
                last = judge.look(
                    &worse,
                    canary: Self.increment(ours, ours / 4),
                    stable: Self.increment(theirs, theirs / 20)
                )
            }
            #expect(last.verdict == .worse)
        }
    }

    @Test("what the stable track does while the canary has no requests is no comparison")
    func sameMinutes() {
        var state = JudgeState()
        let judge = Judge()
        // An hour of outage before the canary gets traffic.
        for _ in 0..<360 { _ = judge.look(&state, canary: Self.increment(0, 0), stable: Self.increment(900, 450)) }
        #expect(state.errors.counted.stable.trials == 0)
        // An unread page isn't a quiet track.
        _ = judge.look(&state, canary: Self.increment(10, 0), stable: Self.increment(90, 1))
        _ = judge.look(&state, canary: TrackIncrement(), stable: Self.increment(90_000, 1))
        #expect(state.errors.counted.stable.trials == 90)
    }

    @Test("a version that breaks after hours is found nearly as soon as one that breaks at once")
    func lateRegression() {
        func looksToRollback(after good: Int) -> Int {
            var state = JudgeState()
            let judge = Judge()
            for _ in 0..<good {
                _ = judge.look(&state, canary: Self.increment(100, 2), stable: Self.increment(900, 18))
            }
            for look in 1...200 {
                let judgement = judge.look(&state, canary: Self.increment(100, 8), stable: Self.increment(900, 18))
                if judgement.verdict == .worse { return look }
            }
            return .max
        }
        let (early, late) = (looksToRollback(after: 0), looksToRollback(after: 1000))
        #expect(early <= 10)
        #expect(late <= 2 * early + 3)
    }

    @Test("the evidence for passing begins anew with each step")
    func stepsStartAnew() {
        var state = JudgeState()
        let judge = Judge()
        for _ in 0..<10 { _ = judge.look(&state, canary: Self.increment(500, 2), stable: Self.increment(500, 2)) }
        #expect(judge.judgement(state).verdict == .notWorse)
        state.beginStep()
        #expect(judge.judgement(state).verdict == .inconclusive)
    }

    @Test("limits hold whatever the stable track does, and not before they are certain")
    func limits() {
        let judge = Judge(JudgeSettings(maxErrorRatio: 0.05, maxLatency: LatencyLimit(percentile: 95, seconds: 0.5)))
        var state = JudgeState()
        // Both tracks fail alike: only the limit objects.
        var last = Judgement(verdict: .noData, reason: "")
        for _ in 0..<10 { last = judge.look(&state, canary: Self.increment(200, 30), stable: Self.increment(200, 30)) }
        #expect(last.verdict == .worse)
        #expect(last.reason.contains("above maxErrorRatio 5 %"))
        state = JudgeState()
        last = judge.look(&state, canary: Self.increment(20, 2), stable: Self.increment(200, 20))
        #expect(last.verdict == .inconclusive)
        // 20 % take longer than half a second on both.
        state = JudgeState()
        let slow = TrackIncrement(
            answers: HitCount(trials: 200, hits: 0),
            latency: BucketCounts(bounds: [0.1, 0.5, 1, .infinity], counts: [100, 160, 190, 200])
        )
        for _ in 0..<10 { last = judge.look(&state, canary: slow, stable: slow) }
        #expect(last.verdict == .worse)
        #expect(last.reason.contains("p95 above maxLatency"))
    }

    @Test("outputs that drift beyond the limit are found, and a drift within it isn't")
    func drift() {
        let judge = Judge(JudgeSettings(maxDrift: 0.1))
        func outputs(_ first: Int, _ names: [String] = []) -> TrackIncrement {
            TrackIncrement(
                answers: HitCount(trials: 200, hits: 1),
                outputs: [first, 100 - first / 2, 100 - first / 2],
                outputNames: names
            )
        }
        var state = JudgeState()
        var last = Judgement(verdict: .noData, reason: "")
        for _ in 0..<20 { last = judge.look(&state, canary: outputs(110), stable: outputs(100)) }
        #expect(last.verdict == .notWorse)
        state = JudgeState()
        for _ in 0..<20 { last = judge.look(&state, canary: outputs(150), stable: outputs(100)) }
        #expect(last.verdict == .worse)
        #expect(last.reason.contains("canary outputs of category 0 75 % (600/800) against 50 %"), "\(last.reason)")
        #expect(last.reason.contains("different by more than 10 percentage points"))
        state = JudgeState()
        let (ours, theirs) = (outputs(150, ["cat", "", "bird"]), outputs(100, ["", "dog", "bird"]))
        for _ in 0..<20 { last = judge.look(&state, canary: ours, stable: theirs) }
        #expect(state.outputNames == ["cat", "dog", "bird"])
        #expect(last.reason.contains("canary outputs \"cat\" 75 %"), "\(last.reason)")
    }

    @Test("bounds are chosen by the stable track, once, near its percentiles")
    func bounds() {
        var state = JudgeState()
        let random = SeededRandom(seed: 5)
        let track = SimulatedTrack(errorRatio: 0)
        for _ in 0..<10 { _ = Judge().look(&state, canary: track.look(50, random), stable: track.look(50, random)) }
        #expect(state.latency.map(\.bound) == [0.1, 0.2, 0.3])
        #expect(state.latency.map(\.percentile) == [50, 95, 99])
        // The first two looks chose them.
        #expect(state.latency[0].comparison.counted.canary.trials == 400)
    }

    @Test("numbers are written as people read them")
    func text() {
        #expect(JudgeText.percent(0.041) == "4.1 %")
        #expect(JudgeText.percent(0.5) == "50 %")
        #expect(JudgeText.percent(0.0058) == "0.58 %")
        #expect(JudgeText.percent(0.00012) == "0.012 %")
        #expect(JudgeText.percent(0) == "0 %")
        #expect(JudgeText.percent(1) == "100 %")
        #expect(JudgeText.points(0.01) == "1 percentage point")
        #expect(JudgeText.points(0.025) == "2.5 percentage points")
        #expect(JudgeText.confidence(0.9976) == "99.7 %")
        #expect(JudgeText.confidence(0.99999) == "over 99.9 %")
        #expect(JudgeText.seconds(0.2) == "200 ms")
        #expect(JudgeText.seconds(2.5) == "2.5 s")
    }
}
