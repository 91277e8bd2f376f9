// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import KubeRuntime
import ServiceLifecycle

/// The controllers of a local cluster, and what wakes them.
struct ClusterControllers: Sendable {
    /// The names of the controllers that deal with nodes.
    static let ofNodes: Set<String> = ["scheduler", "node-lifecycle", "taint-eviction"]

    private let deployments: Controller
    private let replicaSets: Controller
    private let endpoints: Controller
    private let namespaces: Controller
    private let autoscalers: Controller
    private let apiServices: Controller
    private let scheduler: Controller
    private let nodeLifecycle: Controller
    private let eviction: Controller
    private let pending = PendingWrites()
    private let waiting = WaitingPods()

    /// All of them.
    var all: [any Service] {
        [
            deployments, replicaSets, endpoints, namespaces, autoscalers, apiServices, scheduler, nodeLifecycle,
            eviction,
        ]
    }

    /// Makes them.
    init(_ maker: PartMaker) {
        let (client, stores, time) = (maker.client, maker.stores, maker.configuration.time)
        deployments = maker.controller(
            "deployment",
            DeploymentReconciler(
                client: client,
                deployments: stores.deployments,
                sets: stores.replicaSets,
                pods: stores.pods,
                events: maker.recorder("deployment-controller"),
                time: time
            ),
            awaiting: [stores.deployments, stores.replicaSets, stores.pods]
        )
        replicaSets = maker.controller(
            "replicaset",
            ReplicaSetReconciler(
                client: client,
                sets: stores.replicaSets,
                pods: stores.pods,
                pending: pending,
                events: maker.recorder("replicaset-controller"),
                time: time
            ),
            awaiting: [stores.replicaSets, stores.pods]
        )
        endpoints = maker.controller(
            "endpointslice",
            EndpointSliceReconciler(
                client: client,
                services: stores.services,
                pods: stores.pods,
                slices: stores.endpointSlices
            ),
            awaiting: [stores.services, stores.pods, stores.endpointSlices]
        )
        namespaces = maker.controller(
            "namespace",
            NamespaceReconciler(client: client, namespaces: stores.namespaces),
            awaiting: [stores.namespaces]
        )
        autoscalers = maker.controller(
            "horizontalpodautoscaler",
            AutoscalerReconciler(
                client: client,
                memory: AutoscalerMemory(),
                events: maker.recorder("horizontal-pod-autoscaler"),
                period: maker.configuration.autoscalerPeriod,
                time: time
            ),
            awaiting: [stores.autoscalers]
        )
        apiServices = maker.controller(
            "apiservice",
            APIServiceReconciler(
                client: client,
                apiServices: stores.apiServices,
                services: stores.services,
                slices: stores.endpointSlices,
                time: time
            ),
            awaiting: [stores.apiServices, stores.services, stores.endpointSlices]
        )
        (scheduler, nodeLifecycle, eviction) = Self.nodeControllers(maker)
    }

    private static func nodeControllers(_ maker: PartMaker) -> (Controller, Controller, Controller) {
        let (client, stores, time) = (maker.client, maker.stores, maker.configuration.time)
        let scheduler = maker.controller(
            "scheduler",
            SchedulingReconciler(
                client: client,
                pods: stores.pods,
                nodes: stores.nodes,
                namespaces: stores.namespaces,
                assumed: AssumedPods(),
                events: maker.recorder("default-scheduler"),
                time: time
            ),
            awaiting: [stores.pods, stores.nodes, stores.namespaces]
        )
        let nodeLifecycle = maker.controller(
            "node-lifecycle",
            NodeLifecycleReconciler(
                client: client,
                nodes: stores.nodes,
                leases: stores.leases,
                pods: stores.pods,
                grace: maker.configuration.nodeGrace,
                events: maker.recorder("node-controller"),
                time: time
            ),
            awaiting: [stores.nodes, stores.leases, stores.pods]
        )
        let eviction = maker.controller(
            "taint-eviction",
            EvictionReconciler(
                client: client,
                pods: stores.pods,
                nodes: stores.nodes,
                events: maker.recorder("taint-eviction-controller"),
                time: time
            ),
            awaiting: [stores.pods, stores.nodes]
        )
        return (scheduler, nodeLifecycle, eviction)
    }

    // MARK: Watches

