// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// One measure's capital, its weight in the whole, and what it says.
private struct Measure {
    var weight: Double
    var capital: Double
    var sentence: String
}

extension Judge {
    /// The measures with their weights; which there are depends on the settings alone, so the weights never depend on the data.
    private func measures(_ state: JudgeState) -> [Measure] {
        var measures = [
            Measure(
                weight: 1,
                capital: state.errors.worse.total,
                sentence: Self.errors(state.errors.totals) + ": worse"
            )
        ]
        if state.latency.isEmpty { measures.append(Measure(weight: 1, capital: 1, sentence: "")) }
        for bound in state.latency {
            measures.append(
                Measure(
                    weight: 1 / Double(state.latency.count),
                    capital: bound.comparison.worse.total,
                    sentence: Self.slower(bound, bound.comparison.totals) + ": slower"
                )
            )
        }
        if let most = settings.maxDrift {
            let worst = state.drift.max {
                max($0.larger.total, $0.smaller.total) < max($1.larger.total, $1.smaller.total)
            }
            let all = state.drift.flatMap { [$0.larger.total, $0.smaller.total] }
            let mean = all.isEmpty ? 1 : all.reduce(0, +) / Double(all.count)
            let totals = worst?.totals ?? PairedCounts()
            let category = worst.flatMap { state.drift.firstIndex(of: $0) } ?? 0
            let name = state.outputNames.flatMap { $0.indices.contains(category) ? $0[category] : nil } ?? ""
            let sentence =
                "canary outputs \(name.isEmpty ? "of category \(category)" : "\"\(name)\"") \(JudgeText.count(totals.canary)) against "
                + "\(JudgeText.count(totals.stable)): different by more than \(JudgeText.points(most))"
            measures.append(Measure(weight: 0.5, capital: mean, sentence: sentence))
        }
        if let limit = settings.maxErrorRatio {
            let sentence =
                "canary errors \(JudgeText.count(state.errorLimit.total)): above maxErrorRatio \(JudgeText.percent(limit))"
            measures.append(Measure(weight: 0.5, capital: state.errorLimit.broken.total, sentence: sentence))
        }
        if let limit = settings.maxLatency {
            let sentence =
                "\(JudgeText.count(state.latencyLimit.total)) of the canary's requests took longer than "
                + "\(JudgeText.seconds(limit.seconds)): p\(Self.short(limit.percentile)) above maxLatency"
            measures.append(Measure(weight: 0.5, capital: state.latencyLimit.broken.total, sentence: sentence))
        }
        return measures
    }

    /// Keeps the largest capital, and who led then.
    func remember(_ state: inout JudgeState) {
        let measures = measures(state)
        let weight = measures.reduce(0) { $0 + $1.weight }
        let mean = measures.reduce(0) { $0 + $1.weight * $1.capital } / weight
        guard mean > state.peak else { return }
        // The first reason that was enough stays: a later, larger capital doesn't change what was decided on.
        if state.peak < 1 / settings.falseRollbackRate || state.peakReason == nil {
            state.peakReason = measures.max { $0.weight * $0.capital < $1.weight * $1.capital }?.sentence
        }
        state.peak = mean
    }

    /// The judgement on what is known.
    public func judgement(_ state: JudgeState) -> Judgement {
        let worse = 1 - 1 / max(1, state.peak)
        if state.peak >= 1 / settings.falseRollbackRate {
            let reason = (state.peakReason ?? "canary is worse") + " with \(JudgeText.confidence(worse)) confidence"
            return Judgement(verdict: .worse, reason: reason, confidenceWorse: worse)
        }
        if let missing = missing(state) {
            return Judgement(verdict: .noData, reason: missing, confidenceWorse: worse)
        }
        let tests = marginTests(state)
        let least = tests.min { $0.capital < $1.capital }
        let passed = least.map { max(0, 1 - 1 / max($0.capital, 1e-9)) } ?? 0
        let needed = JudgeText.confidence(1 - settings.falsePromotionRate)
        if passed >= 1 - settings.falsePromotionRate {
            if let broken = brokenLimit(state) {
                let reason = "\(broken), but that isn't certain yet"
                return Judgement(
                    verdict: .inconclusive,
                    reason: reason,
                    confidenceWorse: worse,
                    confidenceNotWorse: passed
                )
            }
            return Judgement(
                verdict: .notWorse,
                reason: Self.errors(state.errors.counted)
                    + ": not worse by more than \(JudgeText.points(settings.errorMargin)) with "
                    + "\(JudgeText.confidence(passed)) confidence",
                confidenceWorse: worse,
                confidenceNotWorse: passed
            )
        }
        return Judgement(
            verdict: .inconclusive,
            reason: inconclusive(state, least?.sentence)
                + ": not certain yet (worse: \(JudgeText.confidence(worse)) of "
                + "\(JudgeText.confidence(1 - settings.falseRollbackRate)), not worse: \(JudgeText.confidence(passed)) of \(needed))",
            confidenceWorse: worse,
            confidenceNotWorse: passed
        )
    }

    /// Why there is nothing to compare; `nil` where there is something.
    private func missing(_ state: JudgeState) -> String? {
        let remarks = state.remarks.isEmpty ? "" : " (" + state.remarks.joined(separator: "; ") + ")"
        if state.seen.canary.trials == 0 {
            return "no data: no request of the canary counts yet\(remarks)"
        }
        if state.seen.stable.trials == 0 {
            return "no data: no request of the stable track counts, so there is nothing to compare with\(remarks)"
        }
        return nil
    }

    private struct MarginEvidence {
        var capital: Double
        var sentence: String
    }

    /// The margins that apply: a measure that neither track has is left out, one that only one track has can't pass.
    private func marginTests(_ state: JudgeState) -> [MarginEvidence] {
        var tests: [MarginEvidence] = []
        let answers = state.errors.counted
        if answers.canary.trials + answers.stable.trials > 0 {
            tests.append(MarginEvidence(capital: state.errors.notWorse.total, sentence: Self.errors(answers)))
        }
        for bound in state.latency {
            let counts = bound.comparison.counted
            tests.append(
                MarginEvidence(capital: bound.comparison.notWorse.total, sentence: Self.slower(bound, counts))
            )
        }
        // Durations are known, but too few to choose bounds by.
        if state.latency.isEmpty, let known = state.stableLatency, known.total < Self.requestsForBounds {
            tests.append(
                MarginEvidence(capital: 1, sentence: "only \(known.total) durations of the stable track are known")
            )
        }
        return tests
    }

    private func inconclusive(_ state: JudgeState, _ sentence: String?) -> String {
        let fewest = max(state.errors.counted.fewest, state.latency.first?.comparison.counted.fewest ?? 0)
        guard fewest >= settings.minimumRequests else {
            return
                "not enough traffic, \(state.seen.canary.trials) requests of the canary and \(state.seen.stable.trials) of the "
                + "stable track; at least \(settings.minimumRequests) of each over the same time are needed"
        }
        return sentence ?? Self.errors(state.errors.counted)
    }

    /// The limit that the canary's counts are above, whether or not that is certain.
    private func brokenLimit(_ state: JudgeState) -> String? {
        if let limit = settings.maxErrorRatio, let share = (state.errorLimit.total + state.errorLimit.pending).share,
            share > limit
        {
            return "canary errors \(JudgeText.percent(share)) are above maxErrorRatio \(JudgeText.percent(limit))"
        }
        if let limit = settings.maxLatency, let share = (state.latencyLimit.total + state.latencyLimit.pending).share,
            share > 1 - limit.percentile / 100
        {
            return
                "\(JudgeText.percent(share)) of the canary's requests took longer than \(JudgeText.seconds(limit.seconds))"
                + " (maxLatency)"
        }
        return nil
    }

    private static func errors(_ counts: PairedCounts) -> String {
        "canary errors \(JudgeText.count(counts.canary)) against \(JudgeText.count(counts.stable))"
    }

    private static func slower(_ bound: BoundComparison, _ counts: PairedCounts) -> String {
        "canary requests over \(JudgeText.seconds(bound.bound)) \(JudgeText.count(counts.canary)) against "
            + "\(JudgeText.count(counts.stable)), near the stable track's p\(short(bound.percentile))"
    }

    private static func short(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(min(value, 1e9)))" : "\(value)"
    }
}
