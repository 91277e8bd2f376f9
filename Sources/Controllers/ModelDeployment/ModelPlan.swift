// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Templates

/// One request to send.
enum PlannedAction: Hashable {
    /// Server-side apply of a body that no store knows: a fresh read comes first.
    case create(ResourceType, KubeObject)
    /// Server-side apply of this body.
    case apply(ResourceType, KubeObject)
    /// Deletion.
    case delete(ResourceType, ObjectKey)
    /// A replica count through the scale subresource.
    case scale(ResourceType, ObjectKey, Int)
}

/// One event to record.
struct PlannedEvent: Hashable {
    /// Whether somebody should look.
    var isWarning: Bool
    /// One word.
    var reason: String
    /// A sentence.
    var message: String
}

/// What one reconcile does, decided from an observation alone.
struct ModelPlan {
    /// The requests, in order.
    private(set) var actions: [PlannedAction] = []
    /// The wanted status.
    private(set) var status: JSONValue = .emptyObject
    /// The events.
    private(set) var events: [PlannedEvent] = []
    /// When to look again even if nothing changes: a deadline, a pod that gets late, an old revision to remove.
    private(set) var recheck: Duration?
    /// The revisions that are out of use.
    private(set) var retiring: Set<Int> = []

    /// Whether nothing is to be sent for `model`: no request, no event, and the status is as wanted.
    func asksNothing(of model: KubeObject) -> Bool {
        actions.isEmpty && events.isEmpty && status == model["status"] ?? .emptyObject
    }

    /// How long a revision keeps its pods after the Service selected another: its address may still be in use.
    static let retirementDelay = Duration.seconds(5)

    /// The report of a plan that the cluster refused.
    init(_ observation: ModelObservation, refused: ApplyRefused) {
        finish(StatusBuilder(observation, blocked: (refused.reason, refused.message)))
    }

    /// Decides.
    init(_ observation: ModelObservation, renderer: ModelRenderer) {
        let model = observation.model
        let errors = observation.wasAccepted ? [] : ModelDeploymentValidation.validate(model.object.json).errors
        if let first = errors.first {
            let message = "\(first.field): \(first.message); correct the field and apply again"
            finish(StatusBuilder(observation, blocked: ("InvalidSpec", message)))
            return
        }
        switch ServingRuntime.choose(for: model, among: observation.runtimes) {
        case .none(let message): finish(StatusBuilder(observation, blocked: ("NoRuntime", message)))
        case .found(let runtime): decide(observation, RevisionInput(model: model, runtime: runtime), renderer)
        }
    }

    private mutating func decide(_ observation: ModelObservation, _ input: RevisionInput, _ renderer: ModelRenderer) {
        let hash = input.hash
        let wanted = Self.wantedRevision(observation, hash: hash)
        let existing = observation.deployment(wanted)
        let failure = observation.failure(of: wanted)
        let stable = observation.stableRevision.flatMap { number in
            observation.deployment(number).map { Self.state($0) }
        }
        var wantedState =
            existing.map { Self.state($0) } ?? RevisionState(number: wanted, replicas: 0, readyReplicas: 0)
        if failure?.isSlow == true {
            wantedState.hindrance = failure?.message
        } else {
            wantedState.failure = failure?.message
        }
        let deadline = Duration.seconds(observation.model.progressDeadlineSeconds)
        let step = RolloutRule.step(
            RolloutObservation(
                time: observation.time,
                stable: stable,
                wanted: wantedState,
                startedAt: existing?.creationTimestamp,
                progressDeadline: deadline
            )
        )
        let serving = step == .switchTraffic ? wanted : stable?.number ?? wanted
        do {
            let bodies = try renderer.bodies(input, wanted: wanted, serving: serving, hash: hash)
            let live = serving == wanted ? nil : observation.deployment(serving)
            let standing = try live.flatMap { live throws(TemplateError) in
                try StandingRevision.body(of: live, input, renderer)
            }
            // First what serves now, then what shall.
            if let standing { applyWhereDifferent(.deployments, standing, live: live) }
            plan(observation, bodies, step: step, wanted: wanted, serving: serving)
        } catch {
            finish(StatusBuilder(observation, blocked: ("TemplateError", "\(error)")))
            return
        }
        if existing == nil {
            events.append(
                PlannedEvent(
                    isWarning: false,
                    reason: "RevisionCreated",
                    message: "revision \(wanted) serves version \(observation.model.versionName) "
                        + "with ServingRuntime \(input.runtime.object.name)"
                )
            )
        }
        if step == .switchTraffic {
            events.append(
                PlannedEvent(
                    isWarning: false,
                    reason: "TrafficSwitched",
                    message: "revision \(wanted) is ready and gets the traffic"
                )
            )
        }
        planRechecks(observation, step: step, wanted: wanted, serving: serving)
        finish(StatusBuilder(observation, step: step, wanted: wanted, serving: serving, failure: failure, input: input))
    }

