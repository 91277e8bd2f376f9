// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The conditions of a Deployment, with the rules by which they change.
struct DeploymentConditions: Equatable {
    /// The list as it is written; a condition that changes goes to its end.
    private(set) var list: [JSONValue]

    /// The conditions of a status.
    init(_ status: JSONValue?) { list = status?["conditions"]?.array ?? [] }

    /// The condition of a type.
    subscript(_ type: String) -> JSONValue? { list.first { $0["type"]?.string == type } }

    /// Takes a condition away.
    mutating func remove(_ type: String) { list.removeAll { $0["type"]?.string == type } }

    /// Sets a condition; nothing changes, not even its message, where status and reason are the same already.
    ///
    /// The transition time changes with the status. `refreshes` writes it anew in any case, with a new update time:
    /// that is how progress is noted.
    mutating func set(
        _ type: String,
        _ status: String,
        reason: String,
        message: String,
        now: WallTime,
        refreshes: Bool = false
    ) {
        let present = self[type]
        let keepsStatus = present?["status"]?.string == status
        if keepsStatus && present?["reason"]?.string == reason && !refreshes { return }
        let time = JSONValue.string(now.rfc3339)
        remove(type)
        list.append([
            "type": .string(type), "status": .string(status), "reason": .string(reason), "message": .string(message),
            "lastUpdateTime": time,
            "lastTransitionTime": keepsStatus ? present?["lastTransitionTime"] ?? time : time,
        ])
    }
}
