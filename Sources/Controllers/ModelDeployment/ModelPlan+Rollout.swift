// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts

extension ModelPlan {
    /// How long after the traffic couldn't be moved it is tried again.
    static let routeRetry = Duration.seconds(5)

    /// The Deployments and their counts.
    mutating func planTracks(
        _ observation: ModelObservation,
        _ bodies: RenderedBodies,
        _ decision: RolloutDecision,
        _ seen: RolloutObservation
    ) {
        let model = observation.model
        let wanted = seen.wanted.number
        let live = observation.deployment(wanted)
        // A count that somebody else writes as well would go back and forth.
        let asked = observation.isScaledByForeign ? nil : model.outsideReplicas
        if decision.bringsUp || live != nil { applyWhereDifferent(.deployments, bodies.deployment, live: live) }
        let isCanary = decision.canaryRevision == wanted
        if !isCanary, decision.stableRevision == wanted, seen.stable == nil || seen.stable?.number == wanted {
            // The only revision, or the first.
            let first = seen.stable == nil && live == nil
            let count = first ? Self.initialReplicas(model) : asked
            if let count = decision.stableReplicas ?? count {
                set(count, of: wanted, bodies, observation, guarded: nil)
            }
        }
        if let canary = decision.canaryRevision, let count = decision.canaryReplicas,
            canary == wanted && (live != nil || decision.bringsUp) || observation.deployment(canary) != nil
        {
            set(count, of: canary, bodies, observation, guarded: base(seen))
        }
        for (number, count) in decision.shrinks.sorted(by: { $0.key < $1.key }) {
            set(count, of: number, bodies, observation, guarded: base(seen))
        }
        // While another revision comes up, what something outside asks for goes to the one with the stable role.
        if decision.stableRevision != wanted || isCanary {
            let stable = decision.stableRevision
            if let count = decision.stableReplicas {
                set(count, of: stable, bodies, observation, guarded: base(seen))
            } else if let asked, observation.deployment(stable) != nil {
                set(asked, of: stable, bodies, observation, guarded: nil)
            }
        }
    }

    /// The replicas that all requests need, as far as a track may shrink.
    private func base(_ seen: RolloutObservation) -> Int {
        seen.state?.isReplacing == true ? max(0, seen.demand - 1) : seen.demand
    }

    private mutating func set(
        _ count: Int,
        of revision: Int,
        _ bodies: RenderedBodies,
        _ observation: ModelObservation,
        guarded demand: Int?
    ) {
        let live = observation.deployment(revision)
        let current = live.map { $0["spec", "replicas"]?.int ?? 1 } ?? 1
        guard count != current else { return }
        let model = observation.model.object
        let key = live?.key ?? ObjectKey(namespace: model.namespace, name: "\(model.name)-r\(revision)")
        if let demand, count < current, observation.traffic != nil {
            actions.append(.shrink(key, count, revision: revision, demand: demand))
        } else {
            actions.append(.scale(.deployments, key, count))
        }
    }

    /// The Services and the routes.
    mutating func planTraffic(
        _ observation: ModelObservation,
        _ bodies: RenderedBodies,
        _ decision: RolloutDecision,
        _ seen: RolloutObservation
    ) {
        if let body = bodies.canaryService {
            let applied = AppliedBody.make(.services, body, live: observation.canaryService)
            if let live = observation.canaryService {
                if !Coverage.covers(live.json, applied.json) {
                    var sent = applied
                    sent.resourceVersion = live.resourceVersion
                    let ready = decision.canaryServiceRevision.map { observation.readyReplicas($0) } ?? 0
                    actions.append(.turn(sent, ready: ready, demand: seen.demand))
                }
            } else {
                actions.append(.create(.services, applied))
            }
        }
        if let state = decision.state, let traffic = observation.traffic, !observation.sharesByPods {
            let before = RolloutRouting.split(observation.rollout, of: observation.model)
            if RolloutRouting.split(state, of: observation.model) != before {
                let isForced = Self.isForced(decision)
                actions.append(.route(state, demand: base(seen), isForced: isForced))
            } else if traffic.problem != nil || !traffic.gives(state.desiredWeight) {
                look(in: Self.routeRetry)
            }
        }
        planService(observation, bodies, decision, demand: base(seen))
        planAutoscaler(observation, bodies, current: running(observation, decision, seen))
        if decision.canaryServiceRevision == nil, let service = observation.canaryService {
            actions.append(.delete(.services, service.key))
        }
    }

