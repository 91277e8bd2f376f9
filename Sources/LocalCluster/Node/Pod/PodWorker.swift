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
    private struct State {
        var pod: KubeObject
        var processes: [String: (instance: Int, process: any PodProcess)] = [:]
        /// What was written last, and the version that it made.
        var lastStatus: JSONValue?
        var lastVersion: Int64 = 0
        /// Whether somebody else changed a condition that is the node's to write.
        var isOverwritten = false
        var isGone = false
        var isAbandoned = false
    }

    /// The pod's uid.
    let uid: String
    private let surroundings: PodSurroundings
    private let state: Mutex<State>
    // Bounded by nature: a container has at most one start, exit, hook and answer of each probe under way.
    private let inputs = AsyncStream<PodInput>.makeStream()
    private let folder: PodFolder
    private var time: any TimeSource { surroundings.configuration.time }

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
            state.pod = pod
            if let last = state.lastStatus, (pod.resourceVersion.flatMap { Int64($0) } ?? 0) >= state.lastVersion {
                state.isOverwritten = !PodLifecycle.agree(last, pod["status"])
            }
            return (state.isOverwritten, isRelabelled)
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

    /// The pod is gone from the API: its processes end at once.
    func vanish() {
        state.withLock { $0.isGone = true }
        inputs.continuation.yield(.delete(grace: 0))
    }

    /// Stops the pod within `limit` because the node stops.
    func stop(within limit: Duration) {
        let grace = state.withLock { $0.pod["spec", "terminationGracePeriodSeconds"]?.int ?? 30 }
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
        var lifecycle = PodLifecycle(
            pod: state.withLock { $0.pod },
            backoff: surroundings.configuration.restartBackoff,
            random: surroundings.configuration.random
        )
        lifecycle.restore(state.withLock { $0.pod["status"] }, now: time.now())
        guard let address = surroundings.addresses.take() else {
            await record(true, "FailedCreatePodSandBox", "every address of the pod range is taken")
            return
        }
        inputs.continuation.yield(.begin)
        await withDiscardingTaskGroup { group in
            var timer: WallTime?
            for await input in inputs.stream {
                if input == .timePassed { timer = nil }
                if input == .sourcesChanged { group.addTask { [self] in await refreshVolumes(address) } }
                var isFinished = false
                for action in lifecycle.handle(input, now: time.now()) {
                    if action == .finished { isFinished = true } else { await perform(action, address, &group) }
                }
                let written = await writeStatus(&lifecycle, address: address)
                if isFinished { break }
                let retry = written ? nil : time.now() + .seconds(1)
                if let next = [lifecycle.nextDeadline, retry].compactMap({ $0 }).min(), timer.map({ next < $0 }) ?? true
                {
                    timer = next
                    group.addTask { [self] in
                        try? await time.sleep(for: max(.zero, next - time.now()))
                        inputs.continuation.yield(.timePassed)
                    }
                }
            }
            group.cancelAll()
        }
        surroundings.addresses.release(address)
        // What a node without power holds is still there when it comes back.
        guard !state.withLock({ $0.isAbandoned }) else { return }
        folder.remove()
        surroundings.logs.remove(pod: uid)
        await deleteObject()
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
                .merge(["metadata": ["uid": .string(uid)], "status": status]),
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

    private func record(_ isWarning: Bool, _ reason: String, _ message: String) async {
        let (pod, isAbandoned) = state.withLock { ($0.pod, $0.isAbandoned) }
        guard !isAbandoned else { return }
        await surroundings.events.record(pod, isWarning ? .warning : .normal, reason: reason, message: message)
    }

    private func perform(_ action: PodAction, _ address: String, _ group: inout DiscardingTaskGroup) async {
        switch action {
        case .finished: break
        case .event(let isWarning, let reason, let message): await record(isWarning, reason, message)
        case .signal(let container, let instance, let signal):
            let entry = state.withLock { $0.processes[container] }
            if let entry, entry.instance == instance { entry.process.send(signal) }
        case .start(let container, let instance):
            group.addTask { [self] in await start(container, instance, address) }
        case .probe(let container, let instance, let kind):
            group.addTask { [self] in
                let wrong = await ask(kind.member, of: container, address)
                inputs.continuation.yield(
                    .probed(container: container, instance: instance, kind, passed: wrong == nil, message: wrong ?? "")
                )
            }
        case .runPostStart(let container, let instance):
            group.addTask { [self] in
                let wrong = await ask("postStart", of: container, address)
                inputs.continuation.yield(.postStarted(container: container, instance: instance, wrong: wrong))
            }
        case .runPreStop(let container, let instance):
            group.addTask { [self] in
                if let wrong = await ask("preStop", of: container, address) {
                    await record(true, "FailedPreStopHook", "PreStopHook failed: \(wrong)")
                }
                inputs.continuation.yield(.hookEnded(container: container, instance: instance))
            }
        }
    }

    private func description(of container: String) -> JSONValue {
        let pod = state.withLock { $0.pod }
        let all = (pod["spec", "initContainers"]?.array ?? []) + (pod["spec", "containers"]?.array ?? [])
        return all.first { $0["name"]?.string == container } ?? .emptyObject
    }

    private func ask(_ member: String, of container: String, _ address: String) async -> String? {
        let spec = description(of: container)
        let isHook = member == "preStop" || member == "postStart"
        let handler = (isHook ? spec.at("lifecycle", member) : spec[member]) ?? .emptyObject
        let grace = state.withLock { $0.pod["spec", "terminationGracePeriodSeconds"]?.int ?? 30 }
        let timeout: Duration = .seconds(isHook ? max(1, grace) : max(1, handler["timeoutSeconds"]?.int ?? 1))
        do {
            let request = handler["exec"] == nil ? Self.nothing : try await request(for: spec, address, isStart: false)
            return await surroundings.prober.perform(
                handler,
                container: spec,
                address: address,
                timeout: timeout,
                command: request
            )
        } catch {
            return error.message
        }
    }

    private static let nothing = ProcessRequest(executable: "", arguments: [], environment: [:], directory: "/")

    private func start(_ container: String, _ instance: Int, _ address: String) async {
        let spec = description(of: container)
        do {
            let request = try await request(for: spec, address, isStart: true)
            let log = surroundings.logs.open(
                pod: uid,
                container: container,
                limit: surroundings.configuration.logLimit,
                time: time
            )
            let process: any PodProcess
            do {
                process = try await surroundings.configuration.processes.spawn(request) { log.append($0) }
            } catch {
                log.append(Array("\(error)\n".utf8))
                log.close()
                throw StartFailure(kind: .process, message: "\(error)")
            }
            state.withLock { $0.processes[container] = (instance, process) }
            if Task.isCancelled { process.send(.kill) }
            inputs.continuation.yield(.started(container: container, instance: instance))
            let exit = await process.waitForExit()
            log.close()
            state.withLock { state in
                if state.processes[container]?.instance == instance { state.processes[container] = nil }
            }
            let message = folder.terminationMessage(of: spec) ?? Self.lastWords(log, exit, spec)
            inputs.continuation.yield(.exited(container: container, instance: instance, exit, message: message))
        } catch let failure as StartFailure {
            inputs.continuation.yield(.failed(container: container, instance: instance, failure))
        } catch {
            let failure = StartFailure(kind: .configuration, message: "\(error)")
            inputs.continuation.yield(.failed(container: container, instance: instance, failure))
        }
    }

    /// The end of the log of a failed container that asks for it (2048 bytes or 80 lines, as the kubelet).
    private static func lastWords(_ log: ContainerLog, _ exit: ProcessExit, _ spec: JSONValue) -> String {
        guard exit.exitCode != 0, spec["terminationMessagePolicy"]?.string == "FallbackToLogsOnError" else { return "" }
        let lines = log.lines(from: 0).lines.suffix(80).map { String(decoding: $0.bytes, as: UTF8.self) }
        return String(decoding: lines.joined(separator: "\n").utf8.suffix(2048), as: UTF8.self)
    }

    /// Brings the volumes that are made of config maps, secrets and the pod's own fields up to date.
    private func refreshVolumes(_ address: String) async {
        let pod = state.withLock { $0.pod }
        guard !pod.isPodFinished, let sources = try? await PodSources(client: surroundings.client).load(for: pod) else {
            return
        }
        // What went missing leaves the files as they were.
        try? folder.prepareVolumes(pod: pod, address: address, sources: sources)
    }

    private func request(
        for spec: JSONValue,
        _ address: String,
        isStart: Bool
    ) async throws(StartFailure) -> ProcessRequest {
        let name = spec["image"]?.string ?? ""
        guard let image = surroundings.configuration.images.entry(for: name) else {
            throw StartFailure(
                kind: .image,
                message: "Failed to pull image \"\(name)\": the local cluster runs only the images in its table: "
                    + surroundings.configuration.images.summary
            )
        }
        let pod = state.withLock { $0.pod }
        let sources = try await PodSources(client: surroundings.client).load(for: pod)
        if isStart { try folder.prepareVolumes(pod: pod, address: address, sources: sources) }
        let command = try ContainerCommand(
            pod: pod,
            container: spec,
            image: image,
            address: address,
            searchPath: surroundings.configuration.searchPath,
            root: folder.root(of: spec),
            sources: sources
        )
        var executable = command.executable
        if !executable.contains("/") {
            executable = ExecutableSearch.path(of: executable, in: command.environment["PATH"] ?? "") ?? executable
        }
        return ProcessRequest(
            executable: executable,
            arguments: command.arguments,
            environment: command.environment,
            directory: isStart ? try folder.prepareRoot(of: spec) : folder.workingDirectory(of: spec)
        )
    }
}
