// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import KubeRuntime
import Rollouts

/// Everything that one reconcile of a ModelDeployment looks at.
struct ModelObservation {
    /// The model as it is stored.
    let stored: KubeObject
    /// The model with defaults.
    let model: ModelDeployment
    /// All runtimes.
    let runtimes: [ServingRuntime]
    /// The Deployments that the model owns, one a revision.
    private(set) var deployments: [KubeObject]
    /// The model's Service.
    let service: KubeObject?
    /// The Service of a revision that is being rolled out.
    let canaryService: KubeObject?
    /// Where the rollout is, as the status says; `nil` where nothing was ever rolled out.
    private(set) var rollout: RolloutState?
    /// Where the traffic goes, as far as it was asked for.
    var traffic: TrafficObservation?
    /// Whether traffic can only be shared by the number of pods.
    var sharesByPods = true
    /// What happened since the judge's last look; `nil` where it isn't time yet.
    var evidence: RolloutEvidence?
    /// The model's HPA.
    let autoscaler: KubeObject?
    /// Whether there are objects that an earlier model with this name seems to have left behind.
    let hasLeftOvers: Bool
    /// The model's pods.
    let pods: [KubeObject]
    /// The last scaling decision of this process.
    let scaling: ScaleRecord?
    /// What else scales the model's target.
    var foreign: ForeignScaler?
    /// How long its pods take to get ready, as this process has measured; `nil` before it saw one.
    var coldStartSeconds: Double?
    /// What this process did to the revisions before.
    let memory: RevisionMemory
    /// The time now.
    let time: WallTime

    /// Reads the stores; `nil` when the model is gone or going.
    /// - Parameter parts: what is read of the objects.
    init?(
        _ key: ObjectKey,
        stores: FleetStores,
        scaling: ScaleRecord?,
        ledger: RevisionLedger? = nil,
        keeping parts: ObservedParts = .everything,
        time: WallTime
    ) {
        guard let object = stores.models.stored(key)?.object(keeping: parts.models), !object.isBeingDeleted,
            let uid = object.uid
        else { return nil }
        stored = object
        model = ModelDeployment(object)
        runtimes = stores.servingRuntimes()
        deployments = stores.deployments.owned(byUID: uid, keeping: parts.deployments).filter { !$0.isBeingDeleted }
            .sorted { Self.revision(of: $0) < Self.revision(of: $1) }
        let preview = ObjectKey(namespace: key.namespace, name: RolloutRouting.canaryService(key.name))
        let named = [stores.services.object(key), stores.services.object(preview), stores.autoscalers.object(key)]
        let own = named.map { $0.flatMap { $0.controller?.uid == uid ? $0 : nil } }
        (service, canaryService, autoscaler) = (own[0], own[1], own[2])
        hasLeftOvers = zip(named, own).contains { found, own in
            own == nil && found.map { LeftOver.bearsMarks($0, of: object) } ?? false
        }
        rollout = RolloutState(object["status", "rollout"])
        pods = stores.pods.matching(
            LabelSelector(matching: [FleetAPI.modelLabel: key.name]),
            namespace: key.namespace
        )
        self.scaling = scaling
        memory = ledger?.memory(key, uid: uid) ?? RevisionMemory()
        self.time = time
    }

    /// Whether this very spec was found valid before, as its status says.
    ///
    /// It stays so when validation gets stricter: what serves isn't refused by an upgrade.
    var wasAccepted: Bool {
        guard let generation = stored.generation, stored["status", "observedGeneration"]?.integer == generation else {
            return false
        }
        let progressing = ConditionSet(stored)[ModelDeploymentCondition.progressing]
        return progressing.map { $0.reason != "InvalidSpec" } ?? false
    }

    /// The revision number in an object's labels; 0 without one.
    static func revision(of object: KubeObject) -> Int {
        object.label(FleetAPI.revisionLabel).flatMap(revisionNumber) ?? 0
    }

    /// The revision number that a label or a selector says; `nil` where it is no number that a revision may have.
    static func revisionNumber(_ text: String) -> Int? {
        Int(text).flatMap { RevisionState.numbers.contains($0) ? $0 : nil }
    }

    /// The revision with the stable role: during a rollout the status says, otherwise the Service's selector, then the status.
    var stableRevision: Int? {
        let numbers = Set(deployments.map(Self.revision))
        if let rollout, rollout.phase.isActive, numbers.contains(rollout.stableRevision) {
            return rollout.stableRevision
        }
        if let selected = selectedRevision, numbers.contains(selected) { return selected }
        if let recorded = model.object["status", "stable", "revision"]?.int {
            return numbers.contains(recorded) ? recorded : nil
        }
        return sharedRevision
    }

