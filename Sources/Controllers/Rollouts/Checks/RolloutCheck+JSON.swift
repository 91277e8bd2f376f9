// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

extension RolloutCheck {
    /// What came of a check.
    init(_ name: String, _ answer: Answer, _ message: String) {
        self.init(name: name, answer: answer, message: message)
    }

    /// As status shows it.
    var json: JSONValue {
        let result =
            switch answer {
            case .passed: "Passed"
            case .failed: "Failed"
            case .unknown: "NoData"
            }
        return ["name": .string(name), "result": .string(result), "message": .string(message)]
    }
}
