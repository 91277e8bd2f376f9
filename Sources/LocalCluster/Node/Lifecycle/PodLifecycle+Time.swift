// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What follows from the time alone: starts, stops, kills and questions.
extension PodLifecycle {
    /// Brings everything to where it should be at `now`.
    mutating func advance(now: WallTime, _ actions: inout [PodAction]) {
        guard startTime != nil else { return }
        if deadline == nil, !isOver, let expiry, expiry <= now {
            isExpired = true
            let text = "Pod was active on the node longer than the specified deadline"
            actions.append(.event(isWarning: false, reason: "DeadlineExceeded", message: text))
        }
        if deadline != nil {
            stopContainers(now: now, &actions)
        } else if isExpired {
            stopRunning(within: grace, now: now, &actions)
        } else {
            startContainers(now: now, &actions)
            if isOver { stopRunning(within: grace, now: now, &actions) }
        }
        for index in containers.indices where containers[index].runningSince != nil {
            var record = containers[index]
            if var stop = record.stop {
                if stop.killAt <= now && !stop.isKilled {
                    stop.isKilled = true
                    record.stop = stop
                    actions.append(.signal(container: record.name, instance: record.instance, .kill))
                }
            } else {
                for probe in record.probes.indices
                where isDue(record.probes[probe], record) && record.probes[probe].next <= now {
                    record.probes[probe].isAsked = true
                    let kind = record.probes[probe].kind
                    actions.append(.probe(container: record.name, instance: record.instance, kind))
                }
            }
            containers[index] = record
        }
    }

    private mutating func startContainers(now: WallTime, _ actions: inout [PodAction]) {
        for index in containers.indices {
            let record = containers[index]
            if !record.isInit && !isInitialized { return }
            if case .waiting(_, _, let until) = record.state, until ?? now <= now, !(record.isSidecar && isOver) {
                containers[index].state = .starting
                actions.append(.start(container: record.name, instance: record.instance))
            }
            guard record.isInit else { continue }
            let isDone = record.isSidecar ? containers[index].hasStarted : record.end?.code == 0
            if !isDone { return }
        }
    }

    private mutating func stopContainers(now: WallTime, _ actions: inout [PodAction]) {
        guard let deadline else { return }
        let left = max(0, Int((deadline - now).inSeconds.rounded(.up)))
        stopRunning(within: left, now: now, &actions)
        if !isFinished && !containers.contains(where: \.isLive) {
            isFinished = true
            actions.append(.finished)
        }
    }

    /// Stops what runs and isn't being stopped; a hook after the start isn't waited for.
    private mutating func stopRunning(within grace: Int, now: WallTime, _ actions: inout [PodAction]) {
        for index in containers.indices where containers[index].awaitsHook {
            Self.noteRunning(&containers[index], now: now)
        }
        for index in containers.indices where containers[index].runningSince != nil && containers[index].stop == nil {
            let name = containers[index].name
            actions.append(.event(isWarning: false, reason: "Killing", message: "Stopping container \(name)"))
            stop(&containers[index], grace: grace, now: now, &actions)
        }
    }
}
