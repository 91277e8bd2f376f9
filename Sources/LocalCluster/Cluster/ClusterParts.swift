// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeRuntime
import ServiceLifecycle

/// Everything that runs beside the API server: watches, controllers, the nodes and the proxies.
struct ClusterParts: Sendable {
    /// The nodes.
    let nodes: [NodeAgent]
    /// The proxies of Services, where there are any.
    let proxy: ServiceProxy?
    /// What to run.
    let services: [any Service]

    /// The parts of a cluster with this configuration, which reach the API through `client`.
    init(
        configuration: LocalClusterConfiguration,
        client: KubeClient,
        logs: LogShelf,
        usage: UsageBoard = UsageBoard()
    ) throws(LocalClusterError) {
        let stores = ClusterStores()
        let maker = PartMaker(configuration: configuration, client: client, stores: stores)
        let addresses = try AddressPool(range: configuration.podRange)
        let nodes = configuration.nodeNames.map { name in
            let surroundings = PodSurroundings(
                client: client,
                configuration: configuration,
                nodeName: name,
                events: maker.recorder("kubelet", instance: name),
                logs: logs,
                addresses: addresses,
                prober: Prober(
                    exchange: configuration.probes,
                    processes: configuration.processes,
                    time: configuration.time
                )
            )
            return NodeAgent(surroundings: surroundings, pods: stores.pods)
        }
        self.nodes = nodes
        proxy = configuration.runsProxies ? ServiceProxy(configuration: configuration, client: client) : nil
        let controllers = ClusterControllers(maker)
        var services: [any Service] = controllers.watchers(maker, nodes: nodes, proxy: proxy)
        for node in nodes {
            services.append(
                NodeRegistration(client: client, configuration: configuration, name: node.name, power: node.power)
            )
        }
        services += controllers.all
        services.append(
            GarbageCollector(
                client: client,
                time: configuration.time,
                random: configuration.random,
                logger: configuration.logger
            )
        )
        services += nodes
        services.append(UsageMeter(nodes: nodes, board: usage, time: configuration.time))
        if let proxy { services.append(proxy) }
        self.services = services
    }
}

/// Makes watchers, controllers and recorders that share a cluster's client, clock and stores.
struct PartMaker: Sendable {
    /// The cluster's settings.
    let configuration: LocalClusterConfiguration
    /// The API.
    let client: KubeClient
    /// What is watched.
    let stores: ClusterStores

    /// A recorder of events by `component`.
    func recorder(_ component: String, instance: String? = nil) -> EventRecorder {
        EventRecorder(
            client: client,
            component: component,
            instance: instance ?? configuration.nodeName,
            time: configuration.time,
            random: configuration.random,
            logger: configuration.logger
        )
    }

    /// A controller that starts once the stores in `awaiting` are there.
    func controller(_ name: String, _ reconciler: any Reconciler, awaiting: [ObjectStore]) -> Controller {
        let queue = WorkQueue(
            backoff: Backoff(initial: .milliseconds(20), maximum: .seconds(30)),
            time: configuration.time,
            random: configuration.random
        )
        return Controller(
            name: name,
            reconciler: reconciler,
            queue: queue,
            awaiting: awaiting,
            time: configuration.time,
            logger: configuration.logger
        )
    }

    /// A watcher that keeps `store` and tells of each change.
    func watcher(
        _ type: ResourceType,
        _ store: ObjectStore,
        _ onChange: @escaping @Sendable (ObjectChange) -> Void
    ) -> Watcher {
        Watcher(
            client: client,
            type: type,
            store: store,
            time: configuration.time,
            random: configuration.random,
            logger: configuration.logger,
            onChange: onChange
        )
    }
}
