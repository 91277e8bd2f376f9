// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Synchronization

/// What the containers of a pod used in the last interval.
struct PodUsage: Sendable, Hashable {
    /// One container's part.
    struct Container: Sendable, Hashable {
        /// The container.
        var name: String
        /// Processors in use, on average.
        var processors: Double
        /// Memory in use, in bytes.
        var memoryBytes: Int64
    }

    /// The pod.
    var pod: ObjectKey
    /// Its labels.
    var labels: [String: String]
    /// Its node.
    var node: String
    /// When the interval ended.
    var time: WallTime
    /// How long the interval was.
    var window: Duration
    /// Its containers, in the order of their names.
    var containers: [Container]
}

/// What all pods used in the last interval: the nodes write it, `metrics.k8s.io` reads it.
final class UsageBoard: Sendable {
    private struct State {
        var pods: [PodUsage] = []
        var nodes: [String: WallTime] = [:]
    }

    private let state = Mutex(State())

    /// What was measured last, in the order of the pods.
    var pods: [PodUsage] { state.withLock { $0.pods } }

    /// The nodes that were measured, and when.
    var nodes: [String: WallTime] { state.withLock { $0.nodes } }

    /// Replaces what is known.
    func replace(_ pods: [PodUsage], nodes: [String: WallTime]) {
        let sorted = pods.sorted { $0.pod < $1.pod }
        state.withLock { $0 = State(pods: sorted, nodes: nodes) }
    }
}
