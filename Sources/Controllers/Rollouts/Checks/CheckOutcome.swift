// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

/// What came of one check.
struct CheckOutcome: Sendable, Hashable {
    /// The answer.
    enum Result: String, Sendable, Hashable {
        /// The check is content.
        case passed = "Passed"
        /// The check says no: the canary is rolled back.
        case failed = "Failed"
        /// The check couldn't answer. It isn't a pass.
        case noData = "NoData"
    }

    /// The check's name.
    var name: String
    /// The answer.
    var result: Result
    /// What was found, as a clause.
    var detail: String

    /// An outcome.
    init(_ name: String, _ result: Result, _ detail: String) {
        self.name = name
        self.result = result
        self.detail = detail
    }

    /// As status shows it.
    var json: JSONValue {
        ["name": .string(name), "result": .string(result.rawValue), "message": .string(detail)]
    }
}

extension Judgement {
    /// The judgement together with what the checks say.
    ///
    /// | judge | checks | verdict |
    /// | --- | --- | --- |
    /// | worse | any | worse |
    /// | any other | one failed | worse |
    /// | notWorse | all passed | notWorse |
    /// | notWorse | none failed, one has no data | noData |
    /// | inconclusive, noData | none failed | as the judge says |
    func with(_ checks: [CheckOutcome]) -> Judgement {
        guard verdict != .worse else { return self }
        var both = self
        if let failed = checks.first(where: { $0.result == .failed }) {
            both.verdict = .worse
            both.reason = "check \"\(failed.name)\" failed: \(failed.detail)"
        } else if verdict == .notWorse, let silent = checks.first(where: { $0.result == .noData }) {
            both.verdict = .noData
            both.reason = "no data: check \"\(silent.name)\" can't answer: \(silent.detail)"
        }
        return both
    }
}
