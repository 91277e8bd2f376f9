// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import KubeRuntime
import Synchronization

/// Pods that were given to a node although the watch hasn't shown it yet, so that no room is given away twice.
final class AssumedPods: Sendable {
    // Bounded by the number of pods: an entry goes once the pod is seen with a node, or not at all any more.
    private let pods = Mutex<[String: KubeObject]>([:])

    /// Decides for `pod` among the pods that are seen, and notes where it goes; `namespaces` are the labels of each.
    func place(
        _ pod: KubeObject,
        seen: [KubeObject],
        nodes: [KubeObject],
        namespaces: [String: [String: String]] = [:]
    ) -> SchedulingPlan {
        pods.withLock { assumed in
            let waiting = Set(seen.filter { $0.nodeName == nil }.compactMap(\.uid))
            assumed = assumed.filter { waiting.contains($0.key) }
            let placed = seen.filter { $0.nodeName != nil } + assumed.values.sorted { $0.key < $1.key }
            let others = placed.filter { $0.uid != pod.uid }
            let plan = SchedulingPlan(pod: pod, nodes: nodes, placed: others, namespaces: namespaces)
            if case .bind(let node) = plan, let uid = pod.uid {
                var copy = pod
                copy["spec", "nodeName"] = .string(node)
                assumed[uid] = copy
            }
            return plan
        }
    }

    /// Takes a note back: the pod couldn't be given to its node.
    func forget(_ pod: KubeObject) { pods.withLock { $0[pod.uid ?? ""] = nil } }
}

/// The pods that wait for a node, so that what makes room can wake them.
final class WaitingPods: Sendable {
    // Bounded by the number of pods.
    private let pods = Mutex<Set<ObjectKey>>([])

    /// Their keys, in order.
    var keys: [ObjectKey] { pods.withLock { $0 }.sorted() }

    /// Takes in what a watch of all pods showed.
    func observe(_ change: ObjectChange) {
        let waits = change.new.map(SchedulingReconciler.isWaiting) ?? false
        pods.withLock { pods in
            if waits { pods.insert(change.key) } else { pods.remove(change.key) }
        }
    }
}
