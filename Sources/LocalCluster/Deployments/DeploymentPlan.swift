// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// One write that the Deployment controller wants.
enum DeploymentAction: Equatable {
    /// Makes the replica set of a new revision.
    case create(KubeObject)
    /// Stores a changed replica set; `from` is its old count where that changes.
    case update(KubeObject, from: Int?)
    /// Deletes an old replica set without pods.
    case delete(KubeObject)
}

/// What to do about one Deployment, as a pure function of it and its replica sets: one step, after which its effect is
/// observed before the next.
struct DeploymentPlan {
    /// What kind of step it is.
    enum Mode: Equatable {
        /// The Deployment is being deleted: nothing but its status is kept up to date.
        case observing
        /// It is paused, or its count changed: replica sets are scaled and no revision comes up.
        case scaling
        /// The current template takes over from earlier ones.
        case rolling
    }

    /// What kind of step it is.
    private(set) var mode = Mode.observing
    /// The writes, in order.
    private(set) var actions: [DeploymentAction] = []
    /// The revision that the Deployment's annotation should name; `nil` to leave it.
    private(set) var revision: Int64?
    /// The replica set of the current template, if there is one yet.
    private(set) var current: KubeObject?
    /// The replica sets of other templates, oldest first.
    let old: [KubeObject]
    private let deployment: KubeObject
    private let replicas: Int
    private let limits: RollingLimits

    /// Decides for `deployment` with the replica sets that it owns. `occupied` tells that pods of old replica sets still
    /// exist (Recreate waits for them).
    init(deployment: KubeObject, replicaSets: [KubeObject], occupied: Bool = false) {
        self.deployment = deployment
        replicas = deployment.wantedReplicas
        limits = RollingLimits(deployment: deployment, replicas: replicas)
        let template = deployment.plainTemplate
        let sorted = replicaSets.filter { !$0.isBeingDeleted }.sorted(by: Self.isOlder)
        let matching = sorted.first { $0.plainTemplate == template }
        current = matching
        old = sorted.filter { $0.name != matching?.name }
        guard !deployment.isBeingDeleted else { return }
        let recreates = deployment["spec", "strategy", "type"]?.string == "Recreate"
        let isPaused = deployment["spec", "paused"]?.bool ?? false
        if isPaused || (isScaling && !(recreates && active.count > 1)) {
            mode = .scaling
            if syncRevision() { scaleAll(inProportion: !recreates) }
            if isPaused && actions.isEmpty { cleanUp() }
            return
        }
        mode = .rolling
        if recreates { recreate(occupied: occupied) } else { roll() }
        if actions.isEmpty && DeploymentStatus.isComplete(deployment, deployment["status"]) { cleanUp() }
    }

    /// Whether a replica set was made before another.
    static func isOlder(_ left: KubeObject, _ right: KubeObject) -> Bool {
        let (one, other) = (left.creationTimestamp?.nanoseconds ?? 0, right.creationTimestamp?.nanoseconds ?? 0)
        return one == other ? left.name < right.name : one < other
    }

    /// The replica sets that still want pods.
    private var active: [KubeObject] { ((current.map { [$0] } ?? []) + old).filter { $0.wantedReplicas > 0 } }

    /// Whether the Deployment's count changed since its replica sets were last scaled.
    private var isScaling: Bool {
        active.contains { set in
            set.annotations[DeploymentWords.desired].flatMap { Int($0) }.map { $0 != replicas } ?? false
        }
    }

    // MARK: Revisions

    private var nextRevision: Int64 {
        let (next, overflow) = (old.map(\.revisionNumber).max() ?? 0).addingReportingOverflow(1)
        return overflow ? .max : next
    }

    /// Gives the replica set of the current template, if there is one, the newest number and the Deployment's annotations;
    /// answers whether that is so already.
    private mutating func syncRevision() -> Bool {
        guard let existing = current else { return true }
        var marked = existing
        marked.annotations = RevisionAnnotations.updated(existing, of: deployment, revision: nextRevision)
        let seconds = deployment["spec", "minReadySeconds"]
        if seconds?.int ?? 0 != marked["spec", "minReadySeconds"]?.int ?? 0 {
            marked["spec", "minReadySeconds"] = seconds
        }
        if marked != existing {
            actions.append(.update(marked, from: nil))
            return false
        }
        if deployment.revisionNumber != existing.revisionNumber { revision = existing.revisionNumber }
        return true
    }

    /// Makes sure that the current template has a replica set with the newest revision; answers whether it has.
    private mutating func ensureCurrent(count: Int) -> Bool {
        guard current == nil else { return syncRevision() }
        actions.append(.create(newReplicaSet(count: count, revision: nextRevision)))
        revision = nextRevision
        return false
    }

