// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Fields of other managers that an apply would change.
struct FieldConflict: Error {
    /// The fields by manager.
    var fields: [FieldManager: FieldSet] = [:]

    /// The answer in the words of the API server; of each manager's fields it names a thousand.
    var status: APIStatus {
        let groups = fields.map { (manager: $0.key.text, paths: $0.value.paths(limit: FieldCauses.maximum)) }
            .sorted { $0.manager < $1.manager }
        let causes = groups.flatMap { group in
            group.paths.map {
                APIStatus.Cause(reason: "FieldManagerConflict", message: "conflict with \(group.manager)", field: $0)
            }
        }
        let message: String
        if causes.count == 1, let only = causes.first {
            message = "Apply failed with 1 conflict: \(only.message): \(only.field)"
        } else {
            let lines = groups.flatMap { ["conflicts with \($0.manager):"] + $0.paths.map { "- \($0)" } }
            message = "Apply failed with \(causes.count) conflicts: \(lines.joined(separator: "\n"))"
        }
        return APIStatus(code: 409, reason: "Conflict", message: message, causes: causes)
    }
}
