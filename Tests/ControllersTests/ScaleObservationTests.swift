// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeRuntime
import Scaling
import Telemetry
import Testing

@testable import Controllers

@Suite("What the operator sees of a model", .timeLimit(.minutes(5)))
struct ScaleObservationTests {
    private static let now = WallTime(seconds: 1_800_000_000)
    private static let objective: JSONValue = ["latency": ["percentile": 95, "milliseconds": 200]]

    /// A model whose Deployment has as many ready replicas.
    private func observed(_ scaling: JSONValue, ready: Int) throws -> (model: ModelObservation, deployment: KubeObject)
    {
        var model = OperatorHarness.model(spec: ["scaling": scaling])
        model["metadata", "uid"] = "u"
        var deployment = KubeObject(.deployments, namespace: "default", name: "m-r1")
        deployment.labels = [FleetAPI.revisionLabel: "1"]
        deployment.ownerReferences = [OwnerReference(controller: model)].compactMap(\.self)
        deployment["spec"] = ["replicas": JSONValue(ready)]
        deployment["status"] = ["replicas": JSONValue(ready), "readyReplicas": JSONValue(ready)]
        let stores = FleetStores()
        stores.models.replaceAll([model])
        stores.runtimes.replaceAll([ServingRuntime.builtIn])
        stores.deployments.replaceAll([deployment])
        let observation = ModelObservation(OperatorHarness.key("m"), stores: stores, scaling: nil, time: Self.now)
        return (try #require(observation), deployment)
    }

    private func observe(_ scaling: JSONValue, ready: Int, _ signals: TrackSignals) throws -> ScaleObservation {
        let (model, deployment) = try observed(scaling, ready: ready)
        return ScaleObservation(model, deployment: deployment, signals: signals, sinceLast: nil, now: Self.now)
    }

    /// Replicas whose pages were these ten seconds ago and are these now.
    private func signals(
        _ pages: [(before: String, now: String)],
        _ mapping: MetricsMapping = ServingRuntime(ServingRuntime.builtIn).mapping
    ) throws -> TrackSignals {
        func scrape(_ text: String, at time: WallTime) throws -> ReplicaScrape {
            let page = try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection)
            return ReplicaScrape(page: page, mapping: mapping, time: time)
        }
        var parts: [String: TrackSignals.Part] = [:]
        for (index, page) in pages.enumerated() {
            let before = try scrape(page.before, at: Self.now - .seconds(10))
            parts["m-\(index)"] = .reported(ReplicaSignals(try scrape(page.now, at: Self.now), since: before))
        }
        return TrackSignals(parts: parts, now: Self.now, staleAfter: .seconds(30))
    }

    @Test("the CPU time of some replicas doesn't stand for that of all")
    func someCPU() throws {
        let scaling: JSONValue = ["policy": "Rule", "targets": [["signal": "QueueLength", "value": 4]]]
        let queue = "modelfleet_queue_length 0\n"
        let measured = (queue + "process_cpu_seconds_total 1\n", queue + "process_cpu_seconds_total 1.5\n")
        let all = try observe(scaling, ready: 10, signals(Array(repeating: measured, count: 10)))
        #expect(all.cpuShare.map { abs($0 - 0.05) < 1e-9 } == true)
        let some = try observe(scaling, ready: 10, signals([measured] + Array(repeating: (queue, queue), count: 9)))
        #expect(some.readings[.queueLength]?.reporting == 10 && some.cpuShare == nil)
    }

    @Test("a mapped queue that no page has is what SLO names under load, one that isn't mapped isn't missed")
    func unseenQueue() throws {
        let scaling: JSONValue = ["objective": Self.objective]
        func page(_ count: Int) -> String {
            "modelfleet_requests_in_flight 40\nmodelfleet_requests_total{code=\"200\"} \(count)\n"
        }
        let seen = try observe(scaling, ready: 1, signals([(page(0), page(500))]))
        #expect(seen.traffic == nil)
        #expect(seen.missingSignals.contains { $0.hasPrefix("no queue length: looked for modelfleet_queue_length;") })
        var autoscaler = Autoscaler(policy: try observed(scaling, ready: 1).model.model.scalingPolicy)
        let decision = autoscaler.decide(seen)
        #expect(decision.reason.code == "MissingData")
        #expect(!decision.reason.message.contains("no request has been answered"), "\(decision.reason.message)")
        let mapping = MetricsMapping(
            inFlight: [MetricSource("modelfleet_requests_in_flight")],
            requests: [MetricSource("modelfleet_requests")]
        )
        let unmapped = try observe(scaling, ready: 1, signals([(page(0), page(500))], mapping))
        #expect(unmapped.traffic != nil)
        #expect(!unmapped.missingSignals.contains { $0.contains("queue") })
    }

    @Test("a Prometheus server's quantile of no request is no missing latency")
    func idleQuantile() async throws {
        let scaling: JSONValue = [
            "policy": "Rule", "metricsSource": "Prometheus", "objective": Self.objective,
            "prometheus": ["address": "http://p:9090", "queries": ["requestRate": "rate", "latency": "quantile"]],
        ]
        func seen(rate: String) async throws -> ScaleObservation {
            let exchange = ClosureExchange { request in
                let form = String(decoding: try await request.body.collect(upTo: 10_000), as: UTF8.self)
                let value = form.contains("quantile") ? "NaN" : rate
                let series = #"{"metric":{},"value":[\#(Self.now.seconds),"\#(value)"]}"#
                let text = #"{"status":"success","data":{"resultType":"vector","result":[\#(series)]}}"#
                return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: Array(text.utf8))
            }
            let client = PrometheusClient(
                exchange: exchange,
                address: try #require(PrometheusAddress("http://p:9090"))
            )
            let source = PrometheusSource(client: client, time: ManualTime(start: Self.now))
            let queries = PrometheusQueries([.requestRate: "rate", .latency: "quantile"])
            return try observe(scaling, ready: 2, await source.signals(queries, pods: ["m-1", "m-2"]))
        }
        let idle = try await seen(rate: "0")
        #expect(idle.latency == LatencyReading(milliseconds: nil, requestRate: 0, reporting: 2))
        #expect(idle.missingSignals.isEmpty)
        let busy = try await seen(rate: "3")
        #expect(busy.latency == nil)
        #expect(busy.missingSignals.contains { $0.contains("quantile is NaN") })
    }
}
