// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel
import Telemetry

/// Which pods' deletion costs to write before a Deployment is scaled down, so that the pods with the least in flight go.
///
/// A pod without the annotation costs 0, so only the pods that are to go are marked, below 0: few writes however many
/// pods there are. Pods without a reading aren't marked: what isn't known may be busy.
struct DeletionCosts: Equatable {
    /// One pod's annotation.
    struct Write: Equatable {
        /// The pod.
        var pod: ObjectKey
        /// The value; `nil` removes the annotation.
        var cost: Int?
    }

    /// The annotation (https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost).
    static let annotation = "controller.kubernetes.io/pod-deletion-cost"
    /// What an idle pod costs; far below what people write by hand, and an `int32`.
    static let idle = -1_000_000_000
    /// The most requests that are told apart.
    static let busiest = 999_999
    /// The most writes for one decision; what is beyond is left to the ReplicaSet controller's other rules.
    static let writeLimit = 100

    /// The writes, marks of before that no longer hold first.
    let writes: [Write]

    /// Chooses for a revision that goes down to `desired` replicas.
    /// - Parameters:
    ///   - pods: the revision's pods.
    ///   - parts: what is known of each, by name.
    ///   - staleAfter: how old a reading may be.
    init(
        pods: [KubeObject],
        parts: [String: TrackSignals.Part],
        desired: Int,
        staleAfter: Duration,
        now: WallTime
    ) {
        let active = pods.filter { !$0.isBeingDeleted && !PodDiagnosis.isOver($0) }
        // Pods that aren't ready go before all others, whatever they cost.
        let unready = active.count { !PodDiagnosis.isReady($0) }
        let excess = max(0, active.count - max(0, desired) - unready)
        let known = active.filter(PodDiagnosis.isReady).compactMap { pod -> Candidate? in
            guard case .reported(let signals)? = parts[pod.name], now - signals.time <= staleAfter else { return nil }
            return Self.outstanding(signals).map { Candidate(pod: pod, cost: Self.cost($0)) }
        }
        let leaving = known.sorted().prefix(excess)
        let chosen = Dictionary(leaving.map { ($0.pod.name, $0.cost) }, uniquingKeysWith: { first, _ in first })
        let outdated = active.filter { chosen[$0.name] == nil && Self.isOurs($0) }.sorted { $0.name < $1.name }
        let removals = outdated.map { Write(pod: $0.key, cost: nil) }
        let marks = leaving.filter { Self.mark(of: $0.pod) != $0.cost }.map { Write(pod: $0.pod.key, cost: $0.cost) }
        writes = Array((removals + marks).prefix(Self.writeLimit))
    }

    /// The requests that would have to end before a replica may: those that run and those that wait; `nil` when its page
    /// doesn't say.
    static func outstanding(_ signals: ReplicaSignals) -> Double? {
        signals.running.map { $0 + (signals.queueLength.value ?? 0) }
    }

    private static func cost(_ outstanding: Double) -> Int {
        idle + (outstanding.isFinite ? Int(min(max(0, outstanding.rounded(.up)), Double(busiest))) : busiest)
    }

    private static func mark(of pod: KubeObject) -> Int? { pod.annotation(annotation).flatMap { Int($0) } }

    /// Whether a pod carries a mark of an earlier decision.
    private static func isOurs(_ pod: KubeObject) -> Bool {
        mark(of: pod).map { (idle...idle + busiest).contains($0) } ?? false
    }

    /// A pod that may go: the cheapest first, then those that are marked already, then the youngest.
    private struct Candidate: Comparable {
        var pod: KubeObject
        var cost: Int

        static func < (left: Candidate, right: Candidate) -> Bool {
            if left.cost != right.cost { return left.cost < right.cost }
            let (isMarked, otherIsMarked) = (isOurs(left.pod), isOurs(right.pod))
            if isMarked != otherIsMarked { return isMarked }
            let (born, otherBorn) = (left.pod.creationTimestamp, right.pod.creationTimestamp)
            if let born, let otherBorn, born != otherBorn { return born > otherBorn }
            return left.pod.name < right.pod.name
        }
    }
}
