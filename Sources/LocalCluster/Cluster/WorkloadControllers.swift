// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

package import Ambient
package import KubeAPI
import KubeRuntime
package import Logging
import ServiceLifecycle

/// The cluster's controllers without its nodes and its scheduler: somebody else runs the pods.
package struct WorkloadControllers: Sendable {
    private let client: KubeClient
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let watchesNodes: Bool

    /// Controllers that reach the API through `client`.
    /// - Parameter watchesNodes: whether they also judge by leases which nodes are lost, and evict their pods.
    package init(
        client: KubeClient,
        time: any TimeSource,
        random: any RandomSource,
        logger: Logger,
        watchesNodes: Bool = false
    ) {
        self.watchesNodes = watchesNodes
        self.client = client
        self.time = time
        self.random = random
        self.logger = logger
    }

    /// Works until cancelled or shut down.
    package func run() async throws {
        let configuration = LocalClusterConfiguration(
            directory: "",
            time: time,
            random: random,
            runsProxies: false,
            logger: logger
        )
        let parts = try ClusterParts(configuration: configuration, client: client, logs: LogShelf())
        try await withThrowingDiscardingTaskGroup { group in
            for service in parts.services where isIncluded(service) {
                group.addTask { try await service.run() }
            }
        }
    }

    private func isIncluded(_ service: any Service) -> Bool {
        if service is NodeAgent || service is NodeRegistration || service is UsageMeter { return false }
        let name = (service as? Controller)?.name ?? ""
        return watchesNodes ? name != "scheduler" : !ClusterControllers.ofNodes.contains(name)
    }
}
