// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import ArgumentParser
import Controllers
import CurlHTTP
import FleetAPI
import Foundation
import HTTPMessages
import HTTPServing
import KubeAPI
import KubeModel
import KubeServer
import LocalCluster
import Logging
import ServiceLifecycle
import TransportSecurity

/// `modelfleet local`
struct LocalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "local",
        abstract: "Runs a small Kubernetes on this machine: an API server, its controllers, and pods as processes.",
        discussion: """
            It listens on loopback addresses only and lets in only the token of the kubeconfig that it writes.
            Everything is kept in memory and ends with the command.

              modelfleet local --operator &
              export KUBECONFIG=$PWD/modelfleet.kubeconfig
              kubectl apply -f manifests/examples/iris.yaml
            """
    )

    @Option(help: "Where the kubeconfig is written (mode 0600); it is removed at the end.")
    var kubeconfig = "modelfleet.kubeconfig"

    @Option(help: "The API server's port; 0 for any that is free.")
    var port: Int = 0

    @Option(
        help: "The modelfleet-server that runs for the image modelfleet/server; by default the one beside this program."
    )
    var server: String?

    @Option(
        name: .customLong("image"),
        help: "Another image and the program that runs for it, as NAME[:TAG]=PATH. May be repeated."
    )
    var images: [String] = []

    @Option(help: "How many nodes there are, 1 to 100; with several they are called local-1, local-2 and so on.")
    var nodes = 1

    @Option(name: .customLong("node-cpus"), help: "The processors that each node offers to pods' requests.")
    var nodeProcessors = 64

    @Option(
        help: "How often a HorizontalPodAutoscaler looks at its metrics, as the controller manager's flag of this name."
    )
    var horizontalPodAutoscalerSyncPeriod = DurationArgument(seconds: 15)

    @Flag(name: .customLong("operator"), help: "Run the operator in the same process, with its resources installed.")
    var runsOperator = false

    @Flag(
        help: ArgumentHelp(
            "Run the API server alone, with ModelFleet's resources installed.",
            discussion: """
                No controller, no node and no garbage collection: a Deployment stays a record and makes no pod. For \
                measuring an operator with thousands of models, and for trying a client.
                """
        )
    )
    var onlyAPIServer = false

    @Flag(help: .hidden)
    var stopWithParent = false

    @OptionGroup var templateOptions: TemplateOptions

    @OptionGroup var logs: LogOptions

    mutating func validate() throws {
        guard (0...65_535).contains(port) else { throw ValidationError("--port must be 0 to 65535") }
        if onlyAPIServer, runsOperator || server != nil || !images.isEmpty {
            throw ValidationError(
                "--only-api-server runs no pod and no operator: leave out --operator, --server, --image"
            )
        }
        guard (1...100).contains(nodes) else { throw ValidationError("--nodes must be 1 to 100") }
        guard (1...100_000).contains(nodeProcessors) else { throw ValidationError("--node-cpus must be 1 to 100000") }
        if templateOptions.templates != nil, !runsOperator {
            throw ValidationError("--templates are the operator's: add --operator, or give them to modelfleet operator")
        }
        for image in images where !image.contains("=") {
            throw ValidationError("--image \(image): write it as NAME=PATH, for example busybox=/bin/busybox")
        }
    }

    mutating func run() async throws {
        let logger = logs.logger("modelfleet.local")
        let file = KubeconfigFile(path: kubeconfig)
        try await leaveAlone(file)
        let templates = try templateOptions.load()
        let range = try LoopbackRange.take()
        defer { withExtendedLifetime(range) {} }
        let token = SystemRandom().uuid() + SystemRandom().uuid()
        let cluster = LocalCluster(configuration: try configuration(range, token: token, logger: logger))
        // Before anything else runs, so that an operator finds its kinds at its first look.
        if runsOperator || onlyAPIServer { try await Installation.install(into: cluster.client()) }
        defer { file.remove(token: token) }
        var services: [any Service] = onlyAPIServer ? [] : [cluster]
        services += try front(of: cluster, announcedIn: file, token: token, logger: logger)
        if runsOperator {
            let operatorService = OperatorService(
                client: cluster.client(),
                scrapeExchange: OperatorCommand.scrapeExchange(),
                logger: logger,
                configuration: OperatorConfiguration(templates: templates, hasLocalProxy: true)
            )
            services += [operatorService, MetricsInstallation.server(of: operatorService, in: cluster, logger: logger)]
        }
        if stopWithParent { services.append(ParentWatch()) }
        try await ProgramServices(services, logger: logger).run()
    }

    /// The cluster that the flags describe, on the addresses of `range`.
    private func configuration(
        _ range: LoopbackRange,
        token: String,
        logger: Logger
    ) throws -> LocalClusterConfiguration {
        let directory = NSTemporaryDirectory() + "modelfleet-\(SystemRandom().nameSuffix(length: 8))"
        let frontProxy = try CertificateBundle.makeClient(
            commonName: FrontProxy.commonName,
            now: SystemTime().now(),
            validity: Self.certificateValidity,
            random: SystemRandom()
        )
        return LocalClusterConfiguration(
            directory: directory,
            images: try imageTable(),
            token: token,
            admission: [FleetAdmission()],
            nodeCount: nodes,
            processors: nodeProcessors,
            podRange: range.pods,
            serviceRange: range.services,
            // As the kubelet: a probe takes any certificate.
            probes: CurlExchange(
                configuration: CurlConfiguration(
                    tls: TLSSettings(verifiesPeer: false),
                    userAgent: "kube-probe/\(Version.current)",
                    http2: false
                )
            ),
            aggregation: CurlAggregation(proxy: frontProxy),
            frontProxyAuthority: frontProxy.authority,
            autoscalerPeriod: horizontalPodAutoscalerSyncPeriod.duration,
            processes: SystemProcessSpawner(removing: directory),
            logger: logger
        )
    }

    /// Puts the cluster's API server on a socket, and the kubeconfig that leads there into `file` once it listens.
    private func front(
        of cluster: LocalCluster,
        announcedIn file: KubeconfigFile,
        token: String,
        logger: Logger
    ) throws -> [any Service] {
        let certificates = try CertificateBundle.make(
            hosts: ["127.0.0.1", "localhost"],
            now: SystemTime().now(),
            validity: Self.certificateValidity,
            random: SystemRandom()
        )
        let (ports, listening) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingNewest(1))
        let server = HTTPService(
            exchange: cluster.apiServer,
            host: "127.0.0.1",
            port: port,
            tls: TLSSettings(certificate: certificates.certificate, privateKey: certificates.privateKey),
            logger: logger
        ) { listening.yield($0) }
        return [
            server, KubeconfigService(file: file, authority: certificates.authority, token: token, ports: ports),
        ]
    }

    /// No local cluster lives that long.
    private static let certificateValidity = Duration.seconds(365 * 86_400)

    /// Refuses to replace what isn't ours to replace: somebody's own file, and the kubeconfig of a cluster that runs.
    private func leaveAlone(_ file: KubeconfigFile) async throws {
        switch file.owner {
        case .nobody: return
        case .others:
            throw CommandFailure(
                "\(file.path) is there and isn't a local cluster's kubeconfig: name another file with --kubeconfig"
            )
        case .localCluster(let connection):
            let exchange = CurlExchange(configuration: CurlConfiguration(tls: connection.tls))
            defer { exchange.shutdown() }
            let client = KubeClient(
                exchange: AuthorizingExchange(exchange, credentials: connection.credentials),
                baseURL: connection.server
            )
            guard (try? await client.get(.namespaces, ObjectKey(namespace: nil, name: "default"))) != nil else {
                return
            }
            throw CommandFailure(
                "\(file.path) is the kubeconfig of a local cluster that runs (\(connection.server)): "
                    + "stop that one first, or name another file with --kubeconfig"
            )
        }
    }

    /// What the server's pods get of this program's variables: where ONNX Runtime is.
    private static var serverEnvironment: [String: String] {
        let name = "MODELFLEET_ONNXRUNTIME"
        guard let file = ProcessInfo.processInfo.environment[name], !file.isEmpty else { return [:] }
        return [name: URL(fileURLWithPath: file).path]
    }

    private func imageTable() throws -> LocalImages {
        let own = Bundle.main.executablePath ?? CommandLine.arguments[0]
        let beside = URL(fileURLWithPath: own).resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("modelfleet-server").path
        let program = server ?? beside
        var entries: [LocalImages.Entry] = []
        if FileManager.default.isExecutableFile(atPath: program) {
            entries.append(
                LocalImages.Entry(image: "modelfleet/server", executable: program, environment: Self.serverEnvironment)
            )
        } else if server != nil {
            throw CommandFailure("--server \(program): there is no such program")
        }
        for image in images {
            let parts = image.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, FileManager.default.isExecutableFile(atPath: parts[1]) else {
                throw CommandFailure("--image \(image): there is no program at that path")
            }
            entries.append(LocalImages.Entry(image: parts[0], executable: parts[1]))
        }
        return LocalImages(entries)
    }
}
