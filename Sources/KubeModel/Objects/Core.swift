// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Views of core/v1 objects: the few fields that controllers read.
public enum Core {
    /// A view of a pod.
    public struct Pod: Sendable, Hashable {
        /// The whole object.
        public var object: KubeObject

        /// Views an object as a pod.
        public init(_ object: KubeObject) { self.object = object }

        /// `status.phase`: `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
        public var phase: String { object["status", "phase"]?.string ?? "Pending" }
        /// `status.podIP`; `nil` before there is one.
        public var podIP: String? { object["status", "podIP"]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        /// `spec.nodeName`; `nil` before the pod is scheduled.
        public var nodeName: String? { object["spec", "nodeName"]?.string.flatMap { $0.isEmpty ? nil : $0 } }
        /// `status.reason`, as `Evicted`.
        public var reason: String? { object["status", "reason"]?.string }
        /// `status.message`
        public var message: String? { object["status", "message"]?.string }
        /// The conditions.
        public var conditions: ConditionSet { ConditionSet(object) }
        /// Whether it takes traffic.
        public var isReady: Bool { conditions.isTrue("Ready") && !object.isBeingDeleted }
        /// Whether it has ended for good.
        public var isFinished: Bool { phase == "Succeeded" || phase == "Failed" }
        /// `status.containerStatuses`
        public var containerStatuses: [ContainerStatus] {
            (object["status", "containerStatuses"]?.array ?? []).map(ContainerStatus.init)
        }
        /// The restarts of all containers.
        public var restartCount: Int { containerStatuses.map(\.restartCount).reduce(0) { $0 &+ $1 } }
    }

    /// A view of one entry of `status.containerStatuses`.
    public struct ContainerStatus: Sendable, Hashable {
        /// The entry.
        public var json: JSONValue

        /// Views an entry.
        public init(_ json: JSONValue) { self.json = json }

        /// The container's name.
        public var name: String { json["name"]?.string ?? "" }
        /// Whether it is ready.
        public var isReady: Bool { json["ready"]?.bool ?? false }
        /// Whether it has started (its startup probe passed).
        public var hasStarted: Bool { json["started"]?.bool ?? false }
        /// How often it was restarted.
        public var restartCount: Int { json["restartCount"]?.int ?? 0 }
        /// The image that runs.
        public var image: String { json["image"]?.string ?? "" }
        /// Why it waits; `nil` when it doesn't.
        public var waitingReason: String? { json.at("state", "waiting", "reason")?.string }
        /// Whether it runs.
        public var isRunning: Bool { json.at("state", "running") != nil }
        /// How it ended; `nil` when it hasn't.
        public var exitCode: Int? { json.at("state", "terminated", "exitCode")?.int }
    }
}
