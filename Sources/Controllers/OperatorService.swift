// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import Ambient
import FleetAPI
public import HTTPMessages
public import KubeAPI
import KubeModel
import KubeRuntime
public import Logging
public import ServiceLifecycle
public import Telemetry
public import Templates

/// What an operator process can be told.
public struct OperatorConfiguration: Sendable {
    /// How many models are reconciled at one time.
    public var workers: Int
    /// The most pods of one model that are scraped at one time.
    public var scrapeConcurrency: Int
    /// The longest time for one metrics page.
    public var scrapeTimeout: Duration
    /// Whether several processes choose one leader through a Lease; off where only one runs.
    public var electsLeader: Bool
    /// The namespace of the Lease.
    public var leaseNamespace: String
    /// This process's name in the Lease and in events; a random one where it is empty.
    public var identity: String
    /// The templates.
    public var templates: TemplateSet

    /// A configuration with defaults for one process.
    public init(
        workers: Int = 4,
        scrapeConcurrency: Int = 16,
        scrapeTimeout: Duration = .seconds(1),
        electsLeader: Bool = false,
        leaseNamespace: String = "modelfleet-system",
        identity: String = "",
        templates: TemplateSet = .builtIn
    ) {
        self.workers = workers
        self.scrapeConcurrency = scrapeConcurrency
        self.scrapeTimeout = scrapeTimeout
        self.electsLeader = electsLeader
        self.leaseNamespace = leaseNamespace
        self.identity = identity
        self.templates = templates
    }
}

/// The operator: watchers, the ModelDeployment controller and the scaling loop, wired together.
///
/// It keeps nothing that it can't find again: what it needs after a restart is in the objects themselves.
public struct OperatorService: Service {
    private let client: KubeClient
    private let namespace: String?
    private let configuration: OperatorConfiguration
    private let time: any TimeSource
    private let random: any RandomSource
    private let logger: Logger
    private let stores = FleetStores()
    private let state = ScalingState()
    private let scraper: Scraper
    private let registry: MetricsRegistry
    private let work = OperatorWork()

    /// An operator.
    /// - Parameters:
    ///   - scrapeExchange: what reads the pods' metrics pages.
    ///   - namespace: the only namespace to look after; `nil` for all.
    ///   - metrics: where the operator's own metrics are registered.
    public init(
        client: KubeClient,
        scrapeExchange: any HTTPExchange,
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.operator"),
        namespace: String? = nil,
        configuration: OperatorConfiguration = OperatorConfiguration(),
        metrics: MetricsRegistry = MetricsRegistry()
    ) {
        self.client = client
        self.namespace = namespace
        self.configuration = configuration
        self.time = time
        self.random = random
        self.logger = logger
        registry = metrics
        scraper = Scraper(
            exchange: scrapeExchange,
            time: time,
            concurrency: configuration.scrapeConcurrency,
            timeout: configuration.scrapeTimeout
        )
    }

    /// Whether every watch has its first list: the operator's readiness.
    public var isSynced: Bool { stores.all.allSatisfy(\.isSynced) }

    /// What the operator has done and has still to do.
    public var activity: OperatorActivity { work.activity(isSynced: isSynced) }

    /// Works until cancelled or shut down.
    /// - Throws: the loss of the leadership; the process should start again.
    public func run() async throws {
        guard configuration.electsLeader else { return try await lead() }
        let identity = configuration.identity.isEmpty ? "modelfleet-\(random.nameSuffix())" : configuration.identity
        let election = LeaderElection(
            client: client,
            key: ObjectKey(namespace: configuration.leaseNamespace, name: "modelfleet-operator"),
            identity: identity,
            time: time,
            logger: logger
        ) { try await lead() }
        try await election.run()
    }

    private func lead() async throws {
        let recorder = EventRecorder(
            client: client,
            component: "modelfleet",
            instance: configuration.identity,
            time: time,
            random: random,
            logger: logger
        )
        let ledger = RevisionLedger()
        let reconciler = ModelReconciler(
            stores: stores,
            scaling: state,
            renderer: ModelRenderer(templates: configuration.templates),
            apply: ModelApply(client: client, recorder: recorder, ledger: ledger),
            ledger: ledger,
            time: time
        )
        let controller = Controller(
            name: "modeldeployment",
            reconciler: work.counting(reconciler),
            workers: configuration.workers,
            queue: WorkQueue(
                time: time,
                random: random,
                observer: QueueMetrics(registry: registry, name: "modeldeployment")
            ),
            awaiting: stores.all,
            time: time,
            logger: logger
        )
        work.began(with: controller.queue)
        let loop = ScalingLoop(
            stores: stores,
            state: state,
            client: client,
            scraper: scraper,
            recorder: recorder,
            metrics: ScalingMetrics(registry: registry),
            time: time,
            logger: logger
        ) { [controller] key in controller.enqueue(key) }
        let services: [any Service] = watchers(for: controller) + [controller, loop]
        logger.info("the operator starts", metadata: ["namespace": "\(namespace ?? "all")"])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in services { group.addTask { try await service.run() } }
            defer { group.cancelAll() }
            try await group.waitForAll()
        }
    }

    /// The watches: our own kinds whole, all others by the labels that the operator gives them.
    private func watchers(for controller: Controller) -> [any Service] {
        let managed = LabelSelector(matching: [FleetAPI.managedByLabel: FleetAPI.manager])
        let served = LabelSelector(requirements: [LabelSelector.Requirement(FleetAPI.modelLabel, .exists)])
        let owner = controller.enqueuesOwner(.modelDeployments)
        let models = stores.models
        func watcher(
            _ type: ResourceType,
            _ selector: LabelSelector?,
            _ store: ObjectStore,
            _ onChange: @escaping @Sendable (ObjectChange) -> Void
        ) -> Watcher {
            Watcher(
                client: client,
                type: type,
                namespace: type.isNamespaced ? namespace : nil,
                labelSelector: selector,
                store: store,
                time: time,
                random: random,
                logger: logger,
                onChange: onChange
            )
        }
        return [
            watcher(.modelDeployments, nil, stores.models, controller.enqueuesObject),
            watcher(.servingRuntimes, nil, stores.runtimes, controller.enqueues { _ in models.keys() }),
            watcher(.deployments, managed, stores.deployments, owner),
            watcher(.services, managed, stores.services, owner),
            watcher(.horizontalPodAutoscalers, managed, stores.autoscalers, owner),
            watcher(
                .pods,
                served,
                stores.pods,
                controller.enqueuesNamed(inLabel: FleetAPI.modelLabel)
            ),
        ]
    }
}