    private mutating func plan(
        _ observation: ModelObservation,
        _ bodies: RenderedBodies,
        step: RolloutStep,
        wanted: Int,
        serving: Int
    ) {
        let model = observation.model
        let live = observation.deployment(wanted)
        applyWhereDifferent(.deployments, bodies.deployment, live: live)
        let count: Int?
        switch step {
        case .first: count = live == nil ? Self.initialReplicas(model) : externalReplicas(model)
        case .settled: count = externalReplicas(model)
        case .bringUp(let replicas): count = replicas
        case .failing(let replicas, _): count = replicas
        case .switchTraffic: count = nil
        }
        let current = live?["spec", "replicas"]?.int ?? 1
        if let count, count != current { actions.append(.scale(.deployments, bodies.deployment.key, count)) }
        // While another revision comes up, what something outside asks for goes to the one with the traffic.
        if serving != wanted, let asked = externalReplicas(model), let stable = observation.deployment(serving),
            stable["spec", "replicas"]?.int ?? 1 != asked
        {
            actions.append(.scale(.deployments, stable.key, asked))
        }
        applyWhereDifferent(.services, bodies.service, live: observation.service)
        planAutoscaler(observation, bodies, current: observation.deployment(serving)?["spec", "replicas"]?.int)
        var used: Set<Int> = [wanted, serving]
        if let stable = observation.stableRevision { used.insert(stable) }
        retire(observation, except: used)
    }

    /// Removes the revisions that are out of use, so that no request meets a pod that is gone: their pods stay for
    /// `retirementDelay` after the switch, then are scaled to zero (and drain), then the Deployment is deleted.
    ///
    /// As long as the Service isn't seen to select one of those in use, nothing is out of use.
    private mutating func retire(_ observation: ModelObservation, except used: Set<Int>) {
        guard let selected = observation.selectedRevision, used.contains(selected) else { return }
        for deployment in observation.deployments {
            let number = ModelObservation.revision(of: deployment)
            guard !used.contains(number) else { continue }
            retiring.insert(number)
            let since = observation.memory.retiredSince[number] ?? observation.time
            let rest = Self.retirementDelay - (observation.time - since)
            if rest > .zero {
                look(in: rest)
            } else if deployment["spec", "replicas"]?.int ?? 1 != 0 {
                actions.append(.scale(.deployments, deployment.key, 0))
            } else if deployment["status", "replicas"]?.int ?? 0 == 0, observation.pods(of: number).isEmpty {
                actions.append(.delete(.deployments, deployment.key))
            }
        }
    }

    /// Notes the moments at which time alone changes what there is to say.
    private mutating func planRechecks(_ observation: ModelObservation, step: RolloutStep, wanted: Int, serving: Int) {
        let deadline = Duration.seconds(observation.model.progressDeadlineSeconds)
        let start: WallTime? =
            switch step {
            case .bringUp: observation.deployment(wanted)?.creationTimestamp
            case .first, .settled:
                observation.deployment(wanted)?["status", "readyReplicas"]?.int ?? 0 > 0
                    ? nil : observation.unavailableSince(wanted)
            case .switchTraffic, .failing: nil
            }
        if let start {
            let rest = deadline - (observation.time - start)
            if rest >= .zero { look(in: rest + .seconds(1)) }
        }
        for revision in Set([wanted, serving]) {
            if let rest = PodDiagnosis.nextLook(observation.pods(of: revision), now: observation.time) {
                look(in: rest)
            }
        }
    }

