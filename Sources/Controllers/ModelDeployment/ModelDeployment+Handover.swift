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
