// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Defaults of flags that a pod may set through its environment: a ModelDeployment can add a variable to the container
/// without repeating the command line that its ServingRuntime made.
enum EnvironmentDefault {
    /// The variable's number; `fallback` when it isn't set. A text that is no number becomes -1, which every flag refuses.
    static func integer(_ name: String, or fallback: Int) -> Int {
        guard let text = ProcessInfo.processInfo.environment[name], !text.isEmpty else { return fallback }
        return Int(text) ?? -1
    }
}
