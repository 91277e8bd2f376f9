// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

package import Ambient
package import KubeAPI
import KubeRuntime
package import Logging
import ServiceLifecycle

/// The cluster's controllers without its nodes, its scheduler and those that watch over nodes: somebody else runs the pods.
package struct WorkloadControllers: Sendable {
    private let client: KubeClient
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger

    /// Controllers that reach the API through `client`.
    package init(client: KubeClient, time: any TimeSource, random: any RandomSource, logger: Logger) {
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
            for service in parts.services where Self.isWorkload(service) {
                group.addTask { try await service.run() }
            }
        }
    }

    private static func isWorkload(_ service: any Service) -> Bool {
        if service is NodeAgent || service is NodeRegistration { return false }
        return !ClusterControllers.ofNodes.contains((service as? Controller)?.name ?? "")
    }
}
