// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

extension KubeObject {
    /// The condition of a type in `status.conditions`.
    func condition(_ type: String) -> JSONValue? {
        self["status", "conditions"]?.array?.first { $0["type"]?.string == type }
    }

    /// Whether a condition is `True`.
    func isConditionTrue(_ type: String) -> Bool { condition(type)?["status"]?.string == "True" }

    /// A pod's phase; `Pending` when none is known.
    var podPhase: String { self["status", "phase"]?.string ?? "Pending" }

    /// The node that a pod was given to; `nil` while it waits for one.
    var nodeName: String? { self["spec", "nodeName"]?.string.flatMap { $0.isEmpty ? nil : $0 } }

    /// Whether a pod ran to its end.
    var isPodFinished: Bool { podPhase == "Succeeded" || podPhase == "Failed" }

    /// Whether a pod counts towards its replica set: neither finished nor being deleted.
    var isPodActive: Bool { !isPodFinished && !isBeingDeleted }

    /// Whether a pod is ready.
    var isPodReady: Bool { isConditionTrue("Ready") }

    /// When a pod became ready.
    var podReadySince: WallTime? {
        guard isPodReady else { return nil }
        return condition("Ready")?["lastTransitionTime"]?.string.flatMap(WallTime.init(rfc3339:))
    }

    /// Whether a pod has been ready for `minimum`.
    func isPodAvailable(minimum: Duration, now: WallTime) -> Bool {
        guard isPodReady else { return false }
        guard minimum > .zero, let since = podReadySince else { return minimum <= .zero }
        return since + minimum <= now
    }
}
