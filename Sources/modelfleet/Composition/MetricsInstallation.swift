// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Controllers
import ExtensionServer
import KubeAPI
import KubeModel
import LocalCluster
import Logging

/// Makes a local cluster hand requests for metrics on to an operator that runs beside it, as `manifests/install` does in
/// another cluster.
enum MetricsInstallation {
    /// The Service, and the Secret with the certificate.
    static let name = ObjectKey(namespace: "kube-system", name: "modelfleet-operator-metrics")

    /// The operator's metrics APIs on a free port of this machine; the APIServices come with it.
    static func server(of service: OperatorService, in cluster: LocalCluster, logger: Logger) -> MetricsAPIServer {
        let client = cluster.client()
        return MetricsAPIServer(
            host: "127.0.0.1",
            port: 0,
            client: client,
            source: .secret(name),
            service: name,
            operatorService: service,
            logger: logger
        ) { port in
            do { try await install(into: client, port: port) } catch {
                logger.error("no metrics reach HorizontalPodAutoscalers", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Applies the Service with its only endpoint, and the APIServices; the certificate's keeper tells them whom to trust.
    private static func install(into client: KubeClient, port: Int) async throws(KubeError) {
        var service = KubeObject(.services, namespace: name.namespace, name: name.name)
        service["spec"] = ["ports": [["name": "https", "port": 443, "targetPort": JSONValue(port)]]]
        try await client.apply(.services, service, force: true)
        var slice = KubeObject(.endpointSlices, namespace: name.namespace, name: name.name)
        slice.labels = [
            "kubernetes.io/service-name": name.name, "endpointslice.kubernetes.io/managed-by": "modelfleet",
        ]
        slice["addressType"] = "IPv4"
        slice["ports"] = [["name": "https", "port": JSONValue(port), "protocol": "TCP"]]
        slice["endpoints"] = [["addresses": ["127.0.0.1"], "conditions": ["ready": true]]]
        try await client.apply(.endpointSlices, slice, force: true)
        for apiService in OperatorService.metricsAPIServices {
            let parts = apiService.split(separator: ".", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            var object = KubeObject(.apiServices, namespace: nil, name: apiService)
            object["spec"] = [
                "group": .string(parts[1]), "version": .string(parts[0]), "groupPriorityMinimum": 100,
                "versionPriority": parts[0] == "v1beta2" ? 200 : 100,
                "service": ["name": .string(name.name), "namespace": .string(name.namespace ?? "")],
            ]
            try await client.apply(.apiServices, object, force: true)
        }
    }
}
