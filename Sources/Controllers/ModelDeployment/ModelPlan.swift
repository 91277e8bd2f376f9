// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Templates

/// What one reconcile does, decided from an observation alone.
struct ModelPlan {
    /// The requests, in order.
    var actions: [PlannedAction] = []
    /// The wanted status.
    var status: JSONValue = .emptyObject
    /// The events about what is true now, as the status says: no later plan has them again.
    var events: [PlannedEvent] = []
    /// The events about what was decided of the rollout: they are as true as the state that says so, and no later plan has them again.
    var decided: [PlannedEvent] = []
    /// The event about a new revision: it is true once its Deployment is made.
    var creation: PlannedEvent?
    /// The event about the Service that turns: it is true once that is written.
    var turning: PlannedEvent?
    /// When to look again even if nothing changes: a deadline, a pod that gets late, an old revision to remove.
    var recheck: Duration?
    /// The revisions that are out of use.
    var retiring: Set<Int> = []
    /// What was decided about the rollout; `nil` where the model can't be acted on.
    var rollout: RolloutDecision?

    /// Whether nothing is to be sent for `model`: no request, no event, and the status is as wanted.
    func asksNothing(of model: KubeObject) -> Bool {
        actions.isEmpty && events.isEmpty && decided.isEmpty && status == model["status"] ?? .emptyObject
    }

    /// Whether all that is to be sent is what is true, and the rollout stays where it is.
    ///
    /// Once the new engine is told, `spec.replicas` is followed again.
    func onlyTells(_ observation: ModelObservation) -> Bool {
        actions.isEmpty && retiring.isEmpty && observation.memory.retiredSince.isEmpty
            && !observation.model.isHandover && status["rollout"] == observation.stored["status", "rollout"]
    }

    /// How long a revision keeps its pods after the Service selected another: its address may still be in use.
    static let retirementDelay = Duration.seconds(5)

    /// The report of a plan that the cluster refused.
    init(_ observation: ModelObservation, refused: ApplyRefused) {
        finish(StatusBuilder(observation, blocked: (refused.reason, refused.message), isBlind: refused.isBlind))
    }

    /// Decides.
    init(_ observation: ModelObservation, renderer: ModelRenderer) {
        let model = observation.model
        let errors = observation.wasAccepted ? [] : ModelDeploymentValidation.validate(model.object.json).errors
        if let first = errors.first {
            let message = "\(first.field): \(first.message); correct the field and apply again"
            block(observation, "InvalidSpec", message)
            return
        }
        switch ServingRuntime.choose(for: model, among: observation.runtimes) {
        case .none(let message): block(observation, "NoRuntime", message)
        case .found(let runtime): decide(observation, RevisionInput(model: model, runtime: runtime), renderer)
        }
    }

    private mutating func decide(_ observation: ModelObservation, _ input: RevisionInput, _ renderer: ModelRenderer) {
        let hash = input.hash
        let wanted = Self.wantedRevision(observation, hash: hash)
        let existing = observation.deployment(wanted)
        let failure = observation.failure(of: wanted)
        let view = RolloutView(observation: observation, wanted: wanted, hash: hash)
        var plan = observation.model.rolloutPlan
        // Whose count somebody else writes gives up no replica: both would write it, again and again.
        if observation.isScaledByForeign { plan.keepStableWhole() }
        let seen = view.machine(plan)
        let decision = RolloutMachine.next(seen)
        rollout = decision
        do {
            let bodies = try renderer.bodies(
                input,
                wanted: wanted,
                serving: decision.rootRevision,
                canary: decision.canaryServiceRevision,
                hash: hash
            )
            // First what serves now, then what shall.
            for number in Set([decision.stableRevision, decision.rootRevision ?? wanted]).sorted()
            where number != wanted {
                guard let live = observation.deployment(number),
                    let standing = try StandingRevision.body(of: live, input, renderer)
                else { continue }
                applyWhereDifferent(.deployments, standing, live: live)
            }
            planTracks(observation, bodies, decision, seen)
            planTraffic(observation, bodies, decision, seen)
            retire(observation, except: used(observation, decision, wanted: wanted), demand: seen.demand)
        } catch {
            rollout = nil
            block(observation, "TemplateError", "\(error)")
            return
        }
        if existing == nil, decision.bringsUp {
            creation = PlannedEvent(
                isWarning: false,
                reason: "RevisionCreated",
                message: "revision \(wanted) is made of version \(observation.model.versionName) "
                    + "with ServingRuntime \(input.runtime.object.name)"
            )
        }
        for event in decision.events {
            let planned = PlannedEvent(isWarning: event.isWarning, reason: event.reason, message: event.message)
            if event.reason == RolloutEvent.trafficSwitched { turning = planned } else { decided.append(planned) }
        }
        planRechecks(observation, decision, wanted: wanted)
        finish(StatusBuilder(observation, decision, wanted: wanted, failure: failure, input: input))
        planKeeping(observation, decision, wanted: wanted)
        numberRevision(observation, wanted, hash: hash)
    }

