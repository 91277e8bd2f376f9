// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What the node lifecycle controller wants of one node, as a pure function of it, its lease and the time.
struct NodePlan: Equatable {
    /// The conditions that a node reports, which all become unknown when it is lost.
    static let reported = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]

    /// The conditions to write; `nil` to leave them.
    private(set) var conditions: [JSONValue]?
    /// The taints to write; `nil` to leave them.
    private(set) var taints: [Taint]?
    /// Whether the node, as it will be, is not ready: its pods aren't either.
    private(set) var isReady: Bool
    /// When to look again although nothing changes.
    private(set) var requeue: Duration?

    /// Decides for `node`, which last renewed its lease at `seen` and is lost after a silence of `grace`.
    init(node: KubeObject, seen: WallTime, grace: Duration, now: WallTime) {
        let silence = now - seen
        let isLost = silence > grace
        var conditions = node["status", "conditions"]?.array ?? []
        if isLost {
            for type in Self.reported { Self.forget(type, in: &conditions, seen: seen, now: now) }
        } else {
            requeue = grace - silence + .milliseconds(10)
        }
        if conditions != node["status", "conditions"]?.array ?? [] { self.conditions = conditions }
        let ready = conditions.first { $0["type"] == "Ready" }?["status"]?.string ?? "Unknown"
        isReady = ready == "True"
        var wanted: [Taint] = []
        if ready == "Unknown" {
            wanted += [Taint.Effect.noSchedule, .noExecute].map {
                Taint(key: Taint.unreachable, effect: $0, added: now)
            }
        } else if ready == "False" {
            wanted += [Taint.Effect.noSchedule, .noExecute].map { Taint(key: Taint.notReady, effect: $0, added: now) }
        }
        if node["spec", "unschedulable"]?.bool ?? false {
            wanted.append(Taint(key: Taint.unschedulable, effect: .noSchedule, added: now))
        }
        let present = Taint.all(of: node)
        let own = [Taint.unreachable, Taint.notReady, Taint.unschedulable]
        let kept = present.filter { taint in !own.contains(taint.key) || wanted.contains { $0.isLike(taint) } }
        let new = kept + wanted.filter { taint in !kept.contains { $0.isLike(taint) } }
        if new != present { taints = new }
    }

    private static func forget(_ type: String, in conditions: inout [JSONValue], seen: WallTime, now: WallTime) {
        let index = conditions.firstIndex { $0["type"]?.string == type }
        let old = index.map { conditions[$0] }
        guard old?["status"] != "Unknown" else { return }
        let condition: JSONValue = [
            "type": .string(type), "status": "Unknown",
            "reason": old == nil ? "NodeStatusNeverUpdated" : "NodeStatusUnknown",
            "message": old == nil ? "Kubelet never posted node status." : "Kubelet stopped posting node status.",
            "lastHeartbeatTime": old?["lastHeartbeatTime"] ?? .string(seen.rfc3339),
            "lastTransitionTime": .string(now.rfc3339),
        ]
        if let index { conditions[index] = condition } else { conditions.append(condition) }
    }
}
