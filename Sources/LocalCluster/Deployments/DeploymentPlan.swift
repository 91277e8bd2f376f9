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
    /// The writes, in order.
    var actions: [DeploymentAction] = []
    /// The revision that the Deployment's annotation should name; `nil` to leave it.
    var revision: Int64?
    /// The replica set of the current template, if there is one yet.
    private(set) var current: KubeObject?
    private let deployment: KubeObject
    private let old: [KubeObject]
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
        let isPaused = deployment["spec", "paused"]?.bool ?? false
        if isPaused || isScaling {
            scaleAll()
            if isPaused || !actions.isEmpty { return }
        }
        if deployment["spec", "strategy", "type"]?.string == "Recreate" {
            recreate(occupied: occupied)
        } else {
            roll()
        }
        if actions.isEmpty { cleanUp() }
    }

    private static func isOlder(_ left: KubeObject, _ right: KubeObject) -> Bool {
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

    /// Makes sure that the current template has a replica set with the newest revision; answers whether it has.
    private mutating func ensureCurrent(count: Int) -> Bool {
        let newest = (old.map(\.revisionNumber).max() ?? 0) + 1
        guard let existing = current else {
            let set = newReplicaSet(count: count, revision: newest)
            actions.append(.create(set))
            revision = newest
            return false
        }
        let marked = withCopiedAnnotations(existing, revision: max(newest, existing.revisionNumber))
        if marked != existing {
            actions.append(.update(marked, from: nil))
            return false
        }
        if deployment.revisionNumber != existing.revisionNumber { revision = existing.revisionNumber }
        return true
    }

    private func withCopiedAnnotations(_ set: KubeObject, revision: Int64) -> KubeObject {
        var annotations = set.annotations
        for (key, value) in deployment.annotations where !DeploymentWords.kept.contains(key) {
            annotations[key] = value
        }
        if set.revisionNumber != revision {
            if set.revisionNumber > 0 {
                let history = (annotations[DeploymentWords.history].map { [$0] } ?? []) + [String(set.revisionNumber)]
                annotations[DeploymentWords.history] = history.joined(separator: ",")
            }
            annotations[DeploymentWords.revision] = String(revision)
        }
        var marked = set
        marked.annotations = annotations
        if let minimum = deployment["spec", "minReadySeconds"] { marked["spec", "minReadySeconds"] = minimum }
        return marked
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
        return marked(withCopiedAnnotations(set, revision: revision))
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
        if current.wantedReplicas > replicas {
            scale(current, to: replicas)
        } else if current.wantedReplicas < replicas {
            scale(current, to: min(replicas, current.wantedReplicas + free))
        } else {
            scale(current, to: replicas)
        }
        if actions.isEmpty { shrinkOld(current, total: total) }
    }

    /// Scales old replica sets down as far as availability allows, unhealthy pods first.
    private mutating func shrinkOld(_ current: KubeObject, total: Int) {
        let running = old.filter { $0.wantedReplicas > 0 }
        guard !running.isEmpty else { return }
        let minimum = replicas - limits.unavailable
        let missing = max(0, current.wantedReplicas - current.statusCount("availableReplicas"))
        var removable = max(0, total - minimum - missing)
        var wanted = Dictionary(uniqueKeysWithValues: running.map { ($0.name, $0.wantedReplicas) })
        for set in running where removable > 0 {
            let unhealthy = max(0, set.wantedReplicas - set.statusCount("availableReplicas"))
            let cut = min(unhealthy, removable)
            wanted[set.name, default: 0] -= cut
            removable -= cut
        }
        let available = ([current] + running).reduce(0) { $0 + $1.statusCount("availableReplicas") }
        var surplus = max(0, available - minimum)
        for set in running where surplus > 0 {
            let cut = min(wanted[set.name] ?? 0, surplus)
            wanted[set.name, default: 0] -= cut
            surplus -= cut
        }
        for set in running where wanted[set.name] != set.wantedReplicas { scale(set, to: wanted[set.name] ?? 0) }
    }

    /// Follows a changed count without touching revisions: the only active replica set gets all; in the middle of a
    /// rollout the change is shared in proportion.
    private mutating func scaleAll() {
        let active = active
        if active.count <= 1 {
            if let only = active.first ?? current ?? old.last { scale(only, to: replicas) }
            return
        }
        let allowed = replicas + limits.surge
        let total = active.reduce(0) { $0 + $1.wantedReplicas }
        let sorted = active.sorted { $0.wantedReplicas > $1.wantedReplicas }
        var rest = allowed - total
        var counts = sorted.map(\.wantedReplicas)
        for (index, set) in sorted.enumerated() where rest != 0 && total > 0 {
            let before = set.annotations[DeploymentWords.maximum].flatMap { Int($0) } ?? total
            let exact = Double(set.wantedReplicas) * Double(allowed) / Double(max(1, before))
            var share = Int(exact.rounded()) - set.wantedReplicas
            share = rest > 0 ? min(max(0, share), rest) : max(min(0, share), rest)
            counts[index] += share
            rest -= share
        }
        if let first = counts.first { counts[0] = max(0, first + rest) }
        for (set, count) in zip(sorted, counts) { scale(set, to: count) }
    }

    /// Deletes the oldest replica sets beyond `revisionHistoryLimit`.
    private mutating func cleanUp() {
        let limit = deployment["spec", "revisionHistoryLimit"]?.int ?? 10
        let finished = old.filter { $0.wantedReplicas == 0 && $0.statusCount("replicas") == 0 }
            .sorted { $0.revisionNumber < $1.revisionNumber }
        for set in finished.prefix(max(0, finished.count - max(0, limit))) { actions.append(.delete(set)) }
    }
}
