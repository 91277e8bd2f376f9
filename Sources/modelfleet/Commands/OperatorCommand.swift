// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Controllers
import CurlHTTP
import Foundation
import HTTPServing
import KubeAPI
import KubeModel
import Logging
import ServiceLifecycle
import Telemetry

/// `modelfleet operator`
struct OperatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator",
        abstract: "Runs the operator against a cluster, from inside or outside of it.",
        discussion: """
            It needs the custom resource definitions (modelfleet crds) and the permissions of manifests/install.
            Stopping it, in any way, changes nothing that is running.
            """
    )

    @OptionGroup var cluster: ClusterOptions

    @Option(name: [.short, .long], help: "Look after this namespace only; may be repeated. By default after all.")
    var namespace: [String] = []

    @OptionGroup var leases: LeaseOptions

    @OptionGroup var templateOptions: TemplateOptions

    @OptionGroup(title: "Metrics APIs") var metricsAPI: MetricsAPIOptions

    @Option(help: "How long the end may take: the work in hand is finished and Leases are released.")
    var shutdownTimeout = DurationArgument(seconds: 10)

    @Option(help: "Serve /healthz, /readyz, /activity and /metrics on this port; 0 for none.")
    var healthPort: Int = 0

    @Option(help: "The address that the health port listens on.")
    var healthHost = "0.0.0.0"

    @Option(help: "How many models are reconciled at one time.")
    var workers: Int = 4

    @Flag(help: .hidden)
    var stopWithParent = false

    @OptionGroup var logs: LogOptions

    mutating func validate() throws {
        guard (0...65_535).contains(healthPort) else { throw ValidationError("--health-port must be 0 to 65535") }
        guard (1...64).contains(workers) else { throw ValidationError("--workers must be 1 to 64") }
    }

    mutating func run() async throws {
        let logger = logs.logger("modelfleet.operator")
        let templates = try templateOptions.load()
        let connection = try cluster.connection()
        let metrics = MetricsRegistry()
        let client = try cluster.client(for: connection)
        let leaseNamespace = leases.leaseNamespace ?? connection.namespace
        let address = metricsAPI.address(environment: ProcessInfo.processInfo.environment)
        let service = OperatorService(
            client: client,
            scrapeExchange: Self.scrapeExchange(),
            logger: logger,
            namespaces: namespace,
            configuration: OperatorConfiguration(
                workers: workers,
                electsLeader: leases.leaderElect,
                shards: leases.shards,
                leaseTiming: leases.timing,
                leaseNamespace: leaseNamespace,
                identity: ProcessInfo.processInfo.environment["HOSTNAME"] ?? "",
                metricsAddress: address,
                templates: templates
            ),
            metrics: metrics
        )
        var services: [any Service] = [service, MemoryReturn(activity: { service.activity })]
        if healthPort > 0 {
            let pages = HealthPages(metrics: metrics, isReady: { service.isReady }, activity: { service.activity })
            services.append(HTTPService(exchange: pages, host: healthHost, port: healthPort, logger: logger))
        }
        if metricsAPI.metricsAPIPort > 0 {
            if address.isEmpty, leases.leaderElect || leases.shards > 1 {
                logger.warning(
                    "other copies can't ask this one for metrics: set POD_IP or --metrics-api-advertise",
                    metadata: ["host": "\(metricsAPI.metricsAPIHost)"]
                )
            }
            services.append(
                MetricsAPIServer(
                    host: metricsAPI.metricsAPIHost,
                    port: metricsAPI.metricsAPIPort,
                    client: client,
                    source: metricsAPI.source(namespace: leaseNamespace),
                    service: ObjectKey(namespace: leaseNamespace, name: metricsAPI.metricsAPIService),
                    operatorService: service,
                    logger: logger
                )
            )
        }
        if stopWithParent { services.append(ParentWatch()) }
        logger.info("connecting", metadata: ["server": "\(connection.server)", "from": "\(connection.origin)"])
        try await ProgramServices(services, endingWithin: shutdownTimeout.duration, logger: logger).run()
    }

    /// What reads the pods' metrics pages: a connection for each pod that stays open between two looks, as far as the process may have
    /// so many; no HTTP/2.
    static func scrapeExchange() -> PartitionedExchange {
        let connections = FileLimit.connections(of: FileLimit.raise())
        return PartitionedExchange {
            CurlExchange(
                configuration: CurlConfiguration(
                    connectTimeout: .seconds(1),
                    userAgent: "modelfleet-operator/\(Version.current)",
                    maximumConnections: max(1, connections / PartitionedExchange.usualParts),
                    http2: false
                )
            )
        }
    }
}
