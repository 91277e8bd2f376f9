// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel

extension ModelDeployment {
    /// Whether the count goes from the operator to an HPA now: what `spec.replicas` says is from another time.
    var isHandover: Bool {
        scaling.engine == .horizontalPodAutoscaler
            && object["status", "scaling", "engine"]?.string == Engine.direct.rawValue
    }
}