    /// Notes a number that is given to a revision for the first time; a number that was given stays given.
    private mutating func numberRevision(_ observation: ModelObservation, _ wanted: Int, hash: String) {
        let latest = observation.stored["status", "latestRevision"]
        let isNew = makesRevision && wanted > latest?["number"]?.int ?? 0
        status["latestRevision"] = isNew ? ["number": JSONValue(wanted), "hash": .string(hash)] : latest
    }

    /// Removes the revisions that are out of use, so that no request meets a pod that is gone: their pods stay for
    /// `retirementDelay` after the switch, then are scaled to zero (and drain), then the Deployment is deleted.
    ///
    /// As long as the Service isn't seen to select one of those in use, nothing is out of use.
    mutating func retire(_ observation: ModelObservation, except used: Set<Int>, demand: Int) {
        // Where the Service selects all pods, those that are left over may be needed.
        let tracks = Set([rollout?.stableRevision, rollout?.canaryRevision].compactMap(\.self))
        let ready = tracks.reduce(0) { $0 + observation.readyReplicas($1) }
        let isShared =
            observation.traffic?.isAttached == true && rollout != nil && rollout?.rootRevision == nil && ready >= demand
        guard observation.selectedRevision.map({ used.contains($0) }) ?? isShared else { return }
        for deployment in observation.deployments {
            let number = ModelObservation.revision(of: deployment)
            guard !used.contains(number) else { continue }
            retiring.insert(number)
            let since = observation.memory.retiredSince[number] ?? observation.time
            let rest = observation.model.retirementDelay - (observation.time - since)
            if rest > .zero {
                look(in: rest)
            } else if deployment["spec", "replicas"]?.int ?? 1 != 0 {
                actions.append(.scale(.deployments, deployment.key, 0))
            } else if deployment["status", "replicas"]?.int ?? 0 == 0,
                observation.pods(of: number).allSatisfy(PodDiagnosis.isOver)
            {
                actions.append(.delete(.deployments, deployment.key))
            }
        }
    }

    mutating func look(in rest: Duration) { recheck = min(recheck ?? rest, rest) }

    /// The HPA, and the count that it, or whoever else scales from now on, starts from.
    ///
    /// What was at rest starts from the fewest replicas, since 0 says "switched off".
    mutating func planAutoscaler(_ observation: ModelObservation, _ bodies: RenderedBodies, current: Int?) {
        let model = observation.model
        // Without a count the scale subresource says 0, which an HPA takes for "switched off". Before there is an HPA: it remembers the
        // count that it meets first.
        if model.scaling.engine != .direct, model.replicas == nil || model.isHandover {
            let count = Self.clamped(current ?? Self.initialReplicas(model), model)
            if count != model.replicas { actions.append(.scale(.modelDeployments, model.object.key, count)) }
        }
        if model.scaling.engine == .horizontalPodAutoscaler, let body = bodies.autoscaler {
            applyWhereDifferent(.horizontalPodAutoscalers, body, live: observation.autoscaler)
        } else if let autoscaler = observation.autoscaler {
            actions.append(.delete(.horizontalPodAutoscalers, autoscaler.key))
        }
    }

