// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What to do about one replica set, as a pure function of what is seen.
struct ReplicaSetPlan: Equatable {
    /// The most pods that one reconcile creates or deletes.
    static let burst = 100

    /// How many pods to create.
    var creations = 0
    /// The pods to delete, in this order.
    var deletions: [KubeObject] = []
    /// The status as it should be, without counts of zero other than `replicas`, as the API has it; conditions are kept.
    var status: JSONValue
    /// When to look again although nothing changes: a ready pod becomes available.
    var requeue: Duration?

    /// Decides for `set` with its own pods.
    ///
    /// `unseen` pods were created but aren't among `pods` yet; `doomed` uids were deleted although `pods` doesn't show it.
    /// `related` are the pods of all sets of the same owner, by default those of this one; they are asked for only where pods have
    /// to go.
    init(
        set: KubeObject,
        pods: [KubeObject],
        related: @autoclosure () -> [KubeObject]? = nil,
        unseen: Int = 0,
        doomed: Set<String> = [],
        now: WallTime
    ) {
        let active = pods.filter { $0.isPodActive && !doomed.contains($0.uid ?? "") }
        let wanted = max(0, set["spec", "replicas"]?.int ?? 1)
        let minimum = Duration.seconds(max(0, set["spec", "minReadySeconds"]?.int ?? 0))
        if !set.isBeingDeleted {
            let difference = wanted - active.count - unseen
            if difference > 0 {
                creations = min(difference, Self.burst)
            } else if difference < 0 {
                let crowd = Dictionary(grouping: (related() ?? active).filter(\.isPodActive)) { $0.nodeName ?? "" }
                    .mapValues(\.count)
                let ranked = active.map { pod in
                    (pod: pod, rank: DeletionRank(pod, neighbours: crowd[pod.nodeName ?? ""] ?? 0, now: now))
                }
                deletions = ranked.sorted { $0.rank < $1.rank }.prefix(min(-difference, Self.burst)).map(\.pod)
            }
        }
        let labels = set["spec", "template", "metadata", "labels"]?.object ?? JSONObject()
        let labelled = active.filter { pod in labels.allSatisfy { pod.labels[$0.key] == $0.value.string } }
        let available = active.filter { $0.isPodAvailable(minimum: minimum, now: now) }
        var status = set["status"] ?? .emptyObject
        status["replicas"] = JSONValue(active.count)
        for (member, count) in [
            ("fullyLabeledReplicas", labelled.count), ("readyReplicas", active.count(where: \.isPodReady)),
            ("availableReplicas", available.count),
        ] {
            status[member] = count > 0 ? JSONValue(count) : nil
        }
        status["terminatingReplicas"] = JSONValue(pods.count { $0.isBeingDeleted && !$0.isPodFinished })
        status["observedGeneration"] = .integer(set.generation ?? 0)
        self.status = status
        let waiting = active.compactMap { pod in pod.podReadySince.map { $0 + minimum - now } }.filter { $0 > .zero }
        requeue = waiting.min().map { $0 + .milliseconds(50) }
    }

    /// A new pod of `set`; its name is made by the server.
    static func pod(of set: KubeObject) -> KubeObject {
        var pod = KubeObject(.pods, namespace: set.namespace, name: "")
        let template = set["spec", "template"]
        var metadata: JSONValue = ["generateName": .string(set.name + "-")]
        metadata["namespace"] = JSONValue(set.namespace)
        for key in ["labels", "annotations", "finalizers"] { metadata[key] = template?["metadata"]?[key] }
        pod.json["metadata"] = metadata
        pod.ownerReferences = OwnerReference(controller: set).map { [$0] } ?? []
        pod.json["spec"] = template?["spec"]
        return pod
    }
}
