// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Rollouts
import Scaling

/// The wanted status of a ModelDeployment, and the events that its changes deserve; a pure function of the observation.
struct StatusBuilder {
    /// The whole status.
    var status: JSONValue
    /// Events about conditions that changed.
    private(set) var events: [PlannedEvent] = []
    /// When time alone changes what there is to say; `nil`: never.
    var recheck: Duration?
    let observation: ModelObservation
    var conditions: ConditionSet

    /// The status of a model that can't be acted on: its last good objects keep serving.
    /// - Parameter isBlind: whether these couldn't be looked at; what was true of them stays then.
    init(_ observation: ModelObservation, blocked: (reason: String, message: String), isBlind: Bool = false) {
        self.init(observation)
        let serving = observation.stableRevision
        let isUnknown = isBlind && serving == nil && observation.stored["status", "stable"] != nil
        fillTracks(serving: serving, isSharing: observation.rollout?.isSharing == true)
        // The rollout goes on from here once the model can be acted on again.
        for field in ["rollout", "history", "canary", "keptRevision", "latestRevision"] {
            status[field] = observation.stored["status", field]
        }
        // What was true of the objects that keep serving stays true; the scale subresource reads the selector.
        for field in ["runtime", "url", "selector"] { status[field] = observation.model.object["status", field] }
        let ready = serving.map(observation.readyReplicas) ?? 0
        if isUnknown {
            for field in ["replicas", "readyReplicas", "ready", "stable"] {
                status[field] = observation.stored["status", field]
            }
        } else {
            set(
                ModelDeploymentCondition.ready,
                ready > 0,
                ready > 0 ? "Serving" : blocked.reason,
                ready > 0 ? "what is there keeps serving; \(blocked.message)" : blocked.message
            )
        }
        let (progressing, healthy) = (ModelDeploymentCondition.progressing, ModelDeploymentCondition.rolloutHealthy)
        set(progressing, false, blocked.reason, blocked.message)
        set(healthy, false, blocked.reason, blocked.message, warns: ready > 0 || isUnknown)
        if observation.model.isHandover {
            // The count is still to be handed over; the condition says which one it is.
            status["scaling"] = observation.stored["status", "scaling"]
        } else {
            fillScaling()
        }
        if observation.model.scaling.engine == .horizontalPodAutoscaler, observation.autoscaler == nil {
            // There is none of the model's that could decide anything.
            set(ModelDeploymentCondition.scalingActive, false, blocked.reason, blocked.message, warns: false)
        }
        status["summary"] = .string(blocked.reason)
        status["conditions"] = conditions.json
    }

    /// The status of a model in work.
    init(
        _ observation: ModelObservation,
        _ decision: RolloutDecision,
        wanted: Int,
        failure: PodFailure?,
        input: RevisionInput
    ) {
        self.init(observation)
        let serving = decision.rootRevision ?? decision.stableRevision
        let model = observation.model.object
        status["runtime"] = .string(input.runtime.object.name)
        status["url"] = .string("http://\(model.name).\(model.namespace ?? "default").svc")
        status["selector"] = .string(
            "\(FleetAPI.modelLabel)=\(model.name),\(FleetAPI.revisionLabel)=\(serving)"
        )
        fillTracks(serving: serving, isSharing: decision.state?.isSharing == true)
        fillRollout(decision, serving: serving)
        let current = serving == wanted ? failure : observation.failure(of: serving)
        let ready = observation.readyReplicas(serving)
        let replicas = replicas(serving)
        if decision.rootRevision == nil, ready == 0, let canary = decision.canaryRevision,
            observation.readyReplicas(canary) > 0
        {
            // The pods share the requests, and those of the other track carry them all.
            setReady(observation.readyReplicas(canary), of: self.replicas(canary), failure: nil)
        } else {
            setReady(ready, of: replicas, failure: current)
        }
        if isRolling(decision, wanted: wanted, serving: serving) {
            setRollout(decision, wanted: wanted, serving: serving)
        } else {
            setSteady(serving, ready: ready, of: replicas, failure: current)
        }
        fillScaling()
        status["summary"] = .string(
            summary(decision, wanted: wanted, serving: serving, ready: ready, of: replicas, failure: current)
        )
        status["conditions"] = conditions.json
    }

    private init(_ observation: ModelObservation) {
        self.observation = observation
        status = .emptyObject
        if let generation = observation.model.object.generation { status["observedGeneration"] = .integer(generation) }
        conditions = ConditionSet(observation.model.object)
    }

    private mutating func setReady(_ ready: Int, of replicas: Int, failure: PodFailure?) {
        if replicas == 0, ready == 0, isAtRest {
            let message = "no replica, since nobody uses the model; the first request wakes it"
            set(ModelDeploymentCondition.ready, true, "ScaledToZero", message)
        } else if ready > 0 {
            let rest = ready < replicas ? failure.map { "; \($0.message)" } ?? "" : ""
            set(ModelDeploymentCondition.ready, true, "Serving", "\(ready) of \(replicas) replicas are ready\(rest)")
        } else if let failure {
            set(ModelDeploymentCondition.ready, false, failure.reason, failure.message)
        } else {
            set(
                ModelDeploymentCondition.ready,
                false,
                "Loading",
                "no replica is ready yet: \(replicas) \(replicas == 1 ? "is" : "are") starting and loading the model",
                warns: false
            )
        }
    }

