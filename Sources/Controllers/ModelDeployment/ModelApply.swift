// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeAPI
import KubeModel
import KubeRuntime
import Rollouts

/// Why a plan can't be carried out until somebody changes something.
struct ApplyRefused: Error, Hashable {
    /// One word: `NameTaken`, `ApplyRejected`, `ApplyFailed`, `ScaleRejected`.
    var reason: String
    /// A sentence with what to do.
    var message: String
    /// Whether it may pass by itself: an API server that has just started allows the same a moment later, and an old object goes.
    var mayPass = false
    /// Whether the API server failed, mostly since it waits for a webhook: each try may take as long as that, so it is asked less and
    /// less often.
    var isFailure = false
    /// Whether it was a look that was refused: whether what served still does isn't known.
    var isBlind = false
}

extension ApplyRefused {
    /// The reasons for which an object isn't made.
    static let reasons: Set<String> = ["NameTaken", "ApplyRejected", "ApplyFailed"]

    /// The refusal, or the server's failure, that an error is: also of what is only read, or deleted, on the way; `nil` where it is
    /// neither.
    init?(_ error: any Error) {
        if let refused = error as? ApplyRefused {
            self = refused
        } else if let error = error as? KubeError, error.isForbidden {
            self.init(reason: "ApplyRejected", message: "\(error)", mayPass: true)
        } else if let error = error as? KubeError, error.isServerFailure {
            self.init(reason: "ApplyFailed", message: "\(error)", mayPass: true, isFailure: true)
        } else {
            return nil
        }
    }
}

/// Sends what a plan asks for.
struct ModelApply: Sendable {
    /// How far a plan got.
    enum Progress: Hashable {
        /// Everything was sent.
        case done
        /// Everything was sent, and a spec couldn't be kept yet; `isLasting`: for so long that it isn't tried again at once.
        case unkept(isLasting: Bool)
        /// The stores are behind the cluster: nothing more was sent, look again soon.
        case stale
        /// The model is gone, or another one of the same name is there: its watch is late, and will tell.
        case gone
    }

    /// The cluster.
    let client: KubeClient
    /// Where events go.
    let recorder: EventRecorder
    /// What was written before.
    let ledger: RevisionLedger
    /// How requests are shared.
    let routing: RolloutRouting
    /// Who was told that the cluster's definition is too old.
    let dropped = DroppedStatus()
    /// Whose objects are refused.
    let refusals = PassingTrouble()
    /// Whose specs can't be kept.
    let unkept = PassingTrouble()

    /// Sends the requests in order, then the status where it differs. An event follows what it is about: nothing that fails afterwards
    /// takes it away.
    ///
    /// Where the rollout goes on or a revision is made, the status comes first: what is done follows from what is written, and a process
    /// that ends in between leaves nothing that the next one doesn't know of, nor gives a revision's number to another.
    /// - Parameters:
    ///   - model: the model as it is stored; then as it was written.
    ///   - now: when the plan was made.
    /// - Throws: `ApplyRefused` where the cluster says no; `KubeError` of the first request that fails otherwise, the
    ///   rest follows at the next reconcile.
    func run(_ plan: ModelPlan, for model: inout KubeObject, now: WallTime) async throws -> Progress {
        for case .route(let state, let demand, let isForced) in plan.actions {
            // Before it is written: what is in status is brought about before the next decision.
            if !isForced, try await !mayFall(state, demand: demand, for: model) { return .stale }
            if try await !mayRise(state, demand: demand, for: model) { return .stale }
        }
        var plan = plan
        if plan.writesFirst(model) {
            guard try await writeStatus(plan.firstStatus(of: model), for: &model) else { return .gone }
            await record(plan.takeTold(), for: model)
        }
        let state = plan.rollout?.state
        var isKept = true
        var failure: (any Error)?
        for action in plan.actions {
            if case .keep(let type, let object) = action {
                do { isKept = try await keep(type, object, for: model, now: now) } catch {
                    (failure, isKept) = (error, false)
                }
                continue
            }
            let progress = try await send(action, for: model, state: state)
            if progress != .done { return progress }
            if let event = plan.event(after: action, of: model) { await record([event], for: model) }
        }
        if !isKept { plan.status["keptRevision"] = model["status", "keptRevision"] }
        let progress = try await report(plan, for: &model)
        // What can't be kept holds up nothing else.
        if let failure { throw failure }
        if progress == .done, !isKept { return .unkept(isLasting: unkept.lasts(model.key, now: now)) }
        return progress
    }

