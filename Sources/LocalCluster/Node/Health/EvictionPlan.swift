// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What becomes of a pod whose node is tainted or gone, as a pure function.
enum EvictionPlan: Equatable {
    /// It stays.
    case keep
    /// It stays until then, unless something changes.
    case wait(until: WallTime)
    /// It is deleted, as with `kubectl delete`.
    case evict
    /// It is removed at once: nothing is left that could end it.
    case remove(reason: String)

    /// Decides for `pod`, which was given to `node`; `nil` when there is no such node.
    ///
    /// A `NoExecute` taint that isn't tolerated evicts at once; one that is tolerated for a time, that long after it was
    /// put on. A pod that already ends on a node that is out of service for good is removed.
    init(pod: KubeObject, node: KubeObject?, now: WallTime) {
        guard let node else {
            self = .remove(reason: "PodGC: node no longer exists")
            return
        }
        let taints = Taint.all(of: node)
        if pod.isBeingDeleted {
            let isOut = taints.contains { $0.key == Taint.outOfService } && !node.isConditionTrue("Ready")
            self = isOut ? .remove(reason: "PodGC: node is out of service") : .keep
            return
        }
        guard !pod.isPodFinished else {
            self = .keep
            return
        }
        let tolerations = Toleration.all(of: pod)
        var earliest: WallTime?
        for taint in taints where taint.effect == .noExecute {
            let covering = tolerations.filter { $0.covers(taint) }
            guard !covering.isEmpty else {
                self = .evict
                return
            }
            if let limit = covering.compactMap(\.limit).min() {
                let end = (taint.added ?? now) + limit
                earliest = earliest.map { min($0, end) } ?? end
            }
        }
        self = earliest.map { $0 <= now ? .evict : .wait(until: $0) } ?? .keep
    }
}
