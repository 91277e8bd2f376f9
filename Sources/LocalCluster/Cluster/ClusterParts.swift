// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import ServiceLifecycle

/// Everything that runs beside the API server: watches, controllers, the node and the proxies.
struct ClusterParts: Sendable {
    /// The node.
    let node: NodeAgent
    /// The proxies of Services, where there are any.
    let proxy: ServiceProxy?
    /// What to run.
    private(set) var services: [any Service] = []

    /// The parts of a cluster with this configuration, which reach the API through `client`.
    init(configuration: LocalClusterConfiguration, client: KubeClient, logs: LogShelf) throws(LocalClusterError) {
        let stores = ClusterStores()
        let time = configuration.time
        let logger = configuration.logger
        func recorder(_ component: String) -> EventRecorder {
            EventRecorder(
                client: client,
                component: component,
                instance: configuration.nodeName,
                time: time,
                random: configuration.random,
                logger: logger
            )
        }
        func controller(_ name: String, _ reconciler: any Reconciler, _ awaited: [ObjectStore]) -> Controller {
            let queue = WorkQueue(
                backoff: Backoff(initial: .milliseconds(20), maximum: .seconds(30)),
                time: time,
                random: configuration.random
            )
            return Controller(
                name: name,
                reconciler: reconciler,
                queue: queue,
                awaiting: awaited,
                time: time,
                logger: logger
            )
        }
        let addresses = try AddressPool(range: configuration.podRange)
        node = NodeAgent(
            surroundings: PodSurroundings(
                client: client,
                configuration: configuration,
                events: recorder("kubelet"),
                logs: logs,
                addresses: addresses,
                prober: Prober(exchange: configuration.probes, processes: configuration.processes, time: time)
            )
        )
        let pending = PendingWrites()
        let deployments = controller(
            "deployment",
            DeploymentReconciler(
                client: client,
                deployments: stores.deployments,
                sets: stores.replicaSets,
                pods: stores.pods,
                events: recorder("deployment-controller"),
                time: time
            ),
            [stores.deployments, stores.replicaSets, stores.pods]
        )
        let replicaSets = controller(
            "replicaset",
            ReplicaSetReconciler(
                client: client,
                sets: stores.replicaSets,
                pods: stores.pods,
                pending: pending,
                events: recorder("replicaset-controller"),
                time: time
            ),
            [stores.replicaSets, stores.pods]
        )
        let endpoints = controller(
            "endpointslice",
            EndpointSliceReconciler(
                client: client,
                services: stores.services,
                pods: stores.pods,
                slices: stores.endpointSlices
            ),
            [stores.services, stores.pods, stores.endpointSlices]
        )
        let namespaces = controller(
            "namespace",
            NamespaceReconciler(client: client, namespaces: stores.namespaces),
            [stores.namespaces]
        )
        let scheduler = controller(
            "scheduler",
            SchedulingReconciler(
                client: client,
                pods: stores.pods,
                nodes: stores.nodes,
                nodeName: configuration.nodeName,
                events: recorder("default-scheduler"),
                time: time
            ),
            [stores.pods, stores.nodes]
        )
        let collector = GarbageCollector(
            client: client,
            time: time,
            random: configuration.random,
            logger: logger
        )
        let proxy = configuration.runsProxies ? ServiceProxy(configuration: configuration) : nil
        self.proxy = proxy
        let refreshProxy: @Sendable (ObjectChange) -> Void = { _ in
            proxy?.update(ServiceTable(services: stores.services.all(), slices: stores.endpointSlices.all()))
        }
        func watch(
            _ type: ResourceType,
            _ store: ObjectStore,
            _ onChange: @escaping @Sendable (ObjectChange) -> Void
        ) -> Watcher {
            Watcher(
                client: client,
                type: type,
                store: store,
                time: time,
                random: configuration.random,
                logger: logger,
                onChange: onChange
            )
        }
        let setChanged = deployments.enqueuesOwner(.deployments)
        let podChanged = replicaSets.enqueuesOwner(.replicaSets)
        services = [
            watch(.nodes, stores.nodes) { _ in },
            watch(.namespaces, stores.namespaces, namespaces.enqueuesObject),
            watch(.deployments, stores.deployments, deployments.enqueuesObject),
            watch(.replicaSets, stores.replicaSets) { change in
                if change.new == nil, let uid = change.old?.uid { pending.forget(owner: uid) }
                replicaSets.enqueue(change.key)
                setChanged(change)
            },
            watch(.pods, stores.pods) { [node] change in
                pending.observed(ObjectChangeFacts(old: change.old, new: change.new))
                node.observe(change)
                podChanged(change)
                scheduler.enqueue(change.key)
                for service in Self.services(of: change, in: stores.services) { endpoints.enqueue(service) }
                // A Recreate rollout waits for the last old pod to go.
                if change.new == nil, let owner = change.old?.controller, owner.kind == "ReplicaSet" {
                    let set = stores.replicaSets.object(ObjectKey(namespace: change.key.namespace, name: owner.name))
                    if let deployment = set?.controller {
                        deployments.enqueue(ObjectKey(namespace: change.key.namespace, name: deployment.name))
                    }
                }
            },
            watch(.services, stores.services) { change in
                endpoints.enqueue(change.key)
                refreshProxy(change)
            },
            watch(.endpointSlices, stores.endpointSlices) { change in
                if let name = change.latest?.labels[EndpointSlicePlan.serviceLabel] {
                    endpoints.enqueue(ObjectKey(namespace: change.key.namespace, name: name))
                }
                refreshProxy(change)
            },
            NodeRegistration(client: client, configuration: configuration),
            deployments, replicaSets, endpoints, namespaces, scheduler, collector, node,
        ]
        if let proxy { services.append(proxy) }
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
