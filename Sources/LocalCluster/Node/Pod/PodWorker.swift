// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import Synchronization

/// What all pods of a node share.
struct PodSurroundings: Sendable {
    /// The API.
    let client: KubeClient
    /// The cluster's settings.
    let configuration: LocalClusterConfiguration
    /// The node's name.
    let nodeName: String
    /// Where events go.
    let events: EventRecorder
    /// The containers' logs.
    let logs: LogShelf
    /// The pods' addresses.
    let addresses: AddressPool
    /// Who asks probes.
    let prober: Prober
}

/// Runs one pod: feeds `PodLifecycle` with what happens and does what it says.
final class PodWorker: Sendable {
    /// An instance of a container that runs, and what it was started with.
    struct Instance {
        /// Counts the container's starts.
        var number: Int
        /// The process.
        var process: any PodProcess
        /// What it was started with.
        var request: ProcessRequest
    }

    /// What it knows.
    struct State {
        /// The pod as it was seen last.
        var pod: KubeObject
        /// The containers that run, by name.
        var processes: [String: Instance] = [:]
        /// The times at which it will be woken. A new one is earlier than all of them, so there are few.
        var alarms: Set<WallTime> = []
        /// What was written last, and the version that it made.
        var lastStatus: JSONValue?
        var lastVersion: Int64 = 0
        /// Whether somebody else changed a condition that is the node's to write.
        var isOverwritten = false
        /// Whether the API has it no more.
        var isGone = false
        /// Whether the node has lost its power.
        var isAbandoned = false
        /// Whether the node stops.
        var isStopping = false
        /// Whether the pod is to end, for whatever reason.
        var isEnding: Bool { isGone || isStopping || pod.isBeingDeleted }
    }

    /// The pod's uid.
    let uid: String
    /// What it shares with the node's other pods.
    let surroundings: PodSurroundings
    /// What it knows.
    let state: Mutex<State>
    /// What happens to the pod.
    // Bounded by nature: a container has at most one start, exit, hook and answer of each probe under way.
    let inputs = AsyncStream<PodInput>.makeStream()
    /// Its files.
    let folder: PodFolder
    /// Lets one task at a time read config maps and secrets and write its volumes: an old state never follows a newer one.
    let volumes = Turnstile()
    /// Where time comes from.
    var time: any TimeSource { surroundings.configuration.time }

    /// A worker for `pod`, which hasn't begun.
    init(pod: KubeObject, surroundings: PodSurroundings) {
        uid = pod.uid ?? ""
        self.surroundings = surroundings
        state = Mutex(State(pod: pod))
        folder = PodFolder(path: "\(surroundings.configuration.directory)/pods/\(uid)")
    }

    /// Takes in a newer state of the pod.
    func update(_ pod: KubeObject) {
        let (isOverwritten, isRelabelled) = state.withLock { state in
            let isRelabelled = state.pod.labels != pod.labels || state.pod.annotations != pod.annotations
            let isGated = pod["spec", "readinessGates"]?.array?.isEmpty == false
            let isReopened = isGated && state.pod["status", "conditions"] != pod["status", "conditions"]
            state.pod = pod
            if let last = state.lastStatus, (pod.resourceVersion.flatMap { Int64($0) } ?? 0) >= state.lastVersion {
                state.isOverwritten = !PodLifecycle.agree(last, pod["status"])
            }
            return (state.isOverwritten || isReopened, isRelabelled)
        }
        if pod.isBeingDeleted {
            inputs.continuation.yield(.delete(grace: pod["metadata", "deletionGracePeriodSeconds"]?.int ?? 30))
        } else if isOverwritten {
            inputs.continuation.yield(.timePassed)
        }
        if isRelabelled { refresh() }
    }

    /// Whether the pod names a config map or secret.
    func uses(_ source: PodSource) -> Bool { source.isNamed(by: state.withLock { $0.pod }) }

    /// What the pod's files are made of may have changed.
    func refresh() { inputs.continuation.yield(.sourcesChanged) }

    /// The node has lost its power: the processes end, and nobody is told.
    func abandon() {
        state.withLock { state in
            state.isGone = true
            state.isAbandoned = true
        }
        inputs.continuation.yield(.delete(grace: 0))
        kill()
    }

    /// The pod is gone from the API: its processes get as little time as may be.
    func vanish() {
        state.withLock { $0.isGone = true }
        inputs.continuation.yield(.delete(grace: 0))
    }

    /// Stops the pod within `limit` because the node stops.
    func stop(within limit: Duration) {
        let grace = state.withLock { state in
            state.isStopping = true
            return state.pod["spec", "terminationGracePeriodSeconds"]?.int ?? 30
        }
        inputs.continuation.yield(.delete(grace: min(grace, max(1, Int(limit.components.seconds) - 1))))
    }

    /// The containers that run, and the groups that their processes lead.
    var containerProcesses: [ContainerProcess] {
        state.withLock { state in
            state.processes.compactMap { name, entry in
                entry.process.group.map { ContainerProcess(pod: state.pod, container: name, group: $0) }
            }
        }
    }

    /// Kills every process of the pod at once.
    func kill() {
        for entry in state.withLock({ Array($0.processes.values) }) { entry.process.send(.kill) }
    }

    /// Runs the pod until it is deleted and everything has ended.
    func run() async {
        let pod = state.withLock { $0.pod }
        // Where its end was told already, only what is left of it has to go.
        if !(pod.isBeingDeleted && pod.isPodFinished), let address = await takeAddress() {
            await live(pod, address)
            surroundings.addresses.release(address)
        }
        // What a node without power holds is still there when it comes back.
        guard !state.withLock({ $0.isAbandoned }) else { return }
        folder.remove()
        surroundings.logs.remove(pod: uid)
        await deleteObject()
    }

