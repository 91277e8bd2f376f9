// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Rollouts

/// Observe, plan, apply: brings one ModelDeployment's objects to what its spec asks for.
struct ModelReconciler: Reconciler {
    /// When to look again after the stores were found behind the cluster.
    static let staleDelay = Duration.seconds(1)
    /// When to look again after the cluster refused something: nothing tells when that changes.
    static let refusedDelay = Duration.seconds(15)

    /// What is known.
    let stores: FleetStores
    /// The last scaling decisions.
    let scaling: ScalingState
    /// The templates.
    let renderer: ModelRenderer
    /// What sends the requests.
    let apply: ModelApply
    /// What was done to revisions before.
    let ledger: RevisionLedger
    /// What the judge of a rollout sees; `nil` where nothing is scraped.
    var analysis: RolloutAnalysis?
    /// What counts rollouts.
    var metrics: RolloutMetrics?
    /// What was found as wanted before.
    let settled: SettledModels
    /// Whose routes the API server refuses.
    let refusedRoutes = PassingTrouble()
    /// The time.
    let time: any TimeSource

    /// Reconciles one model; a model that is gone needs nothing, its objects are garbage-collected.
    func reconcile(_ key: ObjectKey) async throws -> ReconcileOutcome {
        let now = time.now()
        let inputs = settled.inputs(key, stores: stores, scaling: scaling, ledger: ledger)
        if let inputs, let outcome = settled.outcome(key, inputs, now: now) { return outcome }
        guard
            var observation = ModelObservation(
                key,
                stores: stores,
                scaling: scaling.record(key),
                ledger: ledger,
                time: now
            )
        else {
            if !stores.models.contains(key) { forget(key) }
            return .awaitChange
        }
        observation.foreign = scaling.foreign(key)
        observation.coldStartSeconds = scaling.coldStart(key)
        let uid = observation.stored.uid ?? ""
        scaling.wake(key, now: time.now())
        let unseen = observation.unseenRevisions
        if let outcome = try await look(unseen, of: &observation) { return outcome }
        try await observeTraffic(&observation)
        if observation.traffic?.problemReason == TrafficSwitch.forbidden {
            if !refusedRoutes.lasts(key, now: now) { return .requeue(after: Self.staleDelay) }
        } else {
            refusedRoutes.forget(key)
        }
        var plan = ModelPlan(observation, renderer: renderer)
        noteRoutes(&plan, observation)
        analysis?.note(&plan, observation)
        let wasSharing = scaling.sharing(key) != nil
        noteSharing(plan, observation)
        let isQuiet = unseen.isEmpty && !observation.isRollingOut && observation.canaryService == nil
        if plan.asksNothing(of: observation.stored), plan.retiring.isEmpty, observation.memory.retiredSince.isEmpty {
            // The inputs were read before the observation: had one moved in between, the next look finds it different.
            // A rollout follows from more than the stores: what routes, what is measured.
            if let inputs, isQuiet { settled.note(key, inputs, recheck: plan.recheck, now: now) }
            apply.refusals.forget(key)
            metrics?.note(plan, observation)
            return plan.recheck.map { .requeue(after: $0) } ?? .awaitChange
        }
        ledger.noteRetired(plan.retiring, key, uid: uid, now: time.now())
        var model = observation.stored
        // What couldn't be written doesn't hold: the scaling goes on writing the count.
        defer { if !wasSharing, model["status", "rollout", "isSharing"] != true { scaling.noteSharing(key, nil) } }
        // Once it is stored: the next decision sees it, and doesn't count it again.
        defer { if model["status", "rollout"] == plan.status["rollout"] { metrics?.note(plan, observation) } }
        do {
            let progress = try await apply.run(plan, for: &model, now: now)
            if progress != .stale { apply.refusals.forget(key) }
            switch progress {
            case .done:
                // With nothing done but telling of it, the same plan follows from what is told.
                if let inputs, isQuiet, plan.onlyTells(observation), model["status"] == plan.status {
                    settled.note(key, inputs, written: model.resourceVersion, recheck: plan.recheck, now: now)
                }
            case .unkept(let isLasting): return .requeue(after: isLasting ? Self.refusedDelay : Self.staleDelay)
            case .stale: return .requeue(after: Self.staleDelay)
            case .gone: return .awaitChange
            }
        } catch {
            return try await tell(error, observation, of: &model)
        }
        return plan.recheck.map { .requeue(after: $0) } ?? .awaitChange
    }

