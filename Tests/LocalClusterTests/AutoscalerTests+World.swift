// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Logging
import Synchronization
import Testing

@testable import LocalCluster

/// A cluster of objects and metrics in which the controller acts.
extension AutoscalerTests {
    /// A server of metrics with one number; `nil` answers 404.
    final class Adapter: AggregationTransport {
        let value = Mutex<String?>("10")

        func exchange(_ request: HTTPRequestMessage, with backend: AggregatedBackend) async throws
            -> HTTPResponseMessage
        {
            guard let value = value.withLock({ $0 }) else {
                let status: JSONValue = [
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
                    "message": "no value for queue",
                ]
                return HTTPResponseMessage(status: .notFound, contentType: "application/json", bytes: status.encoded())
            }
            let list: JSONValue = ["items": [["value": .string(value)]]]
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: list.encoded())
        }
    }

    /// An API server that may refuse to write the scale of Deployments.
    final class Refusing: HTTPExchange {
        let isOn = Mutex(false)
        let server: APIServer

        init(_ server: APIServer) { self.server = server }

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            guard isOn.withLock({ $0 }), request.path.hasSuffix("/deployments/model/scale"), request.head.method != .get
            else { return await server.exchange(request) }
            let status: JSONValue = [
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
                "message": "the scale is locked",
            ]
            return HTTPResponseMessage(status: .forbidden, contentType: "application/json", bytes: status.encoded())
        }
    }

    /// A Deployment of 2 with an autoscaler that wants 5 of a queue for each replica, at most 10.
    struct World {
        let time = ManualTime()
        let adapter = Adapter()
        let api: Refusing
        let client: KubeClient
        let reconciler: AutoscalerReconciler
        static let key = ObjectKey(namespace: "default", name: "model")

        init(
            behavior: JSONValue? = nil,
            target: JSONValue = ["type": "AverageValue", "averageValue": "5"]
        ) async throws {
            let configuration = APIServerConfiguration(
                time: time,
                random: SeededRandom(seed: 3),
                aggregation: adapter
            )
            api = Refusing(APIServer(configuration: configuration))
            client = KubeClient(exchange: api)
            reconciler = AutoscalerReconciler(testing: client, time: time)
            _ = try await client.raw(
                .post,
                "/apis/apiregistration.k8s.io/v1/apiservices",
                body: [
                    "metadata": ["name": "v1beta1.external.metrics.k8s.io"],
                    "spec": [
                        "group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100,
                        "versionPriority": 100, "service": ["namespace": "default", "name": "adapter"],
                    ],
                ]
            )
            var service = KubeObject(.services, namespace: "default", name: "adapter")
            service["spec"] = ["type": "ExternalName", "externalName": "localhost"]
            try await client.create(.services, service)
            try await client.createScaled("model")
            var autoscaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "model")
            autoscaler["spec"] = [
                "scaleTargetRef": ["apiVersion": "apps/v1", "kind": "Deployment", "name": "model"],
                "minReplicas": 1, "maxReplicas": 10,
                "metrics": [
                    [
                        "type": "External",
                        "external": [
                            "metric": ["name": "queue", "selector": ["matchLabels": ["a": "b"]]],
                            "target": target,
                        ],
                    ]
                ],
            ]
            if let behavior { autoscaler["spec", "behavior"] = behavior }
            try await client.create(.horizontalPodAutoscalers, autoscaler)
        }

        /// A pod of the Deployment, which runs and is ready.
        func addPod(_ name: String) async throws {
            var pod = KubeObject(.pods, namespace: "default", name: name)
            pod.labels = ["app": "model"]
            pod["spec"] = ["containers": [["name": "a", "image": "a"]]]
            try await client.create(.pods, pod)
            let status: JSONValue = ["phase": "Running", "conditions": [["type": "Ready", "status": "True"]]]
            try await client.patch(.pods, pod.key, .merge(["status": status]), subresource: "status")
        }

        /// Changes the autoscaler's spec.
        func edit(_ spec: JSONValue) async throws {
            try await client.patch(.horizontalPodAutoscalers, Self.key, .merge(["spec": spec]))
        }

        /// Somebody else sets the count, and the pods follow.
        func set(replicas: Int) async throws {
            _ = try await client.setReplicas(replicas, of: .deployments, Self.key)
            try await show(replicas: replicas)
        }

        /// How many pods there are.
        func show(replicas: Int) async throws {
            let status: JSONValue = ["status": ["replicas": JSONValue(replicas)]]
            try await client.patch(.deployments, Self.key, .merge(status), subresource: "status")
        }

        func look(queue: Int?) async throws -> Int { try await look(amount: queue.map(String.init)) }

        func look(amount: String?) async throws -> Int {
            adapter.value.withLock { $0 = amount }
            #expect(try await reconciler.reconcile(Self.key) == .requeue(after: .seconds(15)))
            let replicas = try await client.replicas(of: .deployments, Self.key)
            try await show(replicas: replicas)
            return replicas
        }

        /// `2 -> 4, 1 metrics`: the count that was found, the one that is asked for, and how many metrics are shown.
        func status() async throws -> String {
            let status = try await client.get(.horizontalPodAutoscalers, Self.key)["status"]
            let current = status?["currentReplicas"]?.int.map(String.init) ?? "none"
            let desired = status?["desiredReplicas"]?.int.map(String.init) ?? "none"
            return "\(current) -> \(desired), \(status?["currentMetrics"]?.array?.count ?? 0) metrics"
        }

        func condition(_ type: String, of key: ObjectKey = Self.key) async throws -> String {
            let found = try await client.get(.horizontalPodAutoscalers, key)
            let condition = ConditionSet(found)[type]
            return "\(condition?.status.rawValue ?? "") \(condition?.reason ?? "")"
        }
    }
}

extension AutoscalerReconciler {
    /// A reconciler with nothing in its memory, whose clock is the test's.
    init(testing client: KubeClient, time: ManualTime) {
        self.init(
            client: client,
            memory: AutoscalerMemory(),
            events: EventRecorder(
                client: client,
                component: "horizontal-pod-autoscaler",
                instance: "test",
                time: time,
                random: SeededRandom(seed: 4),
                logger: Logger(label: "test")
            ),
            period: .seconds(15),
            time: time
        )
    }
}

extension KubeClient {
    /// Creates a Deployment of two replicas that are there.
    func createScaled(_ name: String) async throws {
        var deployment = KubeObject(.deployments, namespace: "default", name: name)
        deployment["spec"] = [
            "replicas": 2, "selector": ["matchLabels": ["app": .string(name)]],
            "template": [
                "metadata": ["labels": ["app": .string(name)]], "spec": ["containers": [["name": "a", "image": "a"]]],
            ],
        ]
        try await create(.deployments, deployment)
        try await patch(.deployments, deployment.key, .merge(["status": ["replicas": 2]]), subresource: "status")
    }
}
