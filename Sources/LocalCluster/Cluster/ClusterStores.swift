// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import KubeRuntime

/// The watched objects that the cluster's own controllers share.
struct ClusterStores: Sendable {
    /// Pods.
    let pods = ObjectStore()
    /// Replica sets.
    let replicaSets = ObjectStore()
    /// Deployments.
    let deployments = ObjectStore()
    /// Services.
    let services = ObjectStore()
    /// Endpoint slices.
    let endpointSlices = ObjectStore()
    /// Namespaces.
    let namespaces = ObjectStore()
    /// Nodes.
    let nodes = ObjectStore()
}