    /// Whether the count is written for whoever scales from now on.
    var handsOver: Bool {
        actions.contains { if case .scale(.modelDeployments, _, _) = $0 { true } else { false } }
    }

    mutating func applyWhereDifferent(_ type: ResourceType, _ body: KubeObject, live: KubeObject?) {
        let body = AppliedBody.make(type, body, live: live)
        guard let live else { return actions.append(.create(type, body)) }
        guard !Coverage.covers(live.json, body.json) else { return }
        var sent = body
        // Its selector says who serves. It was decided from this version: on another it might take the traffic back to a
        // revision that is gone.
        if type == .services { sent.resourceVersion = live.resourceVersion }
        actions.append(.apply(type, sent))
    }

    private mutating func block(_ observation: ModelObservation, _ reason: String, _ message: String) {
        finish(StatusBuilder(observation, blocked: (reason, message)))
        planGrowth(observation)
    }

    private mutating func finish(_ builder: StatusBuilder) {
        status = builder.status
        events += builder.events
        if let rest = builder.recheck { look(in: rest) }
    }

    private static func clamped(_ count: Int, _ model: ModelDeployment) -> Int {
        min(model.scaling.maxReplicas, max(model.scaling.minReplicas, count))
    }

    /// The count of a new model: what something outside asks for, or the fewest.
    static func initialReplicas(_ model: ModelDeployment) -> Int {
        model.outsideReplicas
            ?? (model.scaling.engine == .direct ? model.scaling.minReplicas : clamped(model.replicas ?? 0, model))
    }

    /// Whether a revision's Deployment is made.
    var makesRevision: Bool {
        actions.contains { if case .create(.deployments, _) = $0 { true } else { false } }
    }

    /// The members of status from which it follows what is done; the others say what is true.
    static let decidingMembers = ["rollout", "history", "keptRevision", "latestRevision"]

    /// Whether the status has to be written before anything is done.
    ///
    /// What was written before isn't: a Deployment that the cluster refuses is asked for again and again, and what is true meanwhile is
    /// that it was refused.
    func writesFirst(_ model: KubeObject) -> Bool {
        let isNews = status["rollout"] != model["status", "rollout"]
        guard isNews && !actions.isEmpty || makesRevision else { return false }
        let first = firstStatus(of: model)
        return Self.decidingMembers.contains { first[$0] != model["status", $0] }
    }

    /// The revision with this hash, or the number after the highest that was ever given to one.
    private static func wantedRevision(_ observation: ModelObservation, hash: String) -> Int {
        let match = observation.deployments.last { $0.annotation(FleetAPI.revisionHashAnnotation) == hash }
        if let match { return ModelObservation.revision(of: match) }
        let status = observation.stored["status"]
        let (written, rollout, latest) = (observation.memory.written, observation.rollout, status?.at("latestRevision"))
        let given = [
            written?.hash == hash ? written?.number : nil,
            rollout?.canaryHash == hash && rollout?.phase != .settled ? rollout?.canaryRevision : nil,
            latest?["hash"]?.string == hash ? latest?["number"]?.int : nil,
        ]
        // What stands under the number was rendered from something else: somebody gave it away who didn't know of it.
        if let number = given.lazy.compactMap(\.self).first(where: { observation.deployment($0) == nil }) {
            return number
        }
        let recorded =
            ["stable", "canary", "candidate"].compactMap { status?.at($0, "revision")?.int }
            + [written?.number, rollout?.canaryRevision, rollout?.stableRevision, latest?["number"]?.int].compactMap(
                \.self
            )
        return Self.number(after: observation.deployments.map(ModelObservation.revision) + recorded)
    }

    /// The number after the highest of `given`; after the highest that there may be, the lowest that wasn't given.
    static func number(after given: [Int]) -> Int {
        let given = Set(given.filter(RevisionState.numbers.contains))
        guard let highest = given.max() else { return 1 }
        if highest < RevisionState.numbers.upperBound { return highest + 1 }
        return (1...).first { !given.contains($0) } ?? 1
    }
}