    private mutating func setSteady(_ serving: Int, ready: Int, of replicas: Int, failure: PodFailure?) {
        let (progressing, healthy) = (ModelDeploymentCondition.progressing, ModelDeploymentCondition.rolloutHealthy)
        if replicas == 0, isAtRest {
            set(progressing, false, "Settled", "everything is as the spec asks")
            set(healthy, true, "RevisionReady", "the revision is at rest")
            return
        }
        if ready == 0, isPastDeadline(serving) {
            set(progressing, false, "ProgressDeadlineExceeded", deadlineMessage(failure))
        } else if ready < replicas {
            set(
                progressing,
                true,
                "WaitingForReplicas",
                "\(replicas - ready) of \(replicas) replicas are not ready yet"
            )
        } else {
            set(progressing, false, "Settled", "everything is as the spec asks")
        }
        setSteadyHealth(serving, ready: ready, failure: failure)
    }

    private mutating func setSteadyHealth(_ serving: Int, ready: Int, failure: PodFailure?) {
        let healthy = ModelDeploymentCondition.rolloutHealthy
        if ready == 0, let failure, !failure.isSlow {
            set(healthy, false, failure.reason, failure.message, warns: false)
        } else if ready == 0, isPastDeadline(serving) {
            set(healthy, false, "ProgressDeadlineExceeded", deadlineMessage(failure))
        } else {
            set(
                healthy,
                true,
                ready == 0 ? "Progressing" : "RevisionReady",
                ready == 0 ? "the revision is getting ready" : "the revision is ready"
            )
        }
    }

    private func deadlineMessage(_ failure: PodFailure?) -> String {
        let seconds = observation.model.progressDeadlineSeconds
        let why = failure?.message ?? "look at `kubectl describe pod` and `kubectl logs` of its pods"
        return "no replica got ready within \(seconds) s (spec.rollout.progressDeadlineSeconds): \(why)"
    }

    /// Whether a model without a replica is as it should be.
    private var isAtRest: Bool {
        observation.model.scaling.engine == .direct && observation.model.scaling.idleSeconds != nil
    }

    private func isPastDeadline(_ revision: Int) -> Bool {
        guard let start = observation.unavailableSince(revision) else { return false }
        return observation.time - start > .seconds(observation.model.progressDeadlineSeconds)
    }

    private func summary(
        _ decision: RolloutDecision,
        wanted: Int,
        serving: Int,
        ready: Int,
        of replicas: Int,
        failure: PodFailure?
    ) -> String {
        if isRolling(decision, wanted: wanted, serving: serving) { return rolloutSummary(decision) }
        if replicas == 0 && isAtRest { return "Idle" }
        guard ready > 0 else { return failure?.reason ?? "Loading" }
        guard ready < replicas else { return "Serving" }
        let isLoading = failure?.isSlow ?? true
        return "Serving, \(replicas - ready) \(isLoading ? "loading" : "not ready")"
    }

    // MARK: Parts

    private mutating func fillTracks(serving: Int?, isSharing: Bool) {
        // Who scales through the scale subresource takes this for the count, and asks for it again where the load is as wanted: of two
        // tracks that may each carry the load one counts, and of shares that were rounded up no more than was asked for.
        let single = isSharing ? nil : serving.flatMap(observation.deployment)
        let most = isSharing ? observation.model.outsideReplicas : nil
        let counted = single.map { [$0] } ?? observation.deployments
        for field in ["replicas", "readyReplicas"] {
            let total = counted.reduce(0) { $0 + ($1["status", field]?.int ?? 0) }
            status[field] = JSONValue(min(total, most ?? total))
        }
        status["ready"] = .string("\(serving.map(observation.readyReplicas) ?? 0)/\(serving.map(replicas) ?? 0)")
        if let serving { status["stable"] = track(serving) }
    }

    func track(_ revision: Int) -> JSONValue {
        let version = observation.deployment(revision)?.annotation(FleetAPI.versionAnnotation)
        return [
            "version": .string(version ?? observation.model.versionName), "revision": JSONValue(revision),
            "replicas": JSONValue(replicas(revision)), "readyReplicas": JSONValue(observation.readyReplicas(revision)),
        ]
    }

    private func replicas(_ revision: Int) -> Int { observation.deployment(revision)?["spec", "replicas"]?.int ?? 1 }

    /// Adds an event about what this status says first.
    mutating func tell(_ event: PlannedEvent) { events.append(event) }

    /// Sets a condition; a change of status or reason to the worse makes a warning event, a return a normal one.
    mutating func set(_ type: String, _ isTrue: Bool, _ reason: String, _ message: String, warns: Bool = true) {
        let old = conditions[type]
        let condition = Condition(
            type: type,
            status: isTrue ? .isTrue : .isFalse,
            reason: reason,
            message: message,
            observedGeneration: observation.model.object.generation
        )
        _ = conditions.set(condition, now: observation.time)
        guard old?.status != condition.status || old?.reason != reason else { return }
        if !isTrue, warns, type != ModelDeploymentCondition.progressing {
            events.append(PlannedEvent(isWarning: true, reason: reason, message: message))
        } else if isTrue, type == ModelDeploymentCondition.ready, old?.status != .isTrue {
            events.append(PlannedEvent(isWarning: false, reason: "Ready", message: message))
        }
    }
}
