// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeRuntime
public import Templates

/// What an operator process can be told.
public struct OperatorConfiguration: Sendable {
    /// How many models are reconciled at one time.
    public var workers: Int
    /// The most pods that are scraped at one time.
    public var scrapeConcurrency: Int
    /// The longest time for one metrics page.
    public var scrapeTimeout: Duration
    /// Whether several processes choose one leader through a Lease; off where only one runs.
    public var electsLeader: Bool
    /// Into how many shards the models are split; more than 1 means that each shard has a Lease of its own, and that
    /// several processes share them.
    public var shards: Int
    /// The timing of the Leases.
    public var leaseTiming: LeaseTiming
    /// The namespace of the Leases.
    public var leaseNamespace: String
    /// The name of the machine or pod, in events and, with a random part, in Leases.
    public var identity: String
    /// Where other processes of the operator reach this one's metrics APIs, as `host:port`; empty for nowhere.
    public var metricsAddress: String
    /// The templates.
    public var templates: TemplateSet
    /// Whether the cluster's Service proxies follow `modelfleet.dev/traffic`, as the local cluster's do.
    public var hasLocalProxy: Bool

    /// A configuration with defaults for one process.
    public init(
        workers: Int = 4,
        scrapeConcurrency: Int = 256,
        scrapeTimeout: Duration = .seconds(1),
        electsLeader: Bool = false,
        shards: Int = 1,
        leaseTiming: LeaseTiming = LeaseTiming(),
        leaseNamespace: String = "modelfleet-system",
        identity: String = "",
        metricsAddress: String = "",
        templates: TemplateSet = .builtIn,
        hasLocalProxy: Bool = false
    ) {
        self.workers = workers
        self.scrapeConcurrency = scrapeConcurrency
        self.scrapeTimeout = scrapeTimeout
        self.electsLeader = electsLeader
        self.shards = max(1, shards)
        self.leaseTiming = leaseTiming
        self.leaseNamespace = leaseNamespace
        self.identity = identity
        self.metricsAddress = metricsAddress
        self.templates = templates
        self.hasLocalProxy = hasLocalProxy
    }
}
