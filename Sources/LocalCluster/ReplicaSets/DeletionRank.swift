// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Foundation
import KubeModel

/// How soon a replica set lets go of a pod: the least first, by the rules of Kubernetes' `ActivePodsWithRanks`
/// (kubernetes/pkg/controller/controller_utils.go).
///
/// | Rule | Goes first |
/// |---|---|
/// | 1 | without a node |
/// | 2 | pending, then in an unknown phase |
/// | 3 | not ready |
/// | 4 | cheaper by `controller.kubernetes.io/pod-deletion-cost`; 0 without it or where it can't be read |
/// | 5 | with more pods of its set, and of the other sets of the same owner, on its node |
/// | 6 | ready for a shorter time, in powers of two |
/// | 7 | with a container that was restarted more |
/// | 8 | younger, in powers of two |
/// | 9 | with the lesser uid, which stands for chance |
///
/// Kubernetes compares uids as soon as two different times of readiness fall into one power of two, which isn't an order;
/// here rules 7 and 8 come before.
struct DeletionRank: Comparable {
    /// The annotation with what a pod's deletion costs.
    static let costAnnotation = "controller.kubernetes.io/pod-deletion-cost"

    private let steps: [Int64]
    private let uid: String

    /// The rank of a pod beside which `neighbours` related active pods are on its node, itself included.
    init(_ pod: KubeObject, neighbours: Int, now: WallTime) {
        let phases: [String: Int64] = ["Pending": 0, "Unknown": 1]
        let restarts = (pod["status", "containerStatuses"]?.array ?? []).compactMap { $0["restartCount"]?.integer }
        steps = [
            pod.nodeName == nil ? 0 : 1, phases[pod.podPhase] ?? 2, pod.isPodReady ? 1 : 0, Self.cost(of: pod),
            Int64(-neighbours), Self.bucket(since: pod.podReadySince, now: now), -(restarts.max() ?? 0),
            Self.bucket(since: pod.creationTimestamp, now: now),
        ]
        uid = pod.uid ?? ""
    }

    static func < (left: DeletionRank, right: DeletionRank) -> Bool {
        for (one, other) in zip(left.steps, right.steps) where one != other { return one < other }
        return left.uid < right.uid
    }

    /// What a pod's deletion costs: an `int32` without a plus sign or leading zeros, otherwise 0.
    private static func cost(of pod: KubeObject) -> Int64 {
        guard let text = pod.annotation(costAnnotation), let first = text.first else { return 0 }
        guard first == "-" || text == "0" || ("1"..."9").contains(first) else { return 0 }
        return Int32(text).map(Int64.init) ?? 0
    }

    /// The power of two of the nanoseconds since `time`; −1 for now and later, −2 when it isn't known.
    private static func bucket(since time: WallTime?, now: WallTime) -> Int64 {
        guard let time else { return -2 }
        let nanoseconds = (now - time).wholeNanoseconds
        return nanoseconds > 0 ? Int64(log2(Double(nanoseconds))) : -1
    }
}
