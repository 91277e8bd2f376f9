// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import Scaling
import Synchronization
import Testing

@testable import Controllers
@testable import Telemetry

@Suite("External metrics of the operator", .timeLimit(.minutes(5)))
struct ExternalMetricsTests {
    private static let root = "/apis/external.metrics.k8s.io/v1beta1"
    private static let customRoot = "/apis/custom.metrics.k8s.io"
    private static let selector = "labelSelector=modelfleet.dev%2Fmodel%3Dm"

    private func get(
        _ api: any HTTPExchange,
        _ path: String,
        method: HTTPRequest.Method = .get
    ) async throws -> (code: Int, json: JSONValue) {
        let head = HTTPRequest(method: method, scheme: nil, authority: nil, path: path)
        let response = try await api.exchange(HTTPRequestMessage(head: head))
        let bytes = try await response.body.collect(upTo: 1 << 20)
        return (response.head.status.code, try JSONValue(parsing: bytes))
    }

    @Test("discovery lists the three metrics; paths, methods, metrics and selectors that don't exist say so")
    func discovery() async throws {
        let api = try await OperatorHarness().service().metricsAPI()
        let list = try await get(api, Self.root)
        #expect(list.code == 200 && list.json["kind"] == "APIResourceList")
        let names = list.json["resources"]?.array?.compactMap { $0["name"]?.string }
        #expect(names == ["modelfleet_queue_length", "modelfleet_requests_in_flight", "modelfleet_request_rate"])
        let answers: [(String, Int)] = [
            ("/api", 404), (Self.root + "/namespaces/a", 404), (Self.root + "/namespaces/a/nothing", 404),
            (Self.root + "/namespaces/a/%zz", 404), (Self.root + "/namespaces/a/modelfleet_queue_length", 404),
            (Self.root + "/namespaces/a/modelfleet_queue_length?labelSelector=%3D%3D", 400),
            (Self.root + "/namespaces/a/modelfleet_queue_length?labelSelector=%ff", 400),
        ]
        for (path, code) in answers {
            let answer = try await get(api, path)
            #expect(answer.code == code && answer.json["kind"] == "Status", "\(path)")
        }
        #expect(try await get(api, Self.root, method: .post).code == 405)
        let groups = try await get(api, "/apis").json["groups"]?.array?.compactMap { $0["name"]?.string }
        #expect(groups == ["external.metrics.k8s.io", "custom.metrics.k8s.io"])
        let custom = try await get(api, "/apis/custom.metrics.k8s.io")
        #expect(custom.json.at("preferredVersion", "version") == "v1beta2")
        for version in ["v1beta1", "v1beta2"] {
            let list = try await get(api, "\(Self.customRoot)/\(version)").json["resources"]?.array ?? []
            #expect(list.contains { $0["name"] == "pods/modelfleet_queue_length" && $0["kind"] == "MetricValueList" })
        }
        #expect(try await get(api, "\(Self.customRoot)/v1beta3").code == 404)
        #expect(
            try await get(api, "\(Self.customRoot)/v1beta2/namespaces/a/nodes/*/modelfleet_queue_length").code == 404
        )
    }

    private static func signals(queue: Int, now: WallTime) throws -> ReplicaSignals {
        let mapping = ServingRuntime(ServingRuntime.builtIn).mapping
        let text = "modelfleet_queue_length \(queue)\n"
        let page = try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection)
        return ReplicaSignals(ReplicaScrape(page: page, mapping: mapping, time: now), since: nil)
    }

    @Test("a silent replica counts as the busiest one, and at least as its target, to hold the count; none is no zero")
    func missing() throws {
        let now = SystemTime().now()
        var signals = TrackSignals(parts: [:], now: now, staleAfter: .seconds(30))
        func total(_ target: Double, of replicas: Int) -> Double? {
            ExternalReading(.queueLength, in: signals, target: target, replicas: replicas, now: now)?.total
        }
        #expect(total(4, of: 3) == nil)
        signals = TrackSignals(
            parts: ["a": .reported(try Self.signals(queue: 6, now: now)), "b": .missing("slow"), "c": .pending],
            now: now,
            staleAfter: .seconds(30)
        )
        #expect(total(4, of: 5) == 18)
        #expect(total(9, of: 3) == 24)
        #expect(total(4, of: 3) == 12, "by what wasn't read the count isn't raised")
        #expect(total(4, of: 1) == 6, "by what was read it is")
        let other = TrackSignals(
            parts: ["d": .reported(try Self.signals(queue: 1, now: now)), "e": .missing("slow")],
            now: now,
            staleAfter: .seconds(30)
        )
        signals = signals.adding(demandOf: other)
        #expect(total(4, of: 9) == 25, "6 + 1, and three like the first")
        let silent = TrackSignals(parts: ["a": .missing("slow")], now: now, staleAfter: .seconds(30))
        signals = silent.adding(demandOf: other)
        #expect(total(4, of: 9) == 36, "another track's alone hold the count")
        #expect(total(0.1, of: 2) == 1, "or raise it")
        #expect(ExternalReading(total: .greatestFiniteMagnitude, time: now).total == ExternalReading.largestTotal)
    }

    @Test("a model that an HPA scales is read and served; the count is left alone; without a replica there is no value")
    func served() async throws {
        let harness = try await OperatorHarness()
        let scaling: JSONValue = ["engine": "HorizontalPodAutoscaler", "intervalSeconds": 1]
        try await harness.client.create(.modelDeployments, OperatorHarness.model(spec: ["scaling": scaling]))
        harness.pages.withLock { $0["10.0.0.1:8080"] = "modelfleet_queue_length 11\nmodelfleet_requests_in_flight 3\n" }
        let service = harness.service()
        let api = service.metricsAPI()
        let path = Self.root + "/namespaces/default/modelfleet_queue_length?" + Self.selector
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            group.addTask {
                try await harness.expect(.deployments, "m-r1") { _ in true }
                #expect(try await get(api, path).code == 404)
                try await harness.setReady("m-r1", 1)
                try await harness.addPod("m-1", status: OperatorHarness.ready("10.0.0.1"))
                var answer = try await get(api, path)
                while answer.code != 200 {
                    try await Task.sleep(for: .milliseconds(20))
                    answer = try await get(api, path)
                }
                #expect(answer.json["kind"] == "ExternalMetricValueList")
                #expect(answer.json["items"]?[0]?["value"] == "11")
                #expect(answer.json["items"]?[0]?["metricLabels"] == ["modelfleet.dev/model": "m"])
                let other = path.replacing("%3Dm", with: "%3Dn")
                #expect(try await get(api, other).code == 404)
                try await podsAndModels(api)
                let rate = path.replacing("queue_length", with: "request_rate")
                #expect(try await get(api, rate).code == 404)
                try await harness.client.delete(.pods, OperatorHarness.key("m-1"))
                while try await get(api, path).code != 404 { try await Task.sleep(for: .milliseconds(20)) }
                let deployment = try await harness.client.get(.deployments, OperatorHarness.key("m-r1"))
                #expect(deployment["spec", "replicas"] == 1)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    @Test("the cold start that was seen while an HPA scaled stays, and a pod that only blipped since says nothing")
    func coldStart() async throws {
        let harness = try await OperatorHarness()
        func scale(by engine: String) -> JSONValue { ["engine": .string(engine), "intervalSeconds": 1] }
        let model = OperatorHarness.model(spec: ["scaling": scale(by: "HorizontalPodAutoscaler")])
        try await harness.client.create(.modelDeployments, model)
        harness.pages.withLock { $0["10.0.0.1:8080"] = "modelfleet_queue_length 1\n" }
        let service = harness.service()
        let api = service.metricsAPI()
        let path = Self.root + "/namespaces/default/modelfleet_queue_length?" + Self.selector
        func status(readyAfter seconds: Int) -> JSONValue {
            var status = OperatorHarness.ready("10.0.0.1")
            let time = SystemTime().now() + .seconds(seconds)
            status["conditions"] = [["type": "Ready", "status": "True", "lastTransitionTime": .string(time.rfc3339)]]
            return status
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            group.addTask {
                try await harness.expect(.deployments, "m-r1") { _ in true }
                try await harness.setReady("m-r1", 1)
                try await harness.addPod("m-1", status: status(readyAfter: 100))
                while try await get(api, path).code != 200 { try await Task.sleep(for: .milliseconds(20)) }
                let later: JSONValue = ["status": status(readyAfter: 3000)]
                let pod = OperatorHarness.key("m-1")
                try await harness.client.patch(.pods, pod, .merge(later), subresource: "status")
                let spec: JSONValue = ["spec": ["scaling": scale(by: "Direct")]]
                try await harness.client.patch(.modelDeployments, OperatorHarness.key("m"), .merge(spec))
                let seen = try await harness.expect(.modelDeployments, "m") {
                    $0["status", "scaling", "lastDecision"] != nil
                }
                let seconds = seen["status", "scaling", "coldStartSeconds"]?.double ?? 0
                #expect(seconds > 80 && seconds < 110)
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    @Test("a model whose shard is lost while it is read is forgotten, and its pods aren't scraped any more")
    func lostShard() async throws {
        let harness = try await OperatorHarness()
        let scaling: JSONValue = ["engine": "HorizontalPodAutoscaler", "intervalSeconds": 1]
        try await harness.client.create(.modelDeployments, OperatorHarness.model(spec: ["scaling": scaling]))
        try await harness.withOperator { harness in
            try await harness.expect(.deployments, "m-r1") { _ in true }
            try await harness.addPod("m-1", status: OperatorHarness.ready("10.0.0.1"))
            try await harness.expect(.services, "m") { $0["spec", "selector", FleetAPI.revisionLabel] == "1" }
        }
        for isLost in [false, true] {
            let service = harness.service()
            let (stores, state, membership) = (service.stores, service.state, service.membership)
            for (type, store) in [
                (.modelDeployments, stores.models), (.servingRuntimes, stores.runtimes), (.pods, stores.pods),
                (.deployments, stores.deployments), (.services, stores.services),
            ] as [(ResourceType, ObjectStore)] { store.replaceAll(try await harness.client.list(type).items) }
            membership.join(as: "a", map: ShardMap(count: 1))
            membership.note(0, isHeld: true)
            let parts = service.parts(client: harness.client) { key in
                // The last moment at which the loop looks whose the model is.
                guard isLost else { return true }
                membership.note(0, isHeld: false)
                state.forget(key)
                return true
            }
            let loop = try #require(parts.services.compactMap { $0 as? ScalingLoop }.first)
            state.wake(OperatorHarness.key("m"), now: loop.time.now())
            await loop.tick()
            #expect(state.groups(namespace: "default").isEmpty == isLost)
            #expect(state.due(now: loop.time.now() + .seconds(3600)).isEmpty == isLost)
            #expect(loop.signals.board.parts(of: "default/m/1").isEmpty == isLost)
        }
    }

    /// The same model's values in `custom.metrics.k8s.io`.
    private func podsAndModels(_ api: any HTTPExchange) async throws {
        let root = "\(Self.customRoot)/v1beta2/namespaces/default"
        let all = try await get(api, "\(root)/pods/*/modelfleet_requests_in_flight?\(Self.selector)")
        #expect(all.json["kind"] == "MetricValueList")
        #expect(all.json["items"]?.array?.count == 1)
        let item = all.json["items"]?[0]
        #expect(item?.at("describedObject", "name") == "m-1" && item?["value"] == "3")
        #expect(item?.at("metric", "name") == "modelfleet_requests_in_flight")
        let other = Self.selector.replacing("%3Dm", with: "%3Dn")
        #expect(try await get(api, "\(root)/pods/*/modelfleet_requests_in_flight?\(other)").code == 404)
        let queue = "\(root)/pods/*/modelfleet_queue_length?\(Self.selector)&metricLabelSelector="
        for (labels, code) in [("", 200), ("%21path", 200), ("path%3Dv1", 404), ("path", 404), ("%3D%3D", 400)] {
            #expect(try await get(api, queue + labels).code == code, "\(labels)")
        }
        #expect(try await get(api, queue + "path").json["message"]?.string?.contains("have no labels") == true)
        let one = try await get(api, root.replacing("v1beta2", with: "v1beta1") + "/pods/m-1/modelfleet_queue_length")
        #expect(one.json["items"]?[0]?["metricName"] == "modelfleet_queue_length")
        #expect(one.json["items"]?[0]?["value"] == "11")
        #expect(try await get(api, "\(root)/pods/m-1/modelfleet_cache_usage").code == 404)
        let model = try await get(api, "\(root)/modeldeployments.modelfleet.dev/m/modelfleet_queue_length")
        #expect(model.json["items"]?[0]?["value"] == "11")
        #expect(model.json["items"]?[0]?.at("describedObject", "kind") == "ModelDeployment")
        let labelled = "\(root)/modeldeployments.modelfleet.dev/m/modelfleet_queue_length?metricLabelSelector=a%3Db"
        #expect(try await get(api, labelled).code == 404)
        #expect(try await get(api, "\(root)/modeldeployments.modelfleet.dev/n/modelfleet_queue_length").code == 404)
    }
}
