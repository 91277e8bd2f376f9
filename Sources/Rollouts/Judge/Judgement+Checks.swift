// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension Judgement {
    /// The judgement together with what the checks say.
    ///
    /// | judge | checks | verdict |
    /// | --- | --- | --- |
    /// | worse | any | worse |
    /// | any other | one failed | worse |
    /// | notWorse | all passed | notWorse |
    /// | notWorse, inconclusive | none failed, one can't tell | noData |
    /// | inconclusive | all passed | inconclusive |
    /// | noData | none failed | noData |
    public func with(_ checks: [RolloutCheck]) -> Judgement {
        guard verdict != .worse else { return self }
        var both = self
        if let failed = checks.first(where: { $0.answer == .failed }) {
            both.verdict = .worse
            both.reason = "check \"\(failed.name)\" failed: \(failed.message)"
        } else if verdict != .noData, let silent = checks.first(where: { $0.answer == .unknown }) {
            both.verdict = .noData
            both.reason = "no data: check \"\(silent.name)\" can't answer: \(silent.message)"
        }
        return both
    }
}
