// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// How containers are stopped: a hook, a polite signal, and at last a kill.
extension PodLifecycle {
    /// What a container has at least between the polite signal and the kill, whatever the hook has used up (the kubelet's
    /// `minimumGracePeriodInSeconds`).
    static let leastGrace: Duration = .seconds(2)

    /// Begins to stop a container; an ordered stop waits for the containers that a sidecar serves.
    func stop(
        _ record: inout ContainerRecord,
        grace: Int,
        isOrdered: Bool,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        let hasHook = record.spec.at("lifecycle", "preStop")?.object != nil && grace > 0
        record.stop = ContainerRecord.Stop(
            killAt: now + .seconds(max(0, grace)),
            runsHook: hasHook,
            isOrdered: isOrdered && record.isSidecar
        )
        if hasHook { actions.append(.runPreStop(container: record.name, instance: record.instance)) }
    }

    /// Stops what runs and isn't being stopped; a hook after the start isn't waited for.
    mutating func stopRunning(within grace: Int, now: WallTime, _ actions: inout [PodAction]) {
        for index in containers.indices where containers[index].awaitsHook {
            Self.noteRunning(&containers[index], now: now)
        }
        for index in containers.indices where containers[index].runningSince != nil && containers[index].stop == nil {
            let record = containers[index]
            let text = "Stopping container \(record.name)"
            actions.append(.event(isWarning: false, reason: "Killing", message: text, field: record.field))
            stop(&containers[index], grace: grace, isOrdered: true, now: now, &actions)
        }
    }

    /// Takes the stop of a container on: the polite signal once the hook has run and it is its turn, or the time is up; the kill
    /// when the time is up after that.
    mutating func proceedWithStop(of index: Int, now: WallTime, _ actions: inout [PodAction]) {
        let record = containers[index]
        guard var stop = record.stop, !stop.isKilled else { return }
        if !stop.isAsked, stop.killAt <= now || !stop.runsHook && (!stop.isOrdered || isTurn(of: index)) {
            stop.isAsked = true
            stop.killAt = max(stop.killAt, now + Self.leastGrace)
            actions.append(.signal(container: record.name, instance: record.instance, .terminate))
        } else if stop.isAsked, stop.killAt <= now {
            stop.isKilled = true
            actions.append(.signal(container: record.name, instance: record.instance, .kill))
        }
        containers[index].stop = stop
    }

    /// Whether a sidecar may end: what it serves has ended, and so have the sidecars after it (`newTerminationOrdering`).
    private func isTurn(of index: Int) -> Bool {
        containers[(index + 1)...].allSatisfy { !$0.isLive || $0.isInit && !$0.isSidecar }
    }

    /// What waited for its next start, which won't come, has ended as it did last.
    mutating func settle() {
        for index in containers.indices {
            guard case .waiting = containers[index].state, let end = containers[index].lastEnd else { continue }
            containers[index].state = .ended(end)
            containers[index].lastEnd = nil
        }
    }
}
