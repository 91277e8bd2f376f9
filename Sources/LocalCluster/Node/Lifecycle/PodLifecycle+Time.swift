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
        } else if isExpired || isOver {
            stopRunning(within: grace, now: now, &actions)
        } else {
            startContainers(now: now, &actions)
        }
        if deadline != nil || isExpired || isOver { settle() }
        for index in containers.indices where containers[index].runningSince != nil {
            if containers[index].stop == nil {
                askProbes(of: index, now: now, &actions)
            } else {
                proceedWithStop(of: index, now: now, &actions)
            }
        }
        if deadline != nil && !isFinished && !containers.contains(where: \.isLive) {
            isFinished = true
            actions.append(.finished)
        }
    }

    /// The containers that may be started once the time that they wait for has come.
    ///
    /// Init containers start one after the other, and sidecars among them restart by themselves. The others start after the last
    /// of them, or while one of them runs (the kubelet's `computeInitContainerActions`).
    var startable: [Int] {
        guard startTime != nil, deadline == nil, !isExpired, !isOver else { return [] }
        let inits = containers.prefix { $0.isInit }
        let next = inits.lastIndex(where: \.hasBegun).map { inits[$0].isDone ? $0 + 1 : $0 } ?? 0
        let isPast = next == inits.count || containers.contains { !$0.isInit && $0.isLive }
        return containers.indices.filter { index in
            let record = containers[index]
            guard case .waiting = record.state else { return false }
            guard record.isInit else { return isPast }
            return index == next || record.isSidecar && (isPast || index < next)
        }
    }

    private mutating func startContainers(now: WallTime, _ actions: inout [PodAction]) {
        for index in startable {
            guard case .waiting(_, _, let until) = containers[index].state, until ?? now <= now else { continue }
            containers[index].state = .starting
            actions.append(.start(container: containers[index].name, instance: containers[index].instance))
        }
    }

    private mutating func stopContainers(now: WallTime, _ actions: inout [PodAction]) {
        guard let deadline else { return }
        stopRunning(within: max(0, Int((deadline - now).inSeconds.rounded(.up))), now: now, &actions)
    }

    private mutating func askProbes(of index: Int, now: WallTime, _ actions: inout [PodAction]) {
        let record = containers[index]
        for probe in record.probes.indices
        where isDue(record.probes[probe], record) && record.probes[probe].next <= now {
            containers[index].probes[probe].isAsked = true
            let kind = record.probes[probe].kind
            actions.append(.probe(container: record.name, instance: record.instance, kind))
        }
    }
}