    /// Writes the status where it differs and records the events.
    func report(_ plan: ModelPlan, for model: inout KubeObject) async throws -> Progress {
        guard try await writeStatus(plan.status, for: &model) else { return .gone }
        await record(plan.decided + plan.events, for: model)
        return .done
    }

    /// A model is gone.
    func forget(_ key: ObjectKey) {
        dropped.forget(key)
        refusals.forget(key)
        unkept.forget(key)
    }

    private func record(_ events: [PlannedEvent], for model: KubeObject) async {
        for event in events {
            let type: EventRecorder.EventType = event.isWarning ? .warning : .normal
            await recorder.record(model, type, reason: event.reason, message: event.message)
        }
    }

    private func send(_ action: PlannedAction, for model: KubeObject, state: RolloutState?) async throws -> Progress {
        switch action {
        case .create(let type, let body): return try await create(type, body, for: model)
        case .apply(let type, let body): try await apply(type, body, for: model)
        case .scale(let type, let key, let count):
            if count == 0, try await isServing(key, for: model) { return .stale }
            // The count of a handover is of this version of the model: who wrote another meanwhile means it.
            let version = type == .modelDeployments ? model.resourceVersion : nil
            try await setReplicas(count, of: type, key, version: version)
        case .delete(let type, let key):
            if type == .deployments, try await isServing(key, for: model) { return .stale }
            try await delete(type, key)
        case .shrink(let key, let count, let revision, let demand):
            let traffic = try await routing.look(state, of: ModelDeployment(model))
            guard ShrinkGuard.allows(count, of: revision, demand: demand, traffic: traffic) else { return .stale }
            if traffic.rootRevision == nil {
                let all = try await readyReplicas(for: model)
                let (ready, sum) = (all[revision] ?? 0, all.values.reduce(0, +))
                guard ShrinkGuard.allowsShared(count, ready: ready, all: sum, demand: demand) else { return .stale }
            }
            try await setReplicas(count, of: .deployments, key)
        case .turn(let body, let ready, let demand):
            let traffic = try await routing.look(state, of: ModelDeployment(model))
            guard ShrinkGuard.allowsTurn(ready: ready, demand: demand, traffic: traffic) else { return .stale }
            try await apply(.services, body, for: model)
        case .select(let body, let revision, let demand):
            guard try await carriesAlone(revision, demand: demand, for: model) else { return .stale }
            try await apply(.services, body, for: model)
        case .route(let state, _, _): _ = try await routing.look(state, of: ModelDeployment(model))
        case .keep: break
        case .prune(let numbers): try await prune(model, keeping: numbers)
        }
        return .done
    }

    /// Whether the stable track carries what it gets back, read afresh: it may have given replicas up since the decision's view.
    private func mayFall(_ state: RolloutState, demand: Int, for model: KubeObject) async throws -> Bool {
        let live = state.achievedWeight ?? 0
        guard state.desiredWeight < live else { return true }
        let ready = try await readyReplicas(of: state.stableRevision, for: model)
        if let canary = state.canaryRevision, try await readyReplicas(of: canary, for: model) == 0 { return true }
        let traffic = TrafficObservation(weight: live)
        return ShrinkGuard.allowsReturn(to: state.desiredWeight, ready: ready, demand: demand, traffic: traffic)
    }

    /// Whether the revision that the canary Service selects carries a share that rises, read afresh: the decision may come from a view in
    /// which another one was selected.
    private func mayRise(_ state: RolloutState, demand: Int, for model: KubeObject) async throws -> Bool {
        let live = state.achievedWeight ?? 0
        guard state.desiredWeight > live else { return true }
        let name = ObjectKey(namespace: model.namespace, name: RolloutRouting.canaryService(model.name))
        let service = try await client.find(.services, name).flatMap { $0.controller?.uid == model.uid ? $0 : nil }
        guard let selected = RolloutRouting.selected(service) else { return false }
        let ready = try await readyReplicas(of: selected, for: model)
        return ShrinkGuard.allowsRise(to: state.desiredWeight, ready: ready, demand: demand, live: live)
    }

    /// Whether one revision carries what all pods share, read afresh.
    private func carriesAlone(_ revision: Int, demand: Int, for model: KubeObject) async throws -> Bool {
        let all = try await readyReplicas(for: model)
        let sum = all.values.reduce(0, +)
        return ShrinkGuard.allowsSelection(ready: all[revision] ?? 0, all: sum, demand: demand)
    }