    /// Looks afresh at what decides, and isn't in the stores as it should be: revisions that they don't show, and what an earlier model
    /// has left behind.
    /// - Returns: the outcome where that is all for now; `nil` where the reconcile goes on.
    private func look(_ unseen: [Int], of observation: inout ModelObservation) async throws -> ReconcileOutcome? {
        do {
            try await read(unseen, of: &observation)
            let isAdopting = observation.hasLeftOvers ? try await apply.adoptLeftOvers(for: observation.stored) : false
            return isAdopting ? .requeue(after: Self.staleDelay) : nil
        } catch {
            var model = observation.stored
            return try await tell(error, observation, of: &model, isBlind: true)
        }
    }

    /// A model is gone.
    private func forget(_ key: ObjectKey) {
        settled.forget(key)
        apply.forget(key)
        refusedRoutes.forget(key)
        analysis?.forget(key)
        metrics?.forget(key)
        scaling.forget(key)
        ledger.forget(key)
    }

    /// Reads revisions afresh that must be there, before their absence decides anything.
    private func read(_ unseen: [Int], of observation: inout ModelObservation) async throws {
        let key = observation.stored.key
        for number in unseen {
            let name = ObjectKey(namespace: key.namespace, name: "\(key.name)-r\(number)")
            if let deployment = try await apply.client.find(.deployments, name) {
                observation.add(deployment)
            } else {
                ledger.noteGone(number, key, uid: observation.stored.uid ?? "")
            }
        }
    }

    /// Says what the cluster refuses, or fails to do; throws anything else, and failures besides, so that the queue waits longer each time.
    private func tell(
        _ error: any Error,
        _ observation: ModelObservation,
        of model: inout KubeObject,
        isBlind: Bool = false
    ) async throws -> ReconcileOutcome {
        guard var refused = ApplyRefused(error) else { throw error }
        refused.isBlind = isBlind
        let outcome = try await tell(refused, observation, of: &model)
        if refused.isFailure, outcome != .awaitChange { throw error }
        return outcome
    }

    /// Says in the status what the cluster refuses, if that lasts: an API server that has just started refuses what it allows a moment
    /// later.
    private func tell(_ refused: ApplyRefused, _ observation: ModelObservation, of model: inout KubeObject) async throws
        -> ReconcileOutcome
    {
        if refused.mayPass, !apply.refusals.lasts(observation.stored.key, now: observation.time) {
            return .requeue(after: Self.staleDelay)
        }
        var report = ModelPlan(observation, refused: refused)
        // What was decided about the rollout is written already.
        for field in ModelPlan.decidingMembers { report.status[field] = model["status", field] }
        if try await apply.report(report, for: &model) == .gone { return .awaitChange }
        return .requeue(after: Self.refusedDelay)
    }

    /// Notes in the wanted status which routes the rollout may have written, before it writes them.
    private func noteRoutes(_ plan: inout ModelPlan, _ observation: ModelObservation) {
        guard plan.status["rollout"] != nil, let state = plan.rollout?.state else { return }
        let named = WrittenRoutes.named(apply.routing.way(observation.model, canary: state.canaryRevision))
        let routes = WrittenRoutes.toNote(observation, named, isActive: state.phase.isActive).sorted()
        plan.status.set(routes.isEmpty ? nil : .array(routes.map { .string($0) }), at: "rollout", "routes")
    }

    /// Lets the scaling know that the tracks share the load before the stable one gives any replica up, and that they don't any more
    /// once that is stored.
    private func noteSharing(_ plan: ModelPlan, _ observation: ModelObservation) {
        guard let rollout = plan.rollout else { return }
        let key = observation.stored.key
        if let state = rollout.state, state.isSharing {
            scaling.noteSharing(key, state)
        } else if observation.rollout?.isSharing != true {
            scaling.noteSharing(key, nil)
        }
    }

    /// Brings the traffic to where the last decision wanted it, and sees where it is; nothing of that is needed while no rollout is
    /// under way.
    private func observeTraffic(_ observation: inout ModelObservation) async throws {
        let state = observation.rollout
        if case .router = apply.routing.way(observation.model, canary: state?.canaryRevision) {
            observation.sharesByPods = false
        }
        // Before its status says who serves: nothing was ever rolled out, and what its routes have is of a model before.
        if state == nil, observation.stored["status", "stable"] == nil {
            try await apply.routing.bringToRest(observation.model)
        }
        let moves = observation.model.rolloutStrategy != .rollingUpdate || state?.isReplacing == true
        guard
            observation.canaryService != nil || observation.isRollingOut && moves
                || !WrittenRoutes.noted(observation.stored).isEmpty
        else { return }
        let ready = (
            stable: state.map { observation.readyReplicas($0.stableRevision) } ?? 0,
            canary: state?.canaryRevision.map { observation.readyReplicas($0) } ?? 0
        )
        observation.traffic = try await apply.routing.bring(
            state,
            of: observation.model,
            root: observation.service,
            canary: observation.canaryService,
            ready: ready
        )
        observation.evidence = analysis?.evidence(observation)
    }
}
