// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What follows from the answers of probes.
extension PodLifecycle {
    /// Notes the answer of a probe.
    func noteProbe(
        _ record: inout ContainerRecord,
        _ kind: ProbeKind,
        _ passed: Bool,
        _ message: String,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        guard let index = record.probes.firstIndex(where: { $0.kind == kind }), record.runningSince != nil else {
            return
        }
        let verdict = record.probes[index].answer(passed, now: now)
        if !passed {
            let text = "\(kind.title) probe failed: \(message)"
            actions.append(.event(isWarning: true, reason: "Unhealthy", message: text, field: record.field))
        }
        switch (kind, verdict) {
        case (.startup, true):
            record.hasStarted = true
            record.isReady = !record.probes.contains { $0.kind == .readiness }
            for other in record.probes.indices where record.probes[other].kind != .startup {
                record.probes[other].next = max(now, record.probes[other].next)
            }
        case (.readiness, .some(let isReady)): record.isReady = isReady
        case (.startup, false), (.liveness, false):
            guard record.stop == nil else { return }
            let text = "Container \(record.name) failed \(kind.rawValue) probe, will be restarted"
            actions.append(.event(isWarning: false, reason: "Killing", message: text, field: record.field))
            stop(&record, grace: record.probes[index].grace ?? grace, isOrdered: false, now: now, &actions)
        default: break
        }
    }

    /// Notes that a probe couldn't be asked, which says nothing about the container.
    static func noteSilence(
        _ record: inout ContainerRecord,
        _ kind: ProbeKind,
        _ message: String,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        guard let index = record.probes.firstIndex(where: { $0.kind == kind }), record.runningSince != nil else {
            return
        }
        record.probes[index].skip(now: now)
        let text = "\(kind.title) probe errored and resulted in unknown state: \(message)"
        actions.append(.event(isWarning: true, reason: "Unhealthy", message: text, field: record.field))
    }

    /// Whether a probe is to be asked now or later.
    func isDue(_ probe: ProbeRecord, _ record: ContainerRecord) -> Bool {
        !probe.isAsked && (probe.kind == .startup ? !record.hasStarted : record.hasStarted)
    }
}
