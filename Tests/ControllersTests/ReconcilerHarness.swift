// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import KubeTesting
import Logging
import Telemetry
import Templates
import Testing

@testable import Controllers

/// One reconciler over an API server in this process, with a time that stands still and stores that are filled by hand:
/// every step of a test is one call.
struct ReconcilerHarness {
    let time = ManualTime()
    let client: KubeClient
    let key = ObjectKey(namespace: "default", name: "m")
    let metrics = MetricsRegistry()
    private(set) var stores = FleetStores()
    var reconciler: ModelReconciler

    /// A cluster with the definitions, the built-in runtime and `model`.
    /// - Parameters:
    ///   - loosely: whether the API server takes any spec, as one with older definitions would.
    ///   - exchange: the API server to use instead of one of its own.
    init(
        _ model: KubeObject = OperatorHarness.model(),
        loosely: Bool = false,
        exchange: (any HTTPExchange)? = nil
    ) async throws {
        var configuration = APIServerConfiguration()
        configuration.time = time
        client = KubeClient(exchange: exchange ?? APIServer(configuration: configuration))
        reconciler = Self.reconciler(stores, client, time, .builtIn)
        reconciler.metrics = RolloutMetrics(registry: metrics)
        for var definition in FleetAPI.customResourceDefinitions {
            if loosely {
                let open: JSONValue = ["type": "object", "x-kubernetes-preserve-unknown-fields": true]
                var version = try #require(definition["spec", "versions"]?[0])
                version.set(["openAPIV3Schema": open], at: "schema")
                definition["spec", "versions"] = [version]
            }
            try await client.create(.customResourceDefinitions, definition)
        }
        try await client.create(.servingRuntimes, ServingRuntime.builtIn)
        try await client.create(.modelDeployments, model)
    }

    private static func reconciler(
        _ stores: FleetStores,
        _ client: KubeClient,
        _ time: ManualTime,
        _ templates: TemplateSet
    ) -> ModelReconciler {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let ledger = RevisionLedger()
        let recorder = EventRecorder(client: client, component: "modelfleet", time: time, logger: logger)
        return ModelReconciler(
            stores: stores,
            scaling: ScalingState(),
            renderer: ModelRenderer(templates: templates),
            apply: ModelApply(
                client: client,
                recorder: recorder,
                ledger: ledger,
                routing: RolloutRouting(client: client, hasLocalProxy: true)
            ),
            ledger: ledger,
            settled: SettledModels(),
            time: time
        )
    }

    /// Starts the operator again, with other templates.
    mutating func restart(templates: TemplateSet) {
        stores = FleetStores()
        reconciler = Self.reconciler(stores, client, time, templates)
    }

    /// Lets the stores see everything; without `types`, all of them.
    func sync(_ types: Set<String>? = nil) async throws {
        let pairs: [(ResourceType, ObjectStore)] = [
            (.modelDeployments, stores.models), (.servingRuntimes, stores.runtimes),
            (.deployments, stores.deployments), (.services, stores.services),
            (.horizontalPodAutoscalers, stores.autoscalers), (.pods, stores.pods),
        ]
        for (type, store) in pairs where types?.contains(type.plural) ?? true {
            store.replaceAll(try await client.list(type).items)
        }
    }

    /// One reconcile with what the stores hold now.
    @discardableResult
    func reconcileStale() async throws -> ReconcileOutcome { try await reconciler.reconcile(key) }

    /// Sees everything, then reconciles once.
    @discardableResult
    func reconcile() async throws -> ReconcileOutcome {
        try await sync()
        return try await reconciler.reconcile(key)
    }

    /// The versions of all objects that an operator may write.
    func versions() async throws -> [String: String] {
        var versions: [String: String] = [:]
        for type in [.modelDeployments, .deployments, .services, .events] as [ResourceType] {
            for object in try await client.list(type).items {
                versions["\(type) \(object.key)"] = object.resourceVersion
            }
        }
        return versions
    }

    func get(_ type: ResourceType, _ name: String) async throws -> KubeObject {
        try await client.get(type, OperatorHarness.key(name))
    }

    func find(_ type: ResourceType, _ name: String) async throws -> KubeObject? {
        try await client.find(type, OperatorHarness.key(name))
    }

    func patchModel(_ spec: JSONValue) async throws {
        try await client.patch(.modelDeployments, key, .merge(["spec": spec]))
    }

    /// Plays the Deployment controller.
    func setStatus(_ deployment: String, replicas: Int, ready: Int) async throws {
        let status: JSONValue = ["replicas": JSONValue(replicas), "readyReplicas": JSONValue(ready)]
        try await client.patch(
            .deployments,
            OperatorHarness.key(deployment),
            .merge(["status": status]),
            subresource: "status"
        )
    }

    /// Plays the kubelet.
    func addPod(_ name: String, revision: Int, status: JSONValue) async throws {
        var pod = KubeObject(.pods, namespace: "default", name: name)
        pod.labels = [FleetAPI.modelLabel: "m", FleetAPI.revisionLabel: "\(revision)"]
        let probe: JSONValue = ["httpGet": ["path": "/v2/health/ready", "port": "http"]]
        pod["spec"] = [
            "containers": [["name": "server", "image": "i:1", "readinessProbe": probe, "startupProbe": probe]]
        ]
        try await client.create(.pods, pod)
        try await client.patch(.pods, OperatorHarness.key(name), .merge(["status": status]), subresource: "status")
    }

    func condition(_ type: String) async throws -> Condition? {
        ConditionSet(try await get(.modelDeployments, "m"))[type]
    }

    func events(_ reason: String) async throws -> [KubeObject] {
        try await client.list(.events, namespace: "default").items.filter { $0["reason"]?.string == reason }
    }

    func selected() async throws -> String? {
        try await get(.services, "m")["spec", "selector", FleetAPI.revisionLabel]?.string
    }
}