    /// Waits for a free address; `nil` when the pod is to end before there is one.
    private func takeAddress() async -> String? {
        var isTold = false
        while true {
            if let address = surroundings.addresses.take() { return address }
            if !isTold { await record(true, "FailedCreatePodSandBox", "every address of the pod range is taken") }
            isTold = true
            guard !state.withLock({ $0.isEnding }) else { return nil }
            do { try await time.sleep(for: .seconds(1)) } catch { return nil }
        }
    }

    private func live(_ pod: KubeObject, _ address: String) async {
        var lifecycle = PodLifecycle(
            pod: pod,
            backoff: surroundings.configuration.restartBackoff,
            random: surroundings.configuration.random
        )
        lifecycle.restore(pod["status"], now: time.now())
        // Nothing of a pod that is being deleted is started.
        if pod.isBeingDeleted { update(pod) }
        inputs.continuation.yield(.begin)
        await withDiscardingTaskGroup { group in
            for await input in inputs.stream {
                if input == .sourcesChanged { group.addTask { [self] in await refreshVolumes(address) } }
                var isFinished = false
                for action in lifecycle.handle(input, now: time.now()) {
                    if action == .finished { isFinished = true } else { await perform(action, address, &group) }
                }
                let written = await writeStatus(&lifecycle, address: address)
                if isFinished { break }
                let retry = written ? nil : time.now() + .seconds(1)
                if let next = [lifecycle.nextDeadline, retry].compactMap(\.self).min() { wake(at: next, &group) }
            }
            group.cancelAll()
        }
    }

    /// Lets time pass at `next`, unless that happens before anyway.
    private func wake(at next: WallTime, _ group: inout DiscardingTaskGroup) {
        let isNew = state.withLock { state in
            guard state.alarms.allSatisfy({ next < $0 }) else { return false }
            return state.alarms.insert(next).inserted
        }
        guard isNew else { return }
        group.addTask { [self] in
            try? await time.sleep(for: max(.zero, next - time.now()))
            _ = state.withLock { $0.alarms.remove(next) }
            inputs.continuation.yield(.timePassed)
        }
    }

    private func deleteObject() async {
        let (pod, isGone) = state.withLock { ($0.pod, $0.isGone) }
        guard !isGone else { return }
        for attempt in 1...5 {
            do {
                try await surroundings.client.deleteIfPresent(.pods, pod, grace: 0)
                return
            } catch {
                let delay = Backoff().delay(attempt: attempt, random: surroundings.configuration.random)
                try? await time.sleep(for: delay)
            }
        }
    }

    /// Writes the status where it changed; false when that must be tried again.
    private func writeStatus(_ lifecycle: inout PodLifecycle, address: String) async -> Bool {
        let (pod, last, isOverwritten, isGone) = state.withLock {
            ($0.pod, $0.lastStatus, $0.isOverwritten, $0.isGone)
        }
        guard !isGone else { return true }
        var base = pod
        if let last {
            base.json["status"] = PodLifecycle.merged(last, withConditionsOf: pod["status"])
        }
        let status = lifecycle.status(of: base, address: address, now: time.now())
        guard status != last || isOverwritten else { return true }
        do throws(KubeError) {
            let written = try await surroundings.client.patch(
                .pods,
                pod.key,
                .strategicMerge(["metadata": ["uid": .string(uid)], "status": PodLifecycle.patch(status)]),
                subresource: "status"
            )
            state.withLock { state in
                state.lastStatus = status
                state.lastVersion = written.resourceVersion.flatMap { Int64($0) } ?? 0
                state.isOverwritten = false
            }
            return true
        } catch {
            if error.isNotFound || error.isConflict {
                vanish()
                return true
            }
            return false
        }
    }

    func record(_ isWarning: Bool, _ reason: String, _ message: String, field: String? = nil) async {
        let (pod, isAbandoned) = state.withLock { ($0.pod, $0.isAbandoned) }
        guard !isAbandoned else { return }
        let type: EventRecorder.EventType = isWarning ? .warning : .normal
        await surroundings.events.record(pod, type, reason: reason, message: message, field: field)
    }

    private func perform(_ action: PodAction, _ address: String, _ group: inout DiscardingTaskGroup) async {
        switch action {
        case .finished: break
        case .event(let isWarning, let reason, let message, let field):
            await record(isWarning, reason, message, field: field)
        case .signal(let container, let instance, let signal):
            let entry = state.withLock { $0.processes[container] }
            if let entry, entry.number == instance { entry.process.send(signal) }
        case .start(let container, let instance):
            group.addTask { [self] in await start(container, instance, address) }
        case .probe(let container, let instance, let kind):
            group.addTask { [self] in
                let answer = await ask(kind.member, of: container, address)
                inputs.continuation.yield(answer.input(container, instance, kind))
            }
        case .runPostStart(let container, let instance):
            group.addTask { [self] in
                let wrong = await ask("postStart", of: container, address).wrong
                inputs.continuation.yield(.postStarted(container: container, instance: instance, wrong: wrong))
            }
        case .runPreStop(let container, let instance):
            group.addTask { [self] in
                if let wrong = await ask("preStop", of: container, address).wrong {
                    await record(true, "FailedPreStopHook", "PreStopHook failed: \(wrong)")
                }
                inputs.continuation.yield(.hookEnded(container: container, instance: instance))
            }
        }
    }
}
