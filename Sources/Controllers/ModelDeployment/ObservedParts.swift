// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeRuntime

/// What an observation reads of the objects that its stores keep.
struct ObservedParts: Sendable {
    /// Of models.
    let models: ObjectProjection
    /// Of the Deployments of revisions.
    let deployments: ObjectProjection

    /// All.
    static let everything = ObservedParts(models: .everything, deployments: .everything)
    /// What a scaling decision looks at: no earlier decision, no pod template, whose rendering an annotation has too.
    static let scaling = ObservedParts(
        models: .everything
            .dropping("status", "scaling", "lastDecision").dropping("status", "scaling", "recentChanges")
            .dropping("status", "conditions").dropping("status", "history"),
        deployments: .everything.keepingOnly(["metadata", "spec", "status"]).keepingOnly(["replicas"], at: "spec")
            .keepingOnly([FleetAPI.runtimeAnnotation], at: "metadata", "annotations")
    )
}
