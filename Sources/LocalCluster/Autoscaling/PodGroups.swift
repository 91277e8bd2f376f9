// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Scaling

/// One pod's value of a metric.
struct PodReading: Sendable, Hashable {
    /// The value, in thousandths.
    var value: Int64
    /// When it was taken; `nil` where the metric doesn't say.
    var time: WallTime?
    /// Over which time it was taken.
    var window: Duration = .seconds(60)
}

/// The pods of a target by what their readings are worth (`groupPods` in `replica_calculator.go`).
struct PodGroups: Sendable {
    /// The controller manager's `--horizontal-pod-autoscaler-cpu-initialization-period`.
    static let initialization = Duration.seconds(300)
    /// The controller manager's `--horizontal-pod-autoscaler-initial-readiness-delay`.
    static let readinessDelay = Duration.seconds(30)

    /// The pods whose readings count, and the readings.
    private(set) var counted: [(pod: KubeObject, reading: PodReading)] = []
    /// The pods that run and have no reading.
    private(set) var missing: [KubeObject] = []
    /// The pods that aren't there yet: what they show says nothing.
    private(set) var unready: [KubeObject] = []

    /// Groups `pods`; pods that are going or have failed are left out.
    /// - Parameter isProcessorTime: whether the metric is CPU, which is high while a program starts.
    init(_ pods: [KubeObject], readings: [String: PodReading], isProcessorTime: Bool, now: WallTime) {
        for pod in pods {
            let phase = pod["status", "phase"]?.string
            if pod.isBeingDeleted || phase == "Failed" { continue }
            if phase == "Pending" {
                unready.append(pod)
            } else if let reading = readings[pod.name] {
                if isProcessorTime, Self.isStarting(pod, reading, now: now) {
                    unready.append(pod)
                } else {
                    counted.append((pod, reading))
                }
            } else {
                missing.append(pod)
            }
        }
    }

    private static func isStarting(_ pod: KubeObject, _ reading: PodReading, now: WallTime) -> Bool {
        guard let ready = ConditionSet(pod)["Ready"], let changed = ready.lastTransitionTime,
            let start = pod["status", "startTime"]?.string.flatMap(WallTime.init(rfc3339:))
        else { return true }
        if start + initialization > now {
            return ready.status == .isFalse || reading.time.map { $0 < changed + reading.window } ?? false
        }
        return ready.status == .isFalse && start + readinessDelay > changed
    }
}

/// What pods request of a resource.
enum PodRequests {
    /// What one container requests; without one what the pod says for itself, else the sum over its containers and
    /// sidecars; in thousandths.
    /// - Throws: `MetricFailure` with the container, or pod, that requests nothing.
    static func of(
        _ pod: KubeObject,
        _ resource: String,
        container wanted: String?,
        reason: String
    ) throws(MetricFailure) -> Int64 {
        if wanted == nil, NodeFilter.hasRequests(pod) {
            if let request = NodeFilter.requests(of: pod)[resource] { return request.milliValue }
            throw MetricFailure(
                reason: reason,
                message: "failed to get \(resource) utilization: missing pod-level request for \(resource) "
                    + "in Pod \(pod.name)"
            )
        }
        let sidecars = (pod["spec", "initContainers"]?.array ?? []).filter { $0["restartPolicy"] == "Always" }
        var sum: Int64 = 0
        var isFound = false
        for container in (pod["spec", "containers"]?.array ?? []) + sidecars {
            let name = container["name"]?.string ?? ""
            if let wanted, wanted != name { continue }
            isFound = true
            guard let request = Quantity(container.at("resources", "requests", resource))?.milliValue else {
                throw MetricFailure(
                    reason: reason,
                    message:
                        "failed to get \(resource) utilization: missing request for \(resource) in container \(name) "
                        + "of Pod \(pod.name)"
                )
            }
            sum = HPAReplicaCalculator.sum(sum, request)
        }
        guard isFound || wanted == nil else {
            throw MetricFailure(
                reason: reason,
                message: "failed to get \(resource) utilization: container \(wanted ?? "") not found in Pod \(pod.name)"
            )
        }
        return sum
    }
}
