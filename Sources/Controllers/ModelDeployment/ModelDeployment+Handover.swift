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
