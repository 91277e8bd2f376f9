// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The life of one pod on the node, without I/O: what happened goes in, what to do comes out.
struct PodLifecycle: Sendable {
    /// A run this long makes earlier failures forgotten (the kubelet's rule).
    static let forgiveness: Duration = .seconds(600)

    /// The containers in order, init containers first.
    var containers: [ContainerRecord]
    /// `Always`, `OnFailure` or `Never`.
    let restartPolicy: String
    /// The seconds between a polite stop and a kill, as the pod says.
    let grace: Int
    /// When the node took the pod.
    private(set) var startTime: WallTime?
    /// When everything is killed; set once the pod is being deleted.
    private(set) var deadline: WallTime?
    /// How long the pod may be active; `nil` for as long as it likes.
    let activeLimit: Duration?
    /// Whether that time has passed: the pod fails.
    var isExpired = false
    private let title: String
    private let backoff: Backoff
    private let random: any RandomSource
    /// Whether it was told that the pod can go.
    var isFinished = false

    /// The waits between tries to set volumes up, as the kubelet's.
    private static let mountBackoff = Backoff(initial: .milliseconds(500), maximum: .seconds(122), factor: 2, jitter: 0)

    /// The life of `pod`, which hasn't begun.
    init(pod: KubeObject, backoff: Backoff, random: any RandomSource) {
        let inits = (pod["spec", "initContainers"]?.array ?? []).map { ContainerRecord(spec: $0, isInit: true) }
        containers =
            inits
            + (pod["spec", "containers"]?.array ?? []).map { spec in
                var record = ContainerRecord(spec: spec, isInit: false)
                if !inits.isEmpty { record.state = .waiting(reason: "PodInitializing", message: "", until: nil) }
                return record
            }
        restartPolicy = pod["spec", "restartPolicy"]?.string ?? "Always"
        grace = max(0, pod["spec", "terminationGracePeriodSeconds"]?.int ?? 30)
        activeLimit = pod["spec", "activeDeadlineSeconds"]?.int.map { .seconds(min(max(1, $0), 1 << 31)) }
        title = "\(pod.name)_\(pod.namespace ?? "")(\(pod.uid ?? ""))"
        self.backoff = backoff
        self.random = random
    }

    /// Takes over what an earlier run of the node reported of the same pod.
    mutating func restore(_ status: JSONValue?, now: WallTime) {
        startTime = status?["startTime"]?.string.flatMap(WallTime.init(rfc3339:))
        let statuses = ["initContainerStatuses", "containerStatuses"].flatMap { status?[$0]?.array ?? [] }
        for index in containers.indices {
            if let own = statuses.first(where: { $0["name"]?.string == containers[index].name }) {
                containers[index].restore(own, now: now)
            }
        }
    }

    /// Takes in what happened and answers what to do, in order.
    mutating func handle(_ input: PodInput, now: WallTime) -> [PodAction] {
        var actions: [PodAction] = []
        let rules = self
        switch input {
        case .begin: startTime = startTime ?? now
        case .timePassed: break
        case .delete(let seconds): delete(grace: seconds, now: now)
        case .sourcesChanged: hurry(now: now)
        case .started(let name, let instance):
            change(name, instance) { Self.noteStart(&$0, now: now, &actions) }
        case .postStarted(let name, let instance, let wrong):
            change(name, instance) { rules.notePostStart(&$0, wrong, now: now, &actions) }
        case .failed(let name, let instance, let failure):
            change(name, instance) { rules.noteFailure(&$0, failure, now: now, &actions) }
        case .exited(let name, let instance, let exit, let message):
            change(name, instance) { rules.noteExit(&$0, exit, message, now: now, &actions) }
        case .hookEnded(let name, let instance):
            change(name, instance) { $0.stop?.runsHook = false }
        case .probed(let name, let instance, let kind, let passed, let message):
            change(name, instance) { rules.noteProbe(&$0, kind, passed, message, now: now, &actions) }
        case .unanswered(let name, let instance, let kind, let message):
            change(name, instance) { Self.noteSilence(&$0, kind, message, now: now, &actions) }
        }
        advance(now: now, &actions)
        return actions
    }

