// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import KubeModel
import Scaling

extension StatusBuilder {
    /// `status.scaling` and the condition ScalingActive.
    mutating func fillScaling() {
        let engine = observation.model.scaling.engine
        guard engine == .direct else { return fillForeignEngine(engine) }
        fillDirect()
        let unused = observation.model.outsideReplicas == nil ? observation.model.replicas : nil
        status.set(unused.map { JSONValue($0) }, at: "scaling", "unusedReplicas")
        tellUnused()
    }

    /// Tells a person who sets a count that the operator decides it; what an earlier engine or a pause has left is nobody's wish, and of
    /// another scaler that is told already.
    private mutating func tellUnused() {
        let model = observation.model
        let shown = observation.stored["status", "scaling"]
        guard let replicas = model.replicas, !model.isHandsOff, observation.foreign == nil,
            shown?["unusedReplicas"]?.int != replicas,
            shown?["engine"]?.string ?? "Direct" == ModelDeployment.Engine.direct.rawValue
        else { return }
        let before = ConditionSet(observation.stored)[ModelDeploymentCondition.scalingActive]?.reason
        guard before != Self.paused, before != ScaleHindrance.observing.reason else { return }
        tell(PlannedEvent(isWarning: true, reason: "ReplicasUnused", message: ModelDeployment.unusedRemark(replicas)))
    }

    private mutating func fillDirect() {
        let active = ModelDeploymentCondition.scalingActive
        guard let record = observation.scaling else {
            // After a restart the last decision stays until there is a new one; a new model gets its first count.
            let count = observation.stableRevision.flatMap { observation.deployment($0)?["spec", "replicas"] }
            let first = count ?? JSONValue(observation.model.scaling.minReplicas)
            status["scaling"] = observation.model.object["status", "scaling"] ?? ["desiredReplicas": first]
            status.set(.string(ModelDeployment.Engine.direct.rawValue), at: "scaling", "engine")
            if conditions[active] == nil {
                set(active, false, "NoDecisionYet", "no metrics were read yet", warns: false)
            }
            return
        }
        status["scaling"] = record.json
        if let event = record.news(after: observation.stored["status", "scaling"]) { tell(event) }
        let reason = record.decision.reason
        switch record.hindrance {
        case .foreign(let scaler)?:
            let message =
                "\(scaler), so the operator leaves the count alone: delete it, or set spec.scaling.engine: External and let it "
                + "scale the ModelDeployment"
            return set(active, false, ScaleHindrance.foreign(scaler).reason, message)
        case .observing:
            let message =
                "decisions are reported and not acted on (spec.scaling.mode Observe)\(observation.model.outsideRemark): "
                + reason.message
            return set(active, false, ScaleHindrance.observing.reason, message, warns: false)
        case nil: break
        }
        if record.inputs?.policy.isPaused == true {
            let message = "the count stays as it is (spec.scaling.paused)\(observation.model.outsideRemark)"
            return set(active, false, Self.paused, message, warns: false)
        }
        let isBlind = ["MissingData", "NothingReady", "NoTargets", "Fallback"].contains(reason.code)
        set(
            active,
            !isBlind,
            isBlind ? reason.code : "FollowingLoad",
            isBlind ? reason.message : "the replica count follows the load\(unknownZones)",
            warns: reason.code == "MissingData" || reason.code == "Fallback"
        )
    }

    /// A remark on schedules whose time zone nobody knows.
    private var unknownZones: String { observation.model.zoneWarnings.first.map { "; \($0)" } ?? "" }

    private mutating func fillForeignEngine(_ engine: ModelDeployment.Engine) {
        let active = ModelDeploymentCondition.scalingActive
        status["scaling"] = ["engine": .string(engine.rawValue)]
        if let count = observation.model.outsideReplicas {
            status.set(JSONValue(count), at: "scaling", "desiredReplicas")
        }
        if let cold = coldStart { status.set(cold, at: "scaling", "coldStartSeconds") }
        if let scaler = observation.foreign,
            engine == .horizontalPodAutoscaler || observation.isScaledByForeign
        {
            let message =
                "\(scaler), which the ModelDeployment's \(engine.rawValue) engine scales as well: delete one of them"
            return set(active, false, "ForeignAutoscaler", message)
        }
        if engine == .horizontalPodAutoscaler, let trouble = autoscalerTrouble {
            let message =
                "the HorizontalPodAutoscaler can't scale (\(trouble.type) is False, \(trouble.reason)): "
                + "`kubectl describe hpa \(observation.stored.key.name)` says why"
            // One that was just made had no time to read anything.
            if let rest = observation.autoscalerPatience {
                recheck = rest
                let message = "the HorizontalPodAutoscaler decides the replica count, and hasn't read what it needs yet"
                return set(active, true, engine.rawValue, message)
            }
            // Before anything is ready there is nothing to read.
            return set(active, false, trouble.reason, message, warns: hasReadyReplica)
        }
        let who = engine == .external ? "whoever writes spec.replicas" : "the HorizontalPodAutoscaler"
        set(active, true, engine.rawValue, "\(who) decides the replica count\(observation.model.boundedRemark)")
    }

    /// The mean cold start as status shows it, until what is measured is more than a tenth away from that.
    private var coldStart: JSONValue? {
        let shown = observation.model.object["status", "scaling", "coldStartSeconds"]
        guard let measured = observation.coldStartSeconds else { return shown }
        if let seconds = shown?.double, abs(measured - seconds) <= 0.1 * seconds { return shown }
        return JSONValue.double((measured * 10).rounded() / 10).asReadBack
    }

    /// The condition by which the model's HPA says that it can't do its work.
    private var autoscalerTrouble: Condition? {
        guard let autoscaler = observation.autoscaler else { return nil }
        return ConditionSet(autoscaler).conditions.first {
            ["AbleToScale", "ScalingActive"].contains($0.type) && $0.status == .isFalse
        }
    }

    private var hasReadyReplica: Bool {
        observation.stableRevision.map { observation.readyReplicas($0) > 0 } ?? false
    }
}

extension ModelObservation {
    /// How long an HPA that was just made may say that it can't scale: it looks every 15 s, and the first look may come before any metric.
    static let patience = Duration.seconds(60)

    /// For how much longer nothing is made of what the model's HPA says it can't do; `nil` where that counts.
    var autoscalerPatience: Duration? {
        guard let created = autoscaler?.creationTimestamp else { return nil }
        let rest = Self.patience - (time - created)
        // Clocks may differ, but not by as much again.
        return rest > .zero && rest <= Self.patience * 2 ? rest : nil
    }
}