    /// The replicas that the whole load needs, by the status; one less while they are replaced.
    private static func demand(_ model: KubeObject, _ state: RolloutState?) -> Int {
        let status = model["status"]
        let demand = ScaleRecord.acted(scaling: status?["scaling"], conditions: status?["conditions"]) ?? 0
        return state?.isReplacing == true ? max(0, demand - 1) : demand
    }

    private func readyReplicas(of revision: Int, for model: KubeObject) async throws -> Int {
        let key = ObjectKey(namespace: model.namespace, name: "\(model.name)-r\(revision)")
        return try await client.find(.deployments, key)?["status", "readyReplicas"]?.int ?? 0
    }

    /// The ready replicas of all revisions, read afresh.
    private func readyReplicas(for model: KubeObject) async throws -> [Int: Int] {
        let selector = LabelSelector(matching: [FleetAPI.modelLabel: model.name])
        let options = ListOptions(labelSelector: selector)
        var ready: [Int: Int] = [:]
        for deployment in try await client.list(.deployments, namespace: model.namespace, options: options).items
        where deployment.controller?.uid == model.uid {
            ready[ModelObservation.revision(of: deployment)] = deployment["status", "readyReplicas"]?.int ?? 0
        }
        return ready
    }

    /// Whether the Service, read afresh, needs the revision `key`: the watch that showed another may be late, and pods that go are not
    /// brought back in time.
    private func isServing(_ key: ObjectKey, for model: KubeObject) async throws -> Bool {
        guard let service = try await client.find(.services, model.key), service.controller?.uid == model.uid else {
            return false
        }
        if let selected = service["spec", "selector", FleetAPI.revisionLabel]?.string {
            return key.name == "\(model.name)-r\(selected)"
        }
        let all = try await readyReplicas(for: model)
        guard let revision = all.keys.first(where: { key.name == "\(model.name)-r\($0)" }) else { return false }
        return !ShrinkGuard.allowsShared(
            0,
            ready: all[revision] ?? 0,
            all: all.values.reduce(0, +),
            demand: Self.demand(model, RolloutState(model["status", "rollout"]))
        )
    }

    /// Applies a body that no store knows, after a fresh look whether there is such an object after all.
    private func create(_ type: ResourceType, _ body: KubeObject, for model: KubeObject) async throws -> Progress {
        guard let live = try await client.find(type, body.key) else {
            if wasMade(type, body, for: model), try await !exists(model) { return .gone }
            try await applyNoted(type, body, for: model)
            return .done
        }
        let owner = live.controller
        if live.isBeingDeleted { throw Self.taken(type, body, "is being deleted") }
        if let uid = owner?.uid, uid == model.uid {
            // The watch is late, or the object lost the label that it is watched by.
            let hash = live.annotation(FleetAPI.revisionHashAnnotation)
            guard hash == body.annotation(FleetAPI.revisionHashAnnotation) else {
                note(live, for: model)
                return .stale
            }
            if live.label(FleetAPI.managedByLabel) != FleetAPI.manager {
                try await apply(type, AppliedBody.make(type, body, live: live), for: model)
            }
            return .stale
        }
        if LeftOver.isOurs(type, live, of: model), try await adoptLeftOvers(for: model) { return .stale }
        if owner?.kind == model.kind, owner?.name == model.name {
            throw Self.taken(type, body, "is of an earlier ModelDeployment with this name and isn't gone yet")
        }
        throw ApplyRefused(
            reason: "NameTaken",
            message: "there is a \(type.kind) \"\(body.name)\" that is not this model's; delete it, "
                + "or give the ModelDeployment another name"
        )
    }

    /// The refusal while an old object goes; that takes no time, mostly.
    private static func taken(_ type: ResourceType, _ body: KubeObject, _ why: String) -> ApplyRefused {
        let message =
            "the \(type.kind) \"\(body.name)\" that is there \(why); it is made anew once that is gone: look at its finalizers"
        return ApplyRefused(reason: "NameTaken", message: message, mayPass: true)
    }

    /// Whether this process made the object before. Then somebody took it away: a person, or the garbage collector, because
    /// the model is gone and its watch doesn't tell. Made again without a look at the model, it would be taken again at once.
    private func wasMade(_ type: ResourceType, _ body: KubeObject, for model: KubeObject) -> Bool {
        let memory = ledger.memory(model.key, uid: model.uid ?? "")
        if let single = Self.single(type) { return memory.made.contains(single) }
        return memory.written.map { $0.number >= ModelObservation.revision(of: body) } ?? false
    }

