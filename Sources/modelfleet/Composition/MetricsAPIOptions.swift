// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ExtensionServer
import Foundation
import KubeModel

/// The flags about the metrics APIs that the operator serves to HorizontalPodAutoscalers.
struct MetricsAPIOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Serve external.metrics.k8s.io and custom.metrics.k8s.io over TLS on this port; 0 for no port.",
            discussion: """
                Engine HorizontalPodAutoscaler needs it. APIServices make the API server hand requests on to this port, \
                and the API server is asked who may read (TokenReview, SubjectAccessReview).
                """
        )
    )
    var metricsAPIPort: Int = 0

    @Option(help: "The address that the metrics APIs' port listens on.")
    var metricsAPIHost = "0.0.0.0"

    @Option(help: "The Service that leads to that port, in the namespace of the Leases; the APIServices name it.")
    var metricsAPIService = "modelfleet-operator-metrics"

    @Option(
        help:
            "Where other copies of the operator reach the port: HOST:PORT; by default $POD_IP or the listening address."
    )
    var metricsAPIAdvertise: String?

    @Option(help: "A file with the certificate (PEM, its chain after it); without it one is made and kept in a Secret.")
    var metricsAPICertificate: String?

    @Option(help: "A file with the certificate's private key (PEM).")
    var metricsAPIKey: String?

    @Option(
        help:
            "A file with the authorities of the certificate (PEM), for the APIServices; without it they are left alone."
    )
    var metricsAPIAuthority: String?

    @Option(help: "The Secret that keeps a certificate that was made, in the namespace of the Leases.")
    var metricsAPISecret = "modelfleet-operator-metrics"

    mutating func validate() throws {
        guard (0...65_535).contains(metricsAPIPort) else {
            throw ValidationError("--metrics-api-port must be 0 to 65535")
        }
        guard (metricsAPICertificate == nil) == (metricsAPIKey == nil) else {
            throw ValidationError("--metrics-api-certificate and --metrics-api-key go together")
        }
        if metricsAPIAuthority != nil, metricsAPICertificate == nil {
            throw ValidationError("--metrics-api-authority goes with --metrics-api-certificate")
        }
    }

    /// Where the certificate comes from.
    func source(namespace: String) -> ServingCertificate.Source {
        if let certificate = metricsAPICertificate, let key = metricsAPIKey {
            return .files(certificate: certificate, privateKey: key, authorities: metricsAPIAuthority)
        }
        return .secret(ObjectKey(namespace: namespace, name: metricsAPISecret))
    }

    /// Where other processes of the operator reach the port; empty where no port is served, or no address is known.
    func address(environment: [String: String]) -> String {
        guard metricsAPIPort > 0 else { return "" }
        if let given = metricsAPIAdvertise { return given }
        let isAnywhere = ["0.0.0.0", "::", ""].contains(metricsAPIHost)
        let host = environment["POD_IP"].flatMap { $0.isEmpty ? nil : $0 } ?? (isAnywhere ? "" : metricsAPIHost)
        guard !host.isEmpty else { return "" }
        return host.contains(":") ? "[\(host)]:\(metricsAPIPort)" : "\(host):\(metricsAPIPort)"
    }
}