    /// The count that runs: while both tracks share the load, neither Deployment has it.
    private func running(_ observation: ModelObservation, _ decision: RolloutDecision, _ seen: RolloutObservation)
        -> Int?
    {
        if observation.rollout?.isSharing == true { return seen.demand }
        let stable = observation.model.isHandover ? observation.stableRevision : nil
        let serving = stable ?? decision.rootRevision ?? decision.stableRevision
        return observation.deployment(serving)?["spec", "replicas"]?.int
    }

    private static func isForced(_ decision: RolloutDecision) -> Bool {
        decision.events.contains { $0.reason == RolloutEvent.returnForced }
    }

    /// The root Service; one that selected all pods selects one revision only where that carries the requests.
    private mutating func planService(
        _ observation: ModelObservation,
        _ bodies: RenderedBodies,
        _ decision: RolloutDecision,
        demand: Int
    ) {
        let before = actions.count
        applyWhereDifferent(.services, bodies.service, live: observation.service)
        guard actions.count > before, case .apply(.services, let body) = actions[before],
            let root = decision.rootRevision, let live = observation.service, RolloutRouting.selected(live) == nil,
            observation.rollout != nil, !Self.isForced(decision)
        else { return }
        actions[before] = .select(body, revision: root, demand: demand)
    }

    /// The revisions that keep their pods.
    func used(_ observation: ModelObservation, _ decision: RolloutDecision, wanted: Int) -> Set<Int> {
        var used = decision.keeps.union([wanted, decision.stableRevision])
        if let root = decision.rootRevision { used.insert(root) }
        if let canary = decision.canaryRevision { used.insert(canary) }
        if let stable = observation.stableRevision, decision.state?.phase.isActive ?? true { used.insert(stable) }
        return used
    }

    /// Notes the moments at which time alone changes what there is to say.
    mutating func planRechecks(_ observation: ModelObservation, _ decision: RolloutDecision, wanted: Int) {
        if let rest = decision.recheck { look(in: rest) }
        let serving = decision.rootRevision ?? decision.stableRevision
        if serving == wanted, decision.state?.phase.isActive != true, observation.readyReplicas(wanted) == 0,
            let start = observation.unavailableSince(wanted)
        {
            let rest = Duration.seconds(observation.model.progressDeadlineSeconds) - (observation.time - start)
            if rest >= .zero { look(in: rest + .seconds(1)) }
        }
        for revision in Set([wanted, serving]) {
            if let rest = PodDiagnosis.nextLook(observation.pods(of: revision), now: observation.time) {
                look(in: rest)
            }
        }
    }

    /// Keeps the spec of each revision that was ready once, or is rolled out, for going back to it.
    mutating func planKeeping(_ observation: ModelObservation, _ decision: RolloutDecision, wanted: Int) {
        let kept = observation.stored["status", "keptRevision"]?.int ?? 0
        status["keptRevision"] = kept > 0 ? JSONValue(kept) : nil
        let isKnown = observation.readyReplicas(wanted) > 0 || decision.state?.phase.isActive == true
        if wanted > kept, isKnown, decision.bringsUp, observation.model.revisionHistoryLimit > 0 {
            actions.append(.keep(.controllerRevisions, Self.kept(wanted, of: observation.stored)))
            status["keptRevision"] = JSONValue(wanted)
        }
        guard !decision.ended.isEmpty else { return }
        let history = (status["history"]?.array ?? []).compactMap { $0["revision"]?.int }
        // The one that served until now is the first to go back to.
        let last = observation.stableRevision.map { [$0] } ?? []
        actions.append(.prune(keeping: Set(history).union([wanted, decision.stableRevision] + last)))
    }

    /// The ControllerRevision with the spec of a revision.
    private static func kept(_ number: Int, of model: KubeObject) -> KubeObject {
        var spec: JSONValue = .emptyObject
        // As it is stored: what goes back must not hold defaults of another time.
        for field in ["model", "runtime", "resources", "template"] { spec[field] = model["spec", field] }
        var object = KubeObject(.controllerRevisions, namespace: model.namespace, name: "\(model.name)-r\(number)")
        object.labels = [
            FleetAPI.modelLabel: model.name, FleetAPI.revisionLabel: "\(number)",
            FleetAPI.managedByLabel: FleetAPI.manager,
        ]
        let owner = OwnerReference(controller: model)?.json
        object.json.set(.array([owner].compactMap(\.self)), at: "metadata", "ownerReferences")
        object["revision"] = JSONValue(number)
        object["data"] = ["spec": spec]
        return object
    }
}

extension ResourceType {
    /// ControllerRevisions, which keep the specs of revisions.
    static let controllerRevisions = RolloutUndo.resourceType
}
