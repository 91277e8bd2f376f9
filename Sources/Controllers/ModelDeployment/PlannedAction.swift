// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Rollouts

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
    /// Fewer replicas of a revision that may get requests: only where a fresh look at the traffic allows it.
    case shrink(ObjectKey, Int, revision: Int, demand: Int)
    /// Turns the canary Service to another revision with so many ready replicas: only where a fresh look allows it.
    case turn(KubeObject, ready: Int, demand: Int)
    /// Server-side apply of the root Service, which selected all pods and selects this revision only: only where a fresh look at the
    /// replicas allows it.
    case select(KubeObject, revision: Int, demand: Int)
    /// Brings the traffic to where the state wants it, only where a fresh look allows it; `isForced`: whatever the stable track carries.
    case route(RolloutState, demand: Int, isForced: Bool)
    /// Creates an object that is never changed, unless it is there.
    case keep(ResourceType, KubeObject)
    /// Deletes the kept specs of all revisions but these.
    case prune(keeping: Set<Int>)
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
