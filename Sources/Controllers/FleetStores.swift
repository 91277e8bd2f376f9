// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import KubeRuntime
import Synchronization

/// The stores that the controllers read; watchers fill them.
struct FleetStores: Sendable {
    /// ModelDeployments.
    let models = ObjectStore(.packed, projection: .models)
    /// ServingRuntimes.
    let runtimes = ObjectStore(.packed, projection: .models)
    /// The Deployments of revisions.
    let deployments = ObjectStore(.packed, projection: .deployments)
    /// The Services of models.
    let services = ObjectStore(.packed, projection: .applied.dropping("status"))
    /// The HPAs of models.
    let autoscalers = ObjectStore(.packed, projection: .autoscalers)
    /// The HPAs of others: what they aim at, and what made them.
    let foreignAutoscalers = ObjectStore(.packed, projection: .aims)
    /// The pods of models.
    let pods = ObjectStore(.packed, projection: .pods, indexing: [FleetAPI.modelLabel])

    private let parsed = ParsedRuntimes()

    /// The runtimes, read once for each state of their store.
    func servingRuntimes() -> [ServingRuntime] { parsed.runtimes(in: runtimes) }

    /// All of them.
    var all: [ObjectStore] { [models, runtimes, deployments, services, autoscalers, foreignAutoscalers, pods] }
}

/// The runtimes as values, so that not every reconcile reads them anew.
private final class ParsedRuntimes: Sendable {
    private let memory = Mutex<(revision: UInt64, runtimes: [ServingRuntime])?>(nil)

    func runtimes(in store: ObjectStore) -> [ServingRuntime] {
        // Read before the objects: a change in between makes the next call read again.
        let revision = store.revision
        if let known = memory.withLock({ $0 }), known.revision == revision { return known.runtimes }
        let runtimes = store.all().map(ServingRuntime.init)
        memory.withLock { $0 = (revision, runtimes) }
        return runtimes
    }
}

extension ObjectProjection {
    /// Our own kinds: whole but for the notes of other programs.
    static let models = withoutManagedFields.keepingOnly(["modelfleet.dev/*"], at: "metadata", "annotations")

    /// Objects that the operator applies: all that it may compare with what it would apply.
    ///
    /// Templates may set any annotation, so only those are dropped that are known to be written by others.
    static let applied = withoutManagedFields.dropping("metadata", "annotations", lastApplied)
        .dropping("metadata", "annotations", "deployment.kubernetes.io/revision").dropping("metadata", "selfLink")

    /// HPAs: as applied, and whether they can do their work. Messages and readings change with every sync.
    static let autoscalers = applied.keepingOnly(["conditions"], at: "status")
        .keepingOnly(["type", "status", "reason"], at: "status", "conditions")

    /// HPAs that aren't ours: the target, and the owner.
    static let aims = everything.keepingOnly(["apiVersion", "kind", "metadata", "spec"])
        .keepingOnly(["name", "namespace", "ownerReferences", "resourceVersion", "uid"], at: "metadata")
        .keepingOnly(["scaleTargetRef"], at: "spec")

    /// Deployments: as applied, and of the status what the plan and the model's status read.
    static let deployments = applied.keepingOnly(
        ["conditions", "observedGeneration", "readyReplicas", "replicas"],
        at: "status"
    )
    .dropping("status", "conditions", "lastUpdateTime")

    /// Pods: what tells whether they are ready, why not, where to scrape them, and what their deletion costs.
    static let pods = everything.keepingOnly(["apiVersion", "kind", "metadata", "spec", "status"])
        .keepingOnly(
            [
                "annotations", "creationTimestamp", "deletionTimestamp", "labels", "name", "namespace",
                "ownerReferences", "resourceVersion", "uid",
            ],
            at: "metadata"
        )
        .keepingOnly([DeletionCosts.annotation], at: "metadata", "annotations")
        .keepingOnly(["containers"], at: "spec")
        .keepingOnly(["image", "name", "readinessProbe", "startupProbe"], at: "spec", "containers")
        .keepingOnly(
            ["conditions", "containerStatuses", "initContainerStatuses", "phase", "podIP", "startTime"],
            at: "status"
        )
        .keepingOnly(containerStatus, at: "status", "containerStatuses")
        .keepingOnly(containerStatus, at: "status", "initContainerStatuses")
        .dropping("status", "conditions", "lastProbeTime")

    private static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
    private static let containerStatus = ["image", "lastState", "name", "ready", "restartCount", "started", "state"]
}