    /// Whether the model, read afresh, is there and stays.
    func exists(_ model: KubeObject) async throws -> Bool {
        guard let live = try await client.find(.modelDeployments, model.key) else { return false }
        return live.uid == model.uid && !live.isBeingDeleted
    }

    private static func single(_ type: ResourceType) -> RevisionMemory.Single? {
        switch type {
        case .services: .service
        case .horizontalPodAutoscalers: .autoscaler
        default: nil
        }
    }

    /// Applies, and notes the revision unless the server refused it for certain.
    private func applyNoted(_ type: ResourceType, _ body: KubeObject, for model: KubeObject) async throws {
        do {
            try await apply(type, body, for: model)
        } catch {
            if error is KubeError { noteMade(type, body, for: model) }
            throw error
        }
        noteMade(type, body, for: model)
    }

    private func noteMade(_ type: ResourceType, _ body: KubeObject, for model: KubeObject) {
        note(body, for: model)
        if let single = Self.single(type), let uid = model.uid { ledger.noteMade(single, model.key, uid: uid) }
    }

    private func note(_ body: KubeObject, for model: KubeObject) {
        let number = ModelObservation.revision(of: body)
        guard number > 0, let uid = model.uid, let hash = body.annotation(FleetAPI.revisionHashAnnotation) else {
            return
        }
        ledger.note(RevisionMemory.Written(number: number, hash: hash), model.key, uid: uid)
    }

    /// Server-side apply; a body that the server finds wrong is refused in words for the status.
    ///
    /// A field that somebody else took is taken back, with an event that names them: two writers of one field is
    /// something that a person must know.
    private func apply(_ type: ResourceType, _ body: KubeObject, for model: KubeObject) async throws {
        do {
            do {
                _ = try await client.apply(type, body)
            } catch {
                guard error.isConflict, let conflict = OwnershipConflict(error, type, body) else { throw error }
                _ = try await client.apply(type, body, force: true)
                await recorder.record(model, .warning, reason: "FieldConflict", message: conflict.message)
            }
        } catch let error as KubeError {
            guard error.isInvalid || error.isForbidden || error.isMistyped || error.httpStatus == 400 else {
                throw error
            }
            throw ApplyRefused(reason: "ApplyRejected", message: "\(error)", mayPass: error.isForbidden)
        }
    }

    /// Sets a count; one that the server doesn't allow is refused in words for the status.
    private func setReplicas(_ count: Int, of type: ResourceType, _ key: ObjectKey, version: String? = nil) async throws
    {
        do {
            try await client.setReplicas(count, of: type, key, resourceVersion: version)
        } catch {
            guard error.isForbidden || error.isInvalid else { throw error }
            let message = "\(type.kind) \(key.name) can't be set to \(count) replicas: \(error.message)"
            throw ApplyRefused(reason: ScaleRecord.rejected, message: message, mayPass: error.isForbidden)
        }
    }

    /// Deletes an object that may be gone already; with a `uid` only the one that has it.
    func delete(_ type: ResourceType, _ key: ObjectKey, uid: String? = nil) async throws {
        do {
            _ = try await client.delete(type, key, options: DeleteOptions(propagation: .background, uid: uid))
        } catch {
            guard error.isNotFound else { throw error }
        }
    }

    /// Merges the difference into the status; members that are no longer wanted are removed.
    ///
    /// The status was decided from the version that was read: it is written on that version only, so that an operator
    /// whose view is old doesn't turn it back.
    /// - Returns: `false` where the model is gone.
    private func writeStatus(_ status: JSONValue, for model: inout KubeObject) async throws -> Bool {
        let live = model["status"] ?? .emptyObject
        guard let patch = MergeDifference.patch(from: live, to: status) else { return true }
        var body: JSONValue = ["status": patch]
        if let version = model.resourceVersion { body["metadata"] = ["resourceVersion": .string(version)] }
        do {
            model = try await client.patch(.modelDeployments, model.key, .merge(body), subresource: "status")
        } catch {
            guard error.isNotFound else { throw error }
            return false
        }
        if let message = dropped.notice(model.key, wanted: status, kept: model["status"] ?? .emptyObject) {
            await recorder.record(model, .warning, reason: "DefinitionOutdated", message: message)
        }
        return true
    }
}