    private mutating func look(in rest: Duration) { recheck = min(recheck ?? rest, rest) }

    private mutating func planAutoscaler(_ observation: ModelObservation, _ bodies: RenderedBodies, current: Int?) {
        let model = observation.model
        if model.scaling.engine == .horizontalPodAutoscaler, let body = bodies.autoscaler {
            applyWhereDifferent(.horizontalPodAutoscalers, body, live: observation.autoscaler)
        } else if let autoscaler = observation.autoscaler {
            actions.append(.delete(.horizontalPodAutoscalers, autoscaler.key))
        }
        // Without a count the scale subresource says 0, which an HPA takes for "switched off".
        if model.scaling.engine != .direct, model.replicas == nil || isHandover(model) {
            let count = handedOver(observation) ?? Self.clamped(current ?? Self.initialReplicas(model), model)
            if count != model.replicas { actions.append(.scale(.modelDeployments, model.object.key, count)) }
        }
    }

    /// The count that something outside asks for, within the bounds; `nil` where the operator scales directly, or did so
    /// until now.
    private func externalReplicas(_ model: ModelDeployment) -> Int? {
        model.scaling.engine == .direct || isHandover(model) ? nil : model.replicas.map { Self.clamped($0, model) }
    }

    /// Whether the count goes from the operator to an HPA now: what `spec.replicas` says is from another time.
    private func isHandover(_ model: ModelDeployment) -> Bool {
        model.scaling.engine == .horizontalPodAutoscaler
            && model.object["status", "scaling", "engine"]?.string == ModelDeployment.Engine.direct.rawValue
    }

    /// The running count that an HPA starts from.
    private func handedOver(_ observation: ModelObservation) -> Int? {
        guard isHandover(observation.model), let serving = observation.stableRevision else { return nil }
        return observation.deployment(serving)?["spec", "replicas"]?.int
    }

    private mutating func applyWhereDifferent(_ type: ResourceType, _ body: KubeObject, live: KubeObject?) {
        let body = AppliedBody.make(type, body, live: live)
        guard let live else { return actions.append(.create(type, body)) }
        guard !Coverage.covers(live.json, body.json) else { return }
        var sent = body
        // Its selector says who serves. It was decided from this version: on another it might take the traffic back to a
        // revision that is gone.
        if type == .services { sent.resourceVersion = live.resourceVersion }
        actions.append(.apply(type, sent))
    }

    private mutating func finish(_ builder: StatusBuilder) {
        status = builder.status
        events += builder.events
    }

    private static func clamped(_ count: Int, _ model: ModelDeployment) -> Int {
        min(model.scaling.maxReplicas, max(model.scaling.minReplicas, count))
    }

    /// The count of a new model: what something outside asks for, or the fewest.
    private static func initialReplicas(_ model: ModelDeployment) -> Int {
        model.scaling.engine == .direct ? model.scaling.minReplicas : clamped(model.replicas ?? 0, model)
    }

    /// The revision with this hash, or the number after the highest that was ever used.
    private static func wantedRevision(_ observation: ModelObservation, hash: String) -> Int {
        let match = observation.deployments.last { $0.annotation(FleetAPI.revisionHashAnnotation) == hash }
        if let match { return ModelObservation.revision(of: match) }
        let written = observation.memory.written
        if let written, written.hash == hash { return written.number }
        let status = observation.model.object["status"]
        let recorded =
            ["stable", "candidate"].compactMap { status?.at($0, "revision")?.int }
            + [written?.number].compactMap(\.self)
        return (observation.deployments.map(ModelObservation.revision) + recorded).max().map { $0 + 1 } ?? 1
    }

    private static func state(_ deployment: KubeObject) -> RevisionState {
        RevisionState(
            number: ModelObservation.revision(of: deployment),
            replicas: deployment["spec", "replicas"]?.int ?? 1,
            readyReplicas: deployment["status", "readyReplicas"]?.int ?? 0
        )
    }
}
