// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Synchronization
import Testing

@testable import LocalCluster

@Suite("Autoscaling by metrics of pods, and the API with what pods use")
struct PodAutoscalingTests {
    /// A Deployment `d` of 2 with its pods, whose usage a board tells and whose queue an API in this process.
    private struct World {
        let time = ManualTime()
        let board = UsageBoard()
        let queue: Queue
        let client: KubeClient
        let reconciler: AutoscalerReconciler
        static let key = ObjectKey(namespace: "default", name: "d")

        /// The queue of each pod, and of other objects: a series for each set of labels.
        final class Queue: HTTPExchange {
            let values = Mutex<[String: String]>([:])
            /// By the path behind the namespace.
            let objects = Mutex<[String: [(labels: [String: String], value: String)]]>([:])

            func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
                let name = request.path.split(separator: "/").dropFirst(5).joined(separator: "/")
                if let series = objects.withLock({ $0[name] }) {
                    let parameter = "metricLabelSelector="
                    let query = request.query.split(separator: "&").first { $0.hasPrefix(parameter) }
                    let text = query?.dropFirst(parameter.count).replacing("%3D", with: "=") ?? ""
                    let selector = try LabelSelector(parsing: String(text))
                    let found = series.filter { selector.matches($0.labels) }
                    let items = found.map { ["value": .string($0.value)] as JSONValue }
                    let list: JSONValue = ["kind": "MetricValueList", "items": .array(items)]
                    return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: list.encoded())
                }
                let items = values.withLock { $0 }.sorted { $0.key < $1.key }.map { name, value -> JSONValue in
                    ["describedObject": ["kind": "Pod", "name": .string(name)], "value": .string(value)]
                }
                let list: JSONValue = ["kind": "MetricValueList", "items": .array(items)]
                return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: list.encoded())
            }
        }

        init(metric: JSONValue, version: String = "autoscaling/v2") async throws {
            queue = Queue()
            let configuration = APIServerConfiguration(
                time: time,
                random: SeededRandom(seed: 3),
                extensions: [
                    ResourceMetricsAPI.apiService: ResourceMetricsAPI(board: board),
                    "v1beta2.custom.metrics.k8s.io": queue,
                ]
            )
            client = KubeClient(exchange: APIServer(configuration: configuration))
            reconciler = AutoscalerReconciler(testing: client, time: time)
            try await client.createScaled("d")
            for name in ["d-1", "d-2"] { try await addPod(name) }
            var autoscaler = KubeObject(.horizontalPodAutoscalers, namespace: "default", name: "d")
            autoscaler["spec"] = [
                "scaleTargetRef": ["apiVersion": "apps/v1", "kind": "Deployment", "name": "d"], "minReplicas": 1,
                "maxReplicas": 10,
                "behavior": ["scaleDown": ["stabilizationWindowSeconds": 0]], "metrics": [metric],
            ]
            try await client.create(.horizontalPodAutoscalers, autoscaler)
        }

        func addPod(
            _ name: String,
            phase: String = "Running",
            requests: JSONValue = ["cpu": "200m"],
            ofPod: JSONValue? = nil
        ) async throws {
            var pod = KubeObject(.pods, namespace: "default", name: name)
            pod.labels = ["app": "d"]
            pod["spec"] = ["containers": [["name": "a", "image": "a", "resources": ["requests": requests]]]]
            if let ofPod { pod["spec", "resources"] = ["requests": ofPod] }
            try await client.create(.pods, pod)
            let start = time.now() - .seconds(600)
            let status: JSONValue = [
                "phase": .string(phase), "startTime": .string(start.rfc3339),
                "conditions": [["type": "Ready", "status": "True", "lastTransitionTime": .string(start.rfc3339)]],
            ]
            try await client.patch(.pods, pod.key, .merge(["status": status]), subresource: "status")
        }

        func use(_ processors: [String: Double]) {
            board.replace(
                processors.map { name, value in
                    PodUsage(
                        pod: ObjectKey(namespace: "default", name: name),
                        labels: ["app": "d"],
                        node: "local",
                        time: time.now(),
                        window: .seconds(10),
                        containers: [PodUsage.Container(name: "a", processors: value, memoryBytes: 10 << 20)]
                    )
                },
                nodes: ["local": time.now()]
            )
        }

        func look() async throws -> Int {
            _ = try await reconciler.reconcile(Self.key)
            return try await client.replicas(of: .deployments, Self.key)
        }

        func condition() async throws -> String {
            let found = try await client.get(.horizontalPodAutoscalers, Self.key)
            let condition = ConditionSet(found)["ScalingActive"]
            return "\(condition?.reason ?? ""): \(condition?.message ?? "")"
        }
    }

    private static func resource(_ target: JSONValue) -> JSONValue {
        ["type": "Resource", "resource": ["name": "cpu", "target": target]]
    }

    @Test("CPU over the wanted share of the requests raises the count, under it lowers it; status shows both numbers")
    func utilization() async throws {
        let world = try await World(metric: Self.resource(["type": "Utilization", "averageUtilization": 50]))
        world.use(["d-1": 0.19, "d-2": 0.21])
        #expect(try await world.look() == 4)
        let found = try await world.client.get(.horizontalPodAutoscalers, World.key)
        let current = found["status", "currentMetrics"]?.array?.first?.at("resource", "current")
        #expect(current == ["averageUtilization": 100, "averageValue": "200m"])
        #expect(try await world.condition().contains("cpu resource utilization (percentage of request)"))
        world.use(["d-1": 0.04, "d-2": 0.04])
        #expect(try await world.look() == 1)
    }

    @Test("a pod without usage counts as busy when the count would fall, and as idle when it would rise")
    func missing() async throws {
        let world = try await World(metric: Self.resource(["type": "Utilization", "averageUtilization": 50]))
        world.use(["d-1": 0.04])
        #expect(try await world.look() == 2)
        world.use(["d-1": 0.21])
        #expect(try await world.look() == 2)
        world.use([:])
        #expect(try await world.look() == 2)
        #expect(try await world.condition().contains("no metrics returned from the metrics API"))
    }

    @Test("a pod that asks for no CPU has no share of it, and the condition names it")
    func requests() async throws {
        let world = try await World(metric: Self.resource(["type": "Utilization", "averageUtilization": 50]))
        try await world.addPod("d-3", requests: [:])
        world.use(["d-1": 1, "d-2": 1, "d-3": 1])
        #expect(try await world.look() == 2)
        #expect(try await world.condition().contains("missing request for cpu in container a of Pod d-3"))
    }

    @Test("memory and CPU by their amounts, and one container's")
    func amounts() async throws {
        let memory: JSONValue = [
            "type": "Resource",
            "resource": ["name": "memory", "target": ["type": "AverageValue", "averageValue": "5Mi"]],
        ]
        let world = try await World(metric: memory)
        world.use(["d-1": 0, "d-2": 0])
        #expect(try await world.look() == 4)
        let container: JSONValue = [
            "type": "ContainerResource",
            "containerResource": [
                "name": "cpu", "container": "a", "target": ["type": "AverageValue", "averageValue": "100m"],
            ],
        ]
        let other = try await World(metric: container)
        other.use(["d-1": 0.15, "d-2": 0.15])
        #expect(try await other.look() == 3)
    }

    @Test("a value of each pod from the custom metrics API; pending pods count as idle when the count would rise")
    func pods() async throws {
        let metric: JSONValue = [
            "type": "Pods",
            "pods": ["metric": ["name": "queue"], "target": ["type": "AverageValue", "averageValue": "4"]],
        ]
        let world = try await World(metric: metric)
        world.queue.values.withLock { $0 = ["d-1": "8", "d-2": "8"] }
        #expect(try await world.look() == 4)
        #expect(try await world.condition().contains("pods metric queue"))
        try await world.client.setReplicas(2, of: .deployments, World.key)
        for name in ["d-3", "d-4"] { try await world.addPod(name, phase: "Pending") }
        #expect(try await world.look() == 2)
        world.queue.values.withLock { $0 = [:] }
        #expect(try await world.look() == 2)
        #expect(try await world.condition().contains("FailedGetPodsMetric"))
    }

    @Test("metrics.k8s.io lists pods and nodes as metrics-server does, by namespace, name and label")
    func metricsAPI() async throws {
        let world = try await World(metric: Self.resource(["type": "Utilization", "averageUtilization": 50]))
        world.use(["d-1": 0.25, "d-2": 0.5])
        let root = "/apis/metrics.k8s.io/v1beta1"
        let groups = try await world.client.raw(.get, "/apis")["groups"]?.array ?? []
        #expect(groups.contains { $0["name"] == "metrics.k8s.io" })
        let pods = try await world.client.raw(.get, "\(root)/namespaces/default/pods")
        #expect(pods["kind"] == "PodMetricsList" && pods["items"]?.array?.count == 2)
        #expect(pods["items"]?[0]?.at("containers")?[0]?["usage"] == ["cpu": "250000000n", "memory": "10240Ki"])
        let none = try await world.client.raw(.get, "\(root)/pods", query: [QueryItem("labelSelector", "app=e")])
        #expect(none["items"]?.array?.isEmpty == true)
        let one = try await world.client.raw(.get, "\(root)/namespaces/default/pods/d-2")
        #expect(one["kind"] == "PodMetrics" && one["window"] == "10.0s")
        let node = try await world.client.raw(.get, "\(root)/nodes/local")
        #expect(node["usage"] == ["cpu": "750000000n", "memory": "20480Ki"])
        for (path, message) in [
            ("nodes/other", #"nodemetrics.metrics.k8s.io "other" not found"#),
            ("namespaces/default/pods/d-9", #"podmetrics.metrics.k8s.io "default/d-9" not found"#), ("things", ""),
        ] {
            let error = await #expect(throws: KubeError.self) {
                _ = try await world.client.raw(.get, "\(root)/\(path)")
            }
            #expect(error?.isNotFound == true)
            #expect(message.isEmpty || error?.status?.message == message)
        }
    }

    @Test("usage is what was used between two samples; a container that isn't in both leaves its pod out")
    func measuring() throws {
        var pod = KubeObject(.pods, namespace: "default", name: "p")
        pod.labels = ["a": "b"]
        let start = WallTime(seconds: 1000)
        let first = UsageSample(groups: [7: ProcessUsage(processorSeconds: 5, memoryBytes: 1)], time: start)
        let last = UsageSample(
            groups: [7: ProcessUsage(processorSeconds: 8, memoryBytes: 4096), 8: ProcessUsage()],
            time: start + .seconds(10)
        )
        let one = ContainerProcess(pod: pod, container: "a", group: 7)
        let usage = UsageMeter.usage(of: [one], node: "n", from: first, to: last)
        #expect(usage.first?.containers == [PodUsage.Container(name: "a", processors: 0.3, memoryBytes: 4096)])
        let fresh = ContainerProcess(pod: pod, container: "b", group: 8)
        #expect(UsageMeter.usage(of: [one, fresh], node: "n", from: first, to: last).isEmpty)
        let line = "42 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 20 30 20 0 5 0 1 100 25 18446744073709551615 1 1"
        let parsed = try #require(ProcessUsage.parse(line))
        #expect(parsed.group == 7 && parsed.usage.processorSeconds == 2.5)
        #expect(parsed.usage.memoryBytes > 0 && parsed.usage.memoryBytes % 25 == 0)
        for broken in ["", "42 (a", "42 (a) Z 1 7 7 0", line.replacing(" S ", with: " Z "), "42 (a) S 1 x 7"] {
            #expect(ProcessUsage.parse(broken) == nil)
        }
    }

    @Test("values and requests are read as whole thousandths: 2007m is 2007, and 50m and 350m are 400")
    func thousandths() async throws {
        let metric: JSONValue = [
            "type": "Pods",
            "pods": ["metric": ["name": "queue"], "target": ["type": "AverageValue", "averageValue": "2"]],
        ]
        let world = try await World(metric: metric)
        world.queue.values.withLock { $0 = ["d-1": "2007m", "d-2": "2007m"] }
        #expect(try await world.look() == 2)
        let found = try await world.client.get(.horizontalPodAutoscalers, World.key)
        let current = found["status", "currentMetrics"]?.array?.first?.at("pods", "current", "averageValue")
        #expect(current == "2007m")
        var pod = KubeObject(.pods, namespace: "default", name: "p")
        pod["spec"] = [
            "containers": [
                ["name": "a", "resources": ["requests": ["cpu": "50m"]]],
                ["name": "b", "resources": ["requests": ["cpu": "350m"]]],
            ]
        ]
        #expect(try PodRequests.of(pod, "cpu", container: nil, reason: "") == 400)
    }

    @Test("requests of a pod as a whole come before those of its containers, except for a container's metric")
    func podLevelRequests() throws {
        var pod = KubeObject(.pods, namespace: "default", name: "p")
        pod["spec"] = [
            "containers": [
                ["name": "a", "resources": ["requests": ["cpu": "50m", "memory": "1Ki"]]],
                ["name": "b"],
            ],
            "resources": ["requests": ["cpu": "1"]],
        ]
        #expect(try PodRequests.of(pod, "cpu", container: nil, reason: "") == 1000)
        #expect(try PodRequests.of(pod, "memory", container: nil, reason: "") == 1_024_000, "the containers'")
        #expect(try PodRequests.of(pod, "cpu", container: "a", reason: "") == 50)
        pod["spec", "overhead"] = ["cpu": "100m"]
        #expect(try PodRequests.of(pod, "cpu", container: nil, reason: "") == 1100)
        #expect(NodeFilter.requests(of: pod)["cpu"] == Quantity("1100m"), "the scheduler counts the same")
        let error = #expect(throws: MetricFailure.self) {
            try PodRequests.of(pod, "nvidia.com/gpu", container: nil, reason: "r")
        }
        #expect(error?.message.hasSuffix("missing pod-level request for nvidia.com/gpu in Pod p") == true)
    }

    @Test("the share of what the pod as a whole requests raises the count")
    func podLevelUtilization() async throws {
        let world = try await World(metric: Self.resource(["type": "Utilization", "averageUtilization": 50]))
        try await world.addPod("d-3", requests: [:], ofPod: ["cpu": "200m"])
        world.use(["d-1": 0.2, "d-2": 0.2, "d-3": 0.2])
        #expect(try await world.look() == 6)
    }

    private static func object(_ described: JSONValue, labels: JSONValue? = nil) -> JSONValue {
        var metric: JSONValue = ["name": "queue"]
        if let labels { metric["selector"] = ["matchLabels": labels] }
        let target: JSONValue = ["type": "AverageValue", "averageValue": "4"]
        return ["type": "Object", "object": ["describedObject": described, "metric": metric, "target": target]]
    }

    @Test("an object's metric is one series, chosen by the metric's selector; more than one is no answer")
    func objectSeries() async throws {
        let service: JSONValue = ["apiVersion": "v1", "kind": "Service", "name": "s"]
        let world = try await World(metric: Self.object(service, labels: ["kind": "long"]))
        let series = [(labels: ["kind": "short"], value: "4"), (labels: ["kind": "long"], value: "16")]
        world.queue.objects.withLock { $0["services/s/queue"] = series }
        #expect(try await world.look() == 4)
        let other = try await World(metric: Self.object(service))
        other.queue.objects.withLock { $0["services/s/queue"] = series }
        #expect(try await other.look() == 2)
        let found = try await other.condition()
        #expect(found.hasPrefix("FailedGetObjectMetric") && found.contains("returned 2 results"))
    }

    @Test("a Namespace's metric is that of the autoscaler's own")
    func ofNamespace() async throws {
        let world = try await World(
            metric: Self.object(["apiVersion": "v1", "kind": "Namespace", "name": "elsewhere"])
        )
        world.queue.objects.withLock { $0["metrics/queue"] = [(labels: [:], value: "12")] }
        #expect(try await world.look() == 3)
    }
}
