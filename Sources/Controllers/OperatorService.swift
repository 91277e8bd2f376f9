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
import Synchronization
public import Telemetry

/// Scrapes as long as the process works.
private struct ScrapeService: Service {
    let board: ScrapeBoard

    func run() async throws { await cancelOnShutdown { await board.run() } }
}

/// Wakes models once there is a controller to do so.
private final class WakeLater: Sendable {
    private let body = Mutex<(@Sendable (ObjectKey) -> Void)?>(nil)

    func set(_ body: @escaping @Sendable (ObjectKey) -> Void) { self.body.withLock { $0 = body } }

    func wake(_ key: ObjectKey) { body.withLock { $0 }?(key) }
}

/// The operator: watchers, the ModelDeployment controller and the scaling loop, wired together.
///
/// It keeps nothing that it can't find again: what it needs after a restart is in the objects themselves.
public struct OperatorService: Service {
    let client: KubeClient
    let namespaces: [String]
    let configuration: OperatorConfiguration
    let time: any TimeSource
    let random: any RandomSource
    let logger: Logger
    private let exchange: any HTTPExchange
    let stores = FleetStores()
    let state = ScalingState()
    private let signals: ModelSignals
    private let registry: MetricsRegistry
    private let work = OperatorWork()
    let membership = Membership()

    /// An operator.
    /// - Parameters:
    ///   - scrapeExchange: what reads the pods' metrics pages.
    ///   - namespaces: the only namespaces to look after; none for all.
    ///   - metrics: where the operator's own metrics are registered.
    public init(
        client: KubeClient,
        scrapeExchange: any HTTPExchange,
        time: any TimeSource = SystemTime(),
        random: any RandomSource = SystemRandom(),
        logger: Logger = Logger(label: "modelfleet.operator"),
        namespaces: [String] = [],
        configuration: OperatorConfiguration = OperatorConfiguration(),
        metrics: MetricsRegistry = MetricsRegistry()
    ) {
        self.client = client
        self.namespaces = Set(namespaces).sorted()
        self.configuration = configuration
        self.time = time
        self.random = random
        self.logger = logger
        exchange = scrapeExchange
        registry = metrics
        let state = state
        let board = ScrapeBoard(
            scraper: Scraper(exchange: scrapeExchange, time: time, timeout: configuration.scrapeTimeout),
            time: time,
            random: random,
            concurrency: configuration.scrapeConcurrency
        ) { [weak state] name in
            // The state holds the board, to tell it what is forgotten.
            if let group = ScrapeGroup(named: name) { state?.pageCame(group.model, now: time.now()) }
        }
        let poller = PrometheusPoller(exchange: scrapeExchange, time: time, random: random) { [weak state] group in
            state?.pageCame(group.model, now: time.now())
        }
        let signals = ModelSignals(board: board, poller: poller)
        let numbers = ScalingMetrics(registry: metrics)
        state.onForget { key, watched in
            signals.forget(watched)
            numbers.forget(key)
        }
        self.signals = signals
    }

    /// `external.metrics.k8s.io` and `custom.metrics.k8s.io` over the signals of models and pods; it asks nobody who the
    /// caller is.
    /// - Parameter peers: carries requests to the other processes of the operator, at the addresses that their Leases have;
    ///   without it only what this process reads is served.
    public func metricsAPI(
        peers: (@Sendable (HTTPRequestMessage) async throws -> HTTPResponseMessage)? = nil
    ) -> any HTTPExchange {
        let isAlone = configuration.shards == 1 && !configuration.electsLeader
        return MetricsAPI(
            readings: MetricsReadings(
                state: state,
                models: stores.models,
                pods: stores.pods,
                board: signals.board,
                time: time
            ) { [membership] in membership.holds($0) },
            membership: membership,
            peers: isAlone
                ? nil
                : peers.map {
                    MetricsPeers(
                        client: client,
                        namespace: configuration.leaseNamespace,
                        lease: Self.leaseName,
                        shards: configuration.shards,
                        membership: membership,
                        time: time,
                        transport: $0
                    )
                }
        )
    }

    /// The names of the APIServices that make the API server hand these groups on.
    public static var metricsAPIServices: [String] { MetricsDiscovery.apiServices }

    /// Whether every watch has its first list: the operator's readiness.
    public var isSynced: Bool { stores.all.allSatisfy(\.isSynced) }

    /// What the operator has done and has still to do.
    public var activity: OperatorActivity { work.activity(isSynced: isSynced) }

    /// Whether it can do what it is there for: every watch has its first list, or another process leads.
    public var isReady: Bool { membership.isWaiting || isSynced }

    /// Works until cancelled or shut down.
    /// - Throws: the loss of the leadership; the process should start again.
    public func run() async throws {
        if configuration.shards > 1 { return try await runSharded() }
        guard configuration.electsLeader else { return try await run(parts(client: client)) }
        try await runElected()
    }

