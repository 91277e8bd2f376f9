// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime
import Logging
import ServiceLifecycle
import Synchronization

/// Runs the pods that were given to the node, a `PodWorker` each.
final class NodeAgent: Service {
    private struct State {
        var workers: [String: PodWorker] = [:]
        var isStopping = false
    }

    /// The node's name.
    let name: String
    /// Whether the node is on.
    let power = NodePower()
    private let surroundings: PodSurroundings
    private let pods: ObjectStore
    private let state = Mutex(State())
    // Bounded by the number of pods that the node takes.
    private let arrivals = AsyncStream<PodWorker>.makeStream()

    /// A node with nothing running; `pods` are those of the whole cluster.
    init(surroundings: PodSurroundings, pods: ObjectStore) {
        name = surroundings.nodeName
        self.surroundings = surroundings
        self.pods = pods
    }

    /// The containers that run on the node.
    var containerProcesses: [ContainerProcess] {
        state.withLock { Array($0.workers.values) }.flatMap(\.containerProcesses)
    }

    /// Takes in what a watch of all pods showed.
    func observe(_ change: ObjectChange) {
        if let old = change.old, let uid = old.uid, change.new?.uid != uid {
            let worker = state.withLock { $0.workers[uid] }
            worker?.vanish()
            if worker == nil, old.nodeName == name { forget(uid) }
        }
        guard let pod = change.new, let uid = pod.uid, pod.nodeName == name, !power.isOff else { return }
        let (worker, isNew) = state.withLock { state -> (PodWorker?, Bool) in
            if let present = state.workers[uid] { return (present, false) }
            guard !state.isStopping, !pod.isPodFinished || pod.isBeingDeleted else { return (nil, false) }
            let worker = PodWorker(pod: pod, surroundings: surroundings)
            state.workers[uid] = worker
            return (worker, true)
        }
        guard let worker else { return }
        if isNew { arrivals.continuation.yield(worker) }
        worker.update(pod)
    }

    /// Removes what is left of a pod that went while the node had no power.
    private func forget(_ uid: String) {
        surroundings.logs.remove(pod: uid)
        PodFolder(path: "\(surroundings.configuration.directory)/pods/\(uid)").remove()
    }

    /// Takes in what a watch of all nodes showed: its power may have been switched.
    func observeNode(_ change: ObjectChange) {
        guard let node = change.new, node.name == name, power.observe(node) else { return }
        guard power.isOff else {
            for pod in pods.all() where pod.nodeName == name {
                observe(ObjectChange(key: pod.key, old: nil, new: pod))
            }
            return
        }
        let workers = state.withLock { state in
            defer { state.workers = [:] }
            return Array(state.workers.values)
        }
        for worker in workers { worker.abandon() }
    }

    /// A config map or secret changed: the pods that hold copies of it look again.
    func observeSource(_ source: PodSource) {
        for worker in state.withLock({ Array($0.workers.values) }) where worker.uses(source) { worker.refresh() }
    }

    /// Runs pods until the service is shut down, then stops them all; when it is cancelled they are killed.
    func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await worker in arrivals.stream {
                    group.addTask { [self] in
                        await worker.run()
                        state.withLock { state in
                            if state.workers[worker.uid] === worker { state.workers[worker.uid] = nil }
                        }
                    }
                }
            }
        } onCancelOrGracefulShutdown: { [self] in
            stop()
        }
    }

    private func stop() {
        let workers = state.withLock { state in
            state.isStopping = true
            return Array(state.workers.values)
        }
        for worker in workers { worker.stop(within: surroundings.configuration.shutdownLimit) }
        arrivals.continuation.finish()
    }

    /// Kills every process at once.
    func kill() { for worker in state.withLock({ Array($0.workers.values) }) { worker.kill() } }
}
