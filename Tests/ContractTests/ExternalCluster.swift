// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import Foundation
import KubeAPI

/// A cluster of the user's choice.
enum ExternalCluster {
    /// A client for the current context of `kubeconfig`.
    static func client(kubeconfig: String) throws -> KubeClient {
        let connection = try KubeConfiguration.load(
            environment: ProcessInfo.processInfo.environment,
            explicitPath: kubeconfig,
            context: nil
        )
        let curl = CurlExchange(configuration: CurlConfiguration(tls: connection.tls, proxy: connection.proxy))
        return KubeClient(
            exchange: AuthorizingExchange(curl, credentials: connection.credentials),
            baseURL: connection.server,
            fieldManager: "modelfleet-contract"
        )
    }
}