    /// When to call `handle(.timePassed)` next; `nil` when only news can change anything.
    var nextDeadline: WallTime? {
        var times: [WallTime] = []
        if let expiry, deadline == nil, !isOver { times.append(expiry) }
        for index in startable {
            if case .waiting(_, _, .some(let until)) = containers[index].state { times.append(until) }
        }
        for record in containers where record.runningSince != nil {
            if let stop = record.stop {
                if !stop.isKilled { times.append(stop.killAt) }
            } else {
                times += record.probes.filter { isDue($0, record) }.map(\.next)
            }
        }
        return times.min()
    }

    /// Whether the init containers have done their part; once that is so it stays so, also while sidecars restart.
    var isInitialized: Bool {
        containers.contains { !$0.isInit && $0.hasBegun } || containers.allSatisfy { !$0.isInit || $0.isDone }
    }

    /// Whether an init container failed for good; how a sidecar ends doesn't count.
    var hasFailedInit: Bool {
        containers.contains { $0.isInit && !$0.isSidecar && ($0.end.map { $0.code != 0 } ?? false) }
    }

    /// Whether every container of the pod, but for sidecars, has ended for good.
    var isOver: Bool { hasFailedInit || containers.allSatisfy { $0.isInit || $0.end != nil } }

    /// When the pod fails because it has been active for too long.
    var expiry: WallTime? {
        guard !isExpired, let startTime, let activeLimit else { return nil }
        return startTime + activeLimit
    }

    // MARK: Changes

    /// Makes containers that wait for something outside look again at once.
    private mutating func hurry(now: WallTime) {
        for index in containers.indices {
            guard case .waiting(let reason, let message, .some(let until)) = containers[index].state, until > now,
                reason == "CreateContainerConfigError" || containers[index].mountFailures > 0
            else { continue }
            containers[index].state = .waiting(reason: reason, message: message, until: now)
        }
    }

    private mutating func change(_ name: String, _ instance: Int, _ body: (inout ContainerRecord) -> Void) {
        guard let index = containers.firstIndex(where: { $0.name == name && $0.instance == instance }),
            containers[index].isLive
        else { return }
        var record = containers[index]
        body(&record)
        containers[index] = record
    }

    private mutating func delete(grace: Int, now: WallTime) {
        let wanted = now + .seconds(max(0, grace))
        if let deadline, deadline <= wanted { return }
        deadline = wanted
        for index in containers.indices {
            guard let stop = containers[index].stop else { continue }
            let least = stop.isAsked ? now + Self.leastGrace : now
            containers[index].stop?.killAt = min(stop.killAt, max(wanted, least))
        }
    }

    private static func noteStart(_ record: inout ContainerRecord, now: WallTime, _ actions: inout [PodAction]) {
        record.countStart()
        record.mountFailures = 0
        record.imageFailures = 0
        for (reason, message) in [
            ("Pulled", "Container image \"\(record.image)\" already present on machine and can be accessed by the pod"),
            ("Created", "Container created"), ("Started", "Container started"),
        ] {
            actions.append(.event(isWarning: false, reason: reason, message: message, field: record.field))
        }
        guard record.spec.at("lifecycle", "postStart")?.object != nil else {
            noteRunning(&record, now: now)
            return
        }
        record.awaitsHook = true
        actions.append(.runPostStart(container: record.name, instance: record.instance))
    }

    /// Notes that a container runs, its hook after the start behind it.
    static func noteRunning(_ record: inout ContainerRecord, now: WallTime) {
        record.awaitsHook = false
        record.state = .running(since: now)
        record.probes = ProbeKind.allCases.compactMap { ProbeRecord($0, container: record.spec, start: now) }
        record.hasStarted = !record.probes.contains { $0.kind == .startup }
        record.isReady = record.hasStarted && !record.probes.contains { $0.kind == .readiness }
        record.stop = nil
    }

    private func notePostStart(
        _ record: inout ContainerRecord,
        _ wrong: String?,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        guard record.awaitsHook else { return }
        Self.noteRunning(&record, now: now)
        guard let wrong else { return }
        let text = "PostStartHook failed: \(wrong)"
        actions.append(.event(isWarning: true, reason: "FailedPostStartHook", message: text, field: record.field))
        actions.append(
            .event(isWarning: false, reason: "Killing", message: "FailedPostStartHook", field: record.field)
        )
        stop(&record, grace: grace, isOrdered: false, now: now, &actions)
    }

