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

    private let surroundings: PodSurroundings
    private let state = Mutex(State())
    // Bounded by the number of pods that the node takes.
    private let arrivals = AsyncStream<PodWorker>.makeStream()

    /// A node with nothing running.
    init(surroundings: PodSurroundings) { self.surroundings = surroundings }

    /// The number of pods that are still there.
    var podCount: Int { state.withLock { $0.workers.count } }

    /// Takes in what a watch of all pods showed.
    func observe(_ change: ObjectChange) {
        if let old = change.old, let uid = old.uid, change.new?.uid != uid {
            state.withLock { $0.workers[uid] }?.vanish()
        }
        guard let pod = change.new, let uid = pod.uid,
            pod["spec", "nodeName"]?.string == surroundings.configuration.nodeName
        else { return }
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

    /// Runs pods until the service is shut down, then stops them all; when it is cancelled they are killed.
    func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                for await worker in arrivals.stream {
                    group.addTask { [self] in
                        await worker.run()
                        state.withLock { $0.workers[worker.uid] = nil }
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