    private func newReplicaSet(count: Int, revision: Int64) -> KubeObject {
        let collisions = deployment["status", "collisionCount"]?.int ?? 0
        let hash = SafeHash.text(deployment.plainTemplate.jsonText + (collisions > 0 ? "#\(collisions)" : ""))
        var template = deployment.plainTemplate
        template.set(.string(hash), at: "metadata", "labels", DeploymentWords.hashLabel)
        var set = KubeObject(.replicaSets, namespace: deployment.namespace, name: "\(deployment.name)-\(hash)")
        set.json.set(template.at("metadata", "labels"), at: "metadata", "labels")
        set.ownerReferences = OwnerReference(controller: deployment).map { [$0] } ?? []
        var selector = deployment["spec", "selector"] ?? .emptyObject
        selector.set(.string(hash), at: "matchLabels", DeploymentWords.hashLabel)
        set["spec"] = ["replicas": JSONValue(count), "selector": selector, "template": template]
        set["spec", "minReadySeconds"] = deployment["spec", "minReadySeconds"]
        set.annotations = RevisionAnnotations.updated(set, of: deployment, revision: revision)
        return marked(set)
    }

    /// With the annotations that record what the Deployment wanted when it last scaled this replica set.
    private func marked(_ set: KubeObject) -> KubeObject {
        var set = set
        set.annotations[DeploymentWords.desired] = String(replicas)
        set.annotations[DeploymentWords.maximum] = String(replicas + limits.surge)
        return set
    }

    private mutating func scale(_ set: KubeObject, to count: Int) {
        var changed = marked(set)
        changed["spec", "replicas"] = JSONValue(max(0, count))
        if changed != set {
            actions.append(.update(changed, from: set.wantedReplicas == count ? nil : set.wantedReplicas))
        }
    }

    // MARK: Strategies

    private mutating func recreate(occupied: Bool) {
        let running = old.filter { $0.wantedReplicas > 0 }
        guard running.isEmpty else {
            for set in running { scale(set, to: 0) }
            return
        }
        guard !occupied, old.allSatisfy({ $0.statusCount("replicas") == 0 }) else { return }
        guard ensureCurrent(count: replicas), let current else { return }
        scale(current, to: replicas)
    }

    private mutating func roll() {
        let total = active.reduce(0) { $0 + $1.wantedReplicas }
        let free = max(0, replicas + limits.surge - total)
        guard ensureCurrent(count: min(replicas, free)), let current else { return }
        scale(current, to: min(replicas, current.wantedReplicas + free))
        if actions.isEmpty { shrinkOld(current, total: total) }
    }

    /// Scales old replica sets down as far as availability allows, unhealthy pods first.
    private mutating func shrinkOld(_ current: KubeObject, total: Int) {
        let running = old.filter { $0.wantedReplicas > 0 }
        guard !running.isEmpty else { return }
        let minimum = replicas - limits.unavailable
        let missing = current.wantedReplicas - available(current)
        var removable = total - minimum - missing
        guard removable > 0 else { return }
        var wanted = Dictionary(running.map { ($0.name, $0.wantedReplicas) }) { first, _ in first }
        for set in running where removable > 0 {
            let cut = min(set.wantedReplicas - available(set), removable)
            wanted[set.name, default: 0] -= cut
            removable -= cut
        }
        var surplus = max(0, ([current] + running).reduce(0) { $0 + available($1) } - minimum)
        for set in running where surplus > 0 {
            let cut = min(wanted[set.name] ?? 0, surplus)
            wanted[set.name, default: 0] -= cut
            surplus -= cut
        }
        for set in running where wanted[set.name] != set.wantedReplicas { scale(set, to: wanted[set.name] ?? 0) }
    }

    /// The available pods that a replica set will keep: its status may still count pods that it is to lose.
    private func available(_ set: KubeObject) -> Int { min(set.wantedReplicas, set.statusCount("availableReplicas")) }

    /// Follows a changed count without touching revisions: the only active replica set gets all, a finished rollout's old
    /// ones go, and in the middle of a rollout the change is shared.
    private mutating func scaleAll(inProportion isRolling: Bool) {
        let active = active
        if active.count <= 1 {
            if let only = active.first ?? current ?? old.last { scale(only, to: replicas) }
        } else if let current, isSaturated(current) {
            for set in old where set.wantedReplicas > 0 { scale(set, to: 0) }
        } else if isRolling {
            let total = deployment.statusCount("replicas")
            for (set, count) in ProportionalScaling.counts(
                active,
                replicas: replicas,
                surge: limits.surge,
                total: total
            ) {
                scale(set, to: count)
            }
        }
    }

    /// Whether a replica set alone has all that the Deployment wants, available.
    private func isSaturated(_ set: KubeObject) -> Bool {
        set.wantedReplicas == replicas && set.statusCount("availableReplicas") == replicas
            && set.annotations[DeploymentWords.desired] == String(replicas)
    }

    /// Deletes the oldest replica sets beyond `revisionHistoryLimit`, as long as they have no pods.
    private mutating func cleanUp() {
        let limit = deployment["spec", "revisionHistoryLimit"]?.int ?? 10
        guard limit < Int(Int32.max) else { return }
        let sorted = old.sorted { $0.revisionNumber < $1.revisionNumber }
        for set in sorted.prefix(max(0, sorted.count - max(0, limit)))
        where set.wantedReplicas == 0 && set.statusCount("replicas") == 0
            && set["status", "observedGeneration"]?.integer ?? 0 >= set.generation ?? 0
        {
            actions.append(.delete(set))
        }
    }
}