    private func noteFailure(
        _ record: inout ContainerRecord,
        _ failure: StartFailure,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        switch failure.kind {
        case .process:
            record.countStart()
            let text = "Error: \(failure.message)"
            actions.append(.event(isWarning: true, reason: "Failed", message: text, field: record.field))
            let end = ContainerEnd(code: 128, reason: "StartError", message: failure.message, started: now, ended: now)
            finish(&record, end, now: now, &actions)
        case .mount:
            record.mountFailures += 1
            let waits = record.isInit || containers.contains(where: \.isInit)
            record.state = .waiting(
                reason: waits ? "PodInitializing" : "ContainerCreating",
                message: "",
                until: now + Self.mountBackoff.delay(attempt: record.mountFailures, random: random)
            )
            actions.append(.event(isWarning: true, reason: "FailedMount", message: failure.message))
        case .image: noteMissingImage(&record, failure.message, now: now, &actions)
        case .configuration:
            let reason = "CreateContainerConfigError"
            record.state = .waiting(reason: reason, message: failure.message, until: now + backoff.initial)
            let text = "Error: \(failure.message)"
            actions.append(.event(isWarning: true, reason: "Failed", message: text, field: record.field))
        }
        record.instance += 1
    }

    private func noteMissingImage(
        _ record: inout ContainerRecord,
        _ wrong: String,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        record.imageFailures += 1
        let isFirst = record.imageFailures == 1
        let reason = isFirst ? "ErrImagePull" : "ImagePullBackOff"
        let backOff = "Back-off pulling image \"\(record.image)\""
        record.state = .waiting(
            reason: reason,
            message: isFirst ? wrong : "\(backOff): ErrImagePull: \(wrong)",
            until: now + backoff.delay(attempt: record.imageFailures, random: random)
        )
        let first = PodAction.event(isWarning: true, reason: "Failed", message: wrong, field: record.field)
        let later = PodAction.event(isWarning: false, reason: "BackOff", message: backOff, field: record.field)
        actions.append(isFirst ? first : later)
        actions.append(.event(isWarning: true, reason: "Failed", message: "Error: \(reason)", field: record.field))
    }

    private func noteExit(
        _ record: inout ContainerRecord,
        _ exit: ProcessExit,
        _ message: String,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        let end = ContainerEnd(
            code: exit.exitCode,
            reason: exit.exitCode == 0 ? "Completed" : "Error",
            message: message,
            started: record.runningSince,
            ended: now
        )
        finish(&record, end, now: now, &actions)
        record.instance += 1
    }

    /// Ends an instance: for good, or until the next start.
    private func finish(
        _ record: inout ContainerRecord,
        _ end: ContainerEnd,
        now: WallTime,
        _ actions: inout [PodAction]
    ) {
        if let started = end.started, end.ended - started >= Self.forgiveness { record.failures = 0 }
        record.stop = nil
        record.awaitsHook = false
        record.probes = []
        record.hasStarted = false
        record.isReady = false
        let policy =
            record.isSidecar ? "Always" : record.isInit && restartPolicy == "Always" ? "OnFailure" : restartPolicy
        guard deadline == nil, !isExpired, !(record.isSidecar && isOver),
            policy == "Always" || policy == "OnFailure" && end.code != 0
        else {
            record.state = .ended(end)
            return
        }
        record.lastEnd = end
        record.owesRestart = true
        record.failures += 1
        guard record.failures > 1 else {
            record.state = .waiting(reason: "ContainerCreating", message: "", until: now)
            return
        }
        let delay = backoff.delay(attempt: record.failures - 1, random: random)
        let message =
            "back-off \(Self.text(delay)) restarting failed container=\(record.name) pod=\(title)"
        record.state = .waiting(reason: "CrashLoopBackOff", message: message, until: now + delay)
        let text = "Back-off restarting failed container \(record.name) in pod \(title)"
        actions.append(.event(isWarning: true, reason: "BackOff", message: text, field: record.field))
    }

    /// A whole number of seconds as Go writes it: `10s`, `1m20s`, `5m0s`.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        return seconds < 60 ? "\(seconds)s" : "\(seconds / 60)m\(seconds % 60)s"
    }
}