    /// The revision that carries most where the Service selects all and no status says who serves: an earlier model with this name left
    /// its objects in the middle of a rollout.
    private var sharedRevision: Int? {
        guard let service, selectedRevision == nil, service["spec", "selector", FleetAPI.modelLabel] != nil else {
            return nil
        }
        let ready = deployments.map { (number: Self.revision(of: $0), count: readyReplicas(Self.revision(of: $0))) }
        return ready.max { ($0.count, -$0.number) < ($1.count, -$1.number) }?.number
    }

    /// The revision that the Service selects.
    var selectedRevision: Int? { RolloutRouting.selected(service) }

    /// The revisions that must exist by what is known, and that the store doesn't show: deleted, or its watch is late.
    var unseenRevisions: [Int] {
        let seen = Set(deployments.map(Self.revision))
        let written = memory.written.flatMap { $0.isGone ? nil : $0.number }
        let stable = rollout.flatMap { $0.phase.isActive ? $0.stableRevision : nil }
        return Set([selectedRevision, written, stable].compactMap(\.self)).subtracting(seen).sorted()
    }

    /// Adds a revision's Deployment that was read afresh, if it is the model's and stays.
    mutating func add(_ deployment: KubeObject) {
        guard deployment.controller?.uid == model.object.uid, !deployment.isBeingDeleted else { return }
        deployments.append(deployment)
        deployments.sort { Self.revision(of: $0) < Self.revision(of: $1) }
    }

    /// Takes the rollout for one whose tracks share the load, where it was written and the store of models doesn't show it yet.
    mutating func follow(_ written: RolloutState?) {
        if let written, rollout?.isSharing != true { rollout = written }
    }

    /// The count that the last scaling decision acted on: this process's, else the one that status shows.
    var actedReplicas: Int? {
        let status = stored["status"]
        return scaling?.acted(in: rollout)
            ?? ScaleRecord.acted(scaling: status?["scaling"], conditions: status?["conditions"])
    }

    /// Whether something else writes the count of one of the model's Deployments.
    var isScaledByForeign: Bool { foreign?.target == .deployment }

    /// Whether a canary is under way.
    var isRollingOut: Bool { rollout?.phase.isActive ?? false }

    /// The ready replicas of a revision.
    func readyReplicas(_ revision: Int) -> Int { deployment(revision)?["status", "readyReplicas"]?.int ?? 0 }

    /// The Deployment of a revision.
    func deployment(_ revision: Int) -> KubeObject? { deployments.first { Self.revision(of: $0) == revision } }

    /// The pods of a revision.
    func pods(of revision: Int) -> [KubeObject] { pods.filter { Self.revision(of: $0) == revision } }

    /// The runtime whose metrics a revision's pods have: the one that it was rendered with, or where that isn't noted or is gone, the one
    /// of the spec; `nil` where that can't be found either.
    func runtime(of revision: Int) -> ServingRuntime? {
        let noted = deployment(revision)?.annotation(FleetAPI.runtimeAnnotation)
        if let noted, let runtime = runtimes.first(where: { $0.object.name == noted }) { return runtime }
        guard case .found(let runtime) = ServingRuntime.choose(for: model, among: runtimes) else { return nil }
        return runtime
    }

    /// Why a revision's replicas don't get ready, where that is known.
    func failure(of revision: Int) -> PodFailure? {
        let pods = pods(of: revision).filter { !PodDiagnosis.isOver($0) }
        if let failure = PodDiagnosis.failure(of: pods, now: time) { return failure }
        // While the first pods start, what keeps others from being made is no trouble yet.
        guard pods.isEmpty || pods.contains(where: PodDiagnosis.isReady) else { return nil }
        return deployment(revision).flatMap { PodDiagnosis.failure(ofDeployment: $0, isWhole: pods.isEmpty) }
    }

    /// Since when a revision has had no replica that is ready, as far as its Deployment says; one that was just scaled up from zero is
    /// still said to be available.
    func unavailableSince(_ revision: Int) -> WallTime? {
        guard let deployment = deployment(revision) else { return nil }
        let available = ConditionSet(deployment)["Available"]
        if available?.status == .isTrue { return nil }
        return available?.lastTransitionTime ?? deployment.creationTimestamp
    }
}
