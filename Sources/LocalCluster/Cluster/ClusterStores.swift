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
    /// Leases: the nodes' among them.
    let leases = ObjectStore()
    /// Horizontal pod autoscalers.
    let autoscalers = ObjectStore()
    /// APIServices.
    let apiServices = ObjectStore()
    /// Config maps, without what they hold: pods read that themselves.
    let configMaps = ObjectStore(projection: Self.withoutContents)
    /// Secrets, without what they hold.
    let secrets = ObjectStore(projection: Self.withoutContents)

    private static let withoutContents = ObjectProjection.withoutManagedFields
        .dropping("data").dropping("binaryData").dropping("stringData")
}