    /// What works together in one process.
    struct Parts: Sendable {
        let controller: Controller
        let services: [any Service]
        let ledger: RevisionLedger
        let settled: SettledModels
        let analysis: RolloutAnalysis
        let rollouts: RolloutMetrics
    }

    /// Makes the parts.
    /// - Parameters:
    ///   - client: what they send with; a fenced one where several processes share the work.
    ///   - isOurs: whether a model is this process's to look after, now.
    func parts(client: KubeClient, isOurs: @escaping @Sendable (ObjectKey) -> Bool = { _ in true }) -> Parts {
        let recorder = EventRecorder(
            client: client,
            component: "modelfleet",
            instance: configuration.identity,
            time: time,
            random: random,
            logger: logger
        )
        let ledger = RevisionLedger()
        let settled = SettledModels()
        let wake = WakeLater()
        let analysis = RolloutAnalysis(
            feed: AnalysisFeed(board: signals.board),
            checks: CheckPoller(exchange: exchange, time: time) { wake.wake($0) },
            notifier: Notifier(
                client: client,
                exchange: exchange,
                time: time,
                random: random,
                recorder: recorder,
                logger: logger,
                isOurs: isOurs
            ) { wake.wake($0) }
        )
        let rollouts = RolloutMetrics(registry: registry)
        let reconciler = ModelReconciler(
            stores: stores,
            scaling: state,
            renderer: ModelRenderer(templates: configuration.templates),
            apply: ModelApply(
                client: client,
                recorder: recorder,
                ledger: ledger,
                routing: RolloutRouting(client: client, hasLocalProxy: configuration.hasLocalProxy)
            ),
            ledger: ledger,
            analysis: analysis,
            metrics: rollouts,
            settled: settled,
            time: time
        )
        let ours = ClosureReconciler { key in
            isOurs(key) ? try await reconciler.reconcile(key) : .awaitChange
        }
        let controller = Controller(
            name: "modeldeployment",
            reconciler: work.counting(ours),
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
        // The controller's reconciler holds what wakes it.
        wake.set { [weak controller] key in controller?.enqueue(key) }
        let loop = ScalingLoop(
            stores: stores,
            state: state,
            client: client,
            signals: signals,
            recorder: recorder,
            metrics: ScalingMetrics(registry: registry),
            time: time,
            logger: logger,
            isOurs: isOurs,
            isHeld: { [membership] in membership.holds($0) }
        ) { [controller] key in controller.enqueue(key) }
        let foreign = ForeignScalers(
            client: client,
            stores: stores,
            state: state,
            namespaces: namespaces,
            time: time,
            random: random,
            logger: logger
        ) { [controller, state, time] key in
            state.wake(key, now: time.now())
            controller.enqueue(key)
        }
        let services: [any Service] =
            watchers(for: controller) + [
                controller, loop, ScrapeService(board: signals.board), signals.poller, foreign, analysis.checks,
                analysis.notifier,
            ]
        return Parts(
            controller: controller,
            services: services,
            ledger: ledger,
            settled: settled,
            analysis: analysis,
            rollouts: rollouts
        )
    }

    /// Runs the parts until they end.
    func run(_ parts: Parts) async throws {
        logger.info(
            "the operator starts",
            metadata: ["namespaces": "\(namespaces.isEmpty ? "all" : namespaces.joined(separator: ", "))"]
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in parts.services { group.addTask { try await service.run() } }
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
        func watchers(
            _ type: ResourceType,
            _ selector: LabelSelector?,
            _ store: ObjectStore,
            _ onChange: @escaping @Sendable (ObjectChange) -> Void
        ) -> [any Service] {
            let scopes: [String?] = type.isNamespaced && !namespaces.isEmpty ? namespaces : [nil]
            return scopes.map { namespace in
                Watcher(
                    client: client,
                    type: type,
                    namespace: namespace,
                    labelSelector: selector,
                    store: store,
                    time: time,
                    random: random,
                    logger: logger,
                    onChange: onChange
                )
            }
        }
        let named = controller.enqueuesNamed(inLabel: FleetAPI.modelLabel)
        return watchers(.modelDeployments, nil, stores.models, controller.enqueuesObject)
            + watchers(.servingRuntimes, nil, stores.runtimes, controller.enqueues { _ in models.keys() })
            + watchers(.deployments, managed, stores.deployments, owner)
            + watchers(.services, managed, stores.services, owner)
            + watchers(.horizontalPodAutoscalers, managed, stores.autoscalers, owner)
            + watchers(.horizontalPodAutoscalers, ForeignScalers.others, stores.foreignAutoscalers) { _ in }
            + watchers(.pods, served, stores.pods, named)
    }
}
