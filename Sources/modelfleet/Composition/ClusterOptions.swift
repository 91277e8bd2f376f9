// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import CurlHTTP
import Foundation
import HTTPMessages
import KubeAPI

/// The flags that say which cluster to talk to; the same as `kubectl`'s.
struct ClusterOptions: ParsableArguments {
    @Option(help: "The kubeconfig file; by default $KUBECONFIG, then ~/.kube/config, then the pod's own account.")
    var kubeconfig: String?

    @Option(help: "The context in the kubeconfig; by default its current one.")
    var context: String?

    /// Where to connect to, and as whom.
    /// - Throws: `ConfigurationError`, which names the file and the next step.
    func connection() throws -> ClusterConnection {
        try KubeConfiguration.discover(
            environment: ProcessInfo.processInfo.environment,
            explicitPath: kubeconfig,
            context: context
        )
    }

    /// A client for the cluster.
    func client(for connection: ClusterConnection) throws -> KubeClient {
        var configuration = CurlConfiguration(tls: connection.tls, userAgent: "modelfleet/\(Version.current)")
        let rules = ProxyRules(environment: ProcessInfo.processInfo.environment)
        configuration.proxy = connection.proxy ?? rules.proxy(for: connection.server)
        let exchange = AuthorizingExchange(
            CurlExchange(configuration: configuration),
            credentials: connection.credentials,
            impersonation: connection.impersonation,
            certifiedExchange: { [configuration] certificate, key in
                var certified = configuration
                certified.tls.certificate = certificate
                certified.tls.privateKey = key
                return CurlExchange(configuration: certified)
            }
        )
        return KubeClient(exchange: exchange, baseURL: connection.server)
    }
}