    /// The watches that keep the stores, wake the controllers, and tell the nodes and the proxy.
    func watchers(_ maker: PartMaker, nodes: [NodeAgent], proxy: ServiceProxy?) -> [any Service] {
        let stores = maker.stores
        let refreshProxy: @Sendable () -> Void = {
            proxy?.update(making: {
                ServiceTable(services: stores.services.all(), slices: stores.endpointSlices.all())
            })
        }
        let setChanged = deployments.enqueuesOwner(.deployments)
        return [
            maker.watcher(.nodes, stores.nodes) { nodeChanged($0, stores, nodes) },
            maker.watcher(.leases, stores.leases) { change in
                if change.key.namespace == NodeRegistration.leaseNamespace {
                    nodeLifecycle.enqueue(ObjectKey(namespace: nil, name: change.key.name))
                }
            },
            maker.watcher(.namespaces, stores.namespaces, namespaces.enqueuesObject),
            maker.watcher(.deployments, stores.deployments, deployments.enqueuesObject),
            maker.watcher(.replicaSets, stores.replicaSets) { change in
                if change.new == nil, let uid = change.old?.uid { pending.forget(owner: uid) }
                replicaSets.enqueue(change.key)
                setChanged(change)
                for owner in Adoption.owners(for: change, in: stores.deployments) { deployments.enqueue(owner) }
            },
            maker.watcher(.pods, stores.pods) { podChanged($0, stores, nodes) },
            maker.watcher(.services, stores.services) { change in
                endpoints.enqueue(change.key)
                serverChanged(change.key, stores)
                refreshProxy()
            },
            maker.watcher(.endpointSlices, stores.endpointSlices) { change in
                if let name = change.latest?.labels[EndpointSlicePlan.serviceLabel] {
                    let service = ObjectKey(namespace: change.key.namespace, name: name)
                    endpoints.enqueue(service)
                    serverChanged(service, stores)
                }
                refreshProxy()
            },
            maker.watcher(.horizontalPodAutoscalers, stores.autoscalers) { change in
                // Its own status is written by the controller, which looks again after its period anyway.
                if change.old?["spec"] != change.new?["spec"] { autoscalers.enqueue(change.key) }
            },
            maker.watcher(.apiServices, stores.apiServices) { change in
                if change.old?["spec"] != change.new?["spec"] { apiServices.enqueue(change.key) }
            },
            maker.watcher(.configMaps, stores.configMaps) { change in
                for node in nodes { node.observeSource(.configMap(change.key)) }
            },
            maker.watcher(.secrets, stores.secrets) { change in
                for node in nodes { node.observeSource(.secret(change.key)) }
            },
        ]
    }

    /// A Service, or where it leads, changed: the APIServices that name it look again.
    private func serverChanged(_ key: ObjectKey, _ stores: ClusterStores) {
        for found in stores.apiServices.all() {
            let service = found["spec", "service"]
            if service?["name"]?.string == key.name, service?["namespace"]?.string == key.namespace {
                apiServices.enqueue(found.key)
            }
        }
    }

    private func nodeChanged(_ change: ObjectChange, _ stores: ClusterStores, _ nodes: [NodeAgent]) {
        for node in nodes { node.observeNode(change) }
        nodeLifecycle.enqueue(change.key)
        let isOther =
            change.old?.json["spec"] != change.new?.json["spec"] || change.old?.labels != change.new?.labels
            || change.old?["status", "allocatable"] != change.new?["status", "allocatable"]
        guard isOther else { return }
        for pod in stores.pods.all() where pod.nodeName == change.key.name { eviction.enqueue(pod.key) }
        for key in waiting.keys { scheduler.enqueue(key) }
    }

    private func podChanged(_ change: ObjectChange, _ stores: ClusterStores, _ nodes: [NodeAgent]) {
        pending.observed(ObjectChangeFacts(old: change.old, new: change.new))
        for node in nodes { node.observe(change) }
        replicaSets.enqueuesOwner(.replicaSets)(change)
        for owner in Adoption.owners(for: change, in: stores.replicaSets) { replicaSets.enqueue(owner) }
        waiting.observe(change)
        if let pod = change.new {
            if SchedulingReconciler.isWaiting(pod) { scheduler.enqueue(change.key) }
            if change.old?.nodeName != pod.nodeName || change.old?.isBeingDeleted != pod.isBeingDeleted {
                eviction.enqueue(change.key)
            }
        }
        for service in Self.services(of: change, in: stores.services) { endpoints.enqueue(service) }
        let isFreed = change.new?.isPodFinished ?? true
        if isFreed, change.old?.nodeName != nil {
            for key in waiting.keys { scheduler.enqueue(key) }
        }
        // A Recreate rollout waits for the last old pod to go.
        guard change.new == nil, let owner = change.old?.controller, owner.kind == "ReplicaSet" else { return }
        let set = stores.replicaSets.object(ObjectKey(namespace: change.key.namespace, name: owner.name))
        if let deployment = set?.controller {
            deployments.enqueue(ObjectKey(namespace: change.key.namespace, name: deployment.name))
        }
    }

    /// The Services whose selector matches a pod before or after a change.
    private static func services(of change: ObjectChange, in store: ObjectStore) -> [ObjectKey] {
        let labels = [change.old, change.new].compactMap { $0?.labels }
        return store.all(namespace: change.key.namespace).filter { service in
            guard let selector = service["spec", "selector"]?.object, !selector.isEmpty else { return false }
            return labels.contains { labels in selector.allSatisfy { labels[$0.key] == $0.value.string } }
        }.map(\.key)
    }
}
