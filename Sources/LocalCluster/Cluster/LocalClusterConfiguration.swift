// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
public import HTTPMessages
public import KubeServer
public import Logging

/// What a `LocalCluster` is made of.
public struct LocalClusterConfiguration: Sendable {
    /// The images that its node can run.
    public var images: LocalImages
    /// Where time comes from.
    public var time: any TimeSource
    /// Where uids, names and ties come from.
    public var random: any RandomSource
    /// The bearer token that clients need; `nil` lets everyone in, for tests in the same process.
    public var token: String?
    /// Judges of every write inside the API server.
    public var admission: [any AdmissionPlugin]
    /// The API server's version.
    public var serverVersion: String
    /// The name of the only node; with several, what comes before `-1`, `-2` and so on.
    public var nodeName: String
    /// How many nodes there are, 1 to 100.
    public var nodeCount: Int
    /// How often a node renews its lease; the kubelet's 10 s.
    public var nodeRenewal: Duration
    /// After which silence a node is lost; the controller manager's 50 s.
    public var nodeGrace: Duration
    /// The processors each node offers to resource requests; generous, as nothing enforces limits.
    public var processors: Int
    /// The memory in bytes that each node offers to resource requests.
    public var memoryBytes: Int64
    /// The number of pods each node takes.
    public var maximumPods: Int
    /// The addresses that pods get, as `address/bits`.
    public var podRange: String
    /// The addresses that Services get, as `address/bits`.
    public var serviceRange: String
    /// The folder under which pods get their folders; it is made, and removed at the end.
    public var directory: String
    /// The search path of every container that names none.
    public var searchPath: String
    /// The waits between restarts of a container that keeps ending and between tries for a missing image.
    public var restartBackoff: Backoff
    /// The longest that stopping all pods may take at the end, after which they are killed.
    public var shutdownLimit: Duration
    /// The bytes of log that are kept for each instance of a container.
    public var logLimit: Int
    /// Who carries the requests of `httpGet` probes and hooks; without one such a probe fails with a message.
    public var probes: (any HTTPExchange)?
    /// Who carries requests to the servers behind APIServices; without one their groups answer 503.
    public var aggregation: (any AggregationTransport)?
    /// The authority (PEM) of the certificate that `aggregation` shows to those servers.
    public var frontProxyAuthority: String?
    /// How often an autoscaler looks at its metrics; the controller manager's 15 s.
    public var autoscalerPeriod: Duration
    /// Whether Services get TCP listeners.
    public var runsProxies: Bool
    /// Makes processes; tests give one that only pretends.
    public var processes: any PodProcessSpawner
    /// Where log lines go.
    public var logger: Logger

    /// A cluster in `directory`, with settings for trying things on one machine.
    ///
    /// The kubelet's waits between restarts are 10 s doubling to 5 min, without jitter
    /// (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
    public init(
        directory: String,
        images: LocalImages = LocalImages(),
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        token: String? = nil,
        admission: [any AdmissionPlugin] = [],
        serverVersion: String = "v1.36.2",
        nodeName: String = "local",
        nodeCount: Int = 1,
        nodeRenewal: Duration = .seconds(10),
        nodeGrace: Duration = .seconds(50),
        processors: Int = 64,
        memoryBytes: Int64 = 256 << 30,
        maximumPods: Int = 500,
        podRange: String = "127.64.0.0/12",
        serviceRange: String = "127.96.0.0/16",
        searchPath: String = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        restartBackoff: Backoff = Backoff(initial: .seconds(10), maximum: .seconds(300), factor: 2, jitter: 0),
        shutdownLimit: Duration = .seconds(10),
        logLimit: Int = 4 << 20,
        probes: (any HTTPExchange)? = nil,
        aggregation: (any AggregationTransport)? = nil,
        frontProxyAuthority: String? = nil,
        autoscalerPeriod: Duration = .seconds(15),
        runsProxies: Bool = true,
        processes: (any PodProcessSpawner)? = nil,
        logger: Logger = Logger(label: "modelfleet.local")
    ) {
        self.directory = directory
        self.images = images
        self.time = time
        self.random = random
        self.token = token
        self.admission = admission
        self.serverVersion = serverVersion
        self.nodeName = nodeName
        self.nodeCount = min(max(1, nodeCount), 100)
        self.nodeRenewal = nodeRenewal
        self.nodeGrace = nodeGrace
        self.processors = processors
        self.memoryBytes = memoryBytes
        self.maximumPods = maximumPods
        self.podRange = podRange
        self.serviceRange = serviceRange
        self.searchPath = searchPath
        self.restartBackoff = restartBackoff
        self.shutdownLimit = shutdownLimit
        self.logLimit = logLimit
        self.probes = probes
        self.aggregation = aggregation
        self.frontProxyAuthority = frontProxyAuthority
        self.autoscalerPeriod = autoscalerPeriod
        self.runsProxies = runsProxies
        self.processes = processes ?? SystemProcessSpawner()
        self.logger = logger
    }

    /// The names of the nodes.
    public var nodeNames: [String] {
        nodeCount == 1 ? [nodeName] : (1...nodeCount).map { "\(nodeName)-\($0)" }
    }
}
