// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

extension ModelDeployment {
    /// Whether the count goes from the operator to something outside now: what `spec.replicas` says is from another time.
    ///
    /// Who changes it together with the engine means it; where an HPA is to decide, there is nothing to mean.
    var isHandover: Bool {
        let shown = object["status", "scaling"]
        guard scaling.engine != .direct, shown?["engine"]?.string == Engine.direct.rawValue else { return false }
        return scaling.engine == .horizontalPodAutoscaler || replicas == shown?["unusedReplicas"]?.int
    }
}

/// Who decides the count, where it isn't the operator alone.
extension ModelDeployment {
    /// Whether the operator scales and keeps its hands off the count for now: then others may set it.
    var isHandsOff: Bool { scaling.engine == .direct && (scaling.isPaused || scaling.isObserved) }

    /// The count that something outside asks for, within the bounds; `nil` where the operator decides, or did so until now.
    ///
    /// | engine | counts |
    /// | --- | --- |
    /// | External, HorizontalPodAutoscaler | `spec.replicas`, once the count was handed over |
    /// | Direct, paused or with mode Observe | `spec.replicas` that was written since; what it said before, without effect, is of another time and would take capacity away in the moment in which somebody asks for calm |
    /// | Direct | nothing |
    var outsideReplicas: Int? {
        guard let replicas, !isHandover, scaling.engine != .direct || isHandsOff && replicas != unusedReplicas else {
            return nil
        }
        return min(scaling.maxReplicas, max(scaling.minReplicas, replicas))
    }

    /// What `spec.replicas` said when it last had no effect, as status shows it.
    private var unusedReplicas: Int? { object["status", "scaling", "unusedReplicas"]?.int }

    /// What `spec.replicas` means for a model whose operator keeps its hands off, as a clause; empty where it says nothing.
    var outsideRemark: String {
        guard let replicas else { return "" }
        guard let count = outsideReplicas else {
            return "; spec.replicas is \(replicas) from before, and counts once it is changed"
        }
        if count == replicas { return "; spec.replicas decides it: \(count)" }
        return "; spec.replicas decides it: \(replicas), within minReplicas and maxReplicas \(count)"
    }

    /// That `spec.replicas` is beyond the bounds, as a clause; empty where it isn't.
    var boundedRemark: String {
        guard let replicas, let count = outsideReplicas, count != replicas else { return "" }
        return "; spec.replicas is \(replicas), within minReplicas and maxReplicas \(count)"
    }

    /// Why `spec.replicas` has no effect, and what has, as a sentence without its end.
    static func unusedRemark(_ replicas: Int) -> String {
        "spec.replicas is \(replicas) and has no effect: the operator decides the count (spec.scaling.engine Direct); change "
            + "spec.scaling.minReplicas and maxReplicas, or, to set the count yourself, spec.scaling.engine to External, or "
            + "spec.scaling.paused to true and then spec.replicas"
    }
}

extension JSONValue {
    /// A status that says of scaling what the model's does: who goes on from it, where this process ends before the count is
    /// handed over, has to know that it is still to be.
    func keepingScaling(of model: KubeObject) -> JSONValue {
        var status = self
        status["scaling"] = model["status", "scaling"]
        let type = ModelDeploymentCondition.scalingActive
        let old = model["status", "conditions"]?.array?.first { $0["type"]?.string == type }
        let conditions = status["conditions"]?.array ?? []
        status["conditions"] = .array(conditions.compactMap { $0["type"]?.string == type ? old : $0 })
        return status
    }
}
