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

    /// Replicas whose pages were these ten seconds ago, where they were read, and are these now.
    private func signals(
        _ pages: [(before: String?, now: String)],
        _ mapping: MetricsMapping = ServingRuntime(ServingRuntime.builtIn).mapping
    ) throws -> TrackSignals {
        func scrape(_ text: String, at time: WallTime) throws -> ReplicaScrape {
            let page = try ExpositionParser.parse(Array(text.utf8), selection: mapping.selection)
            return ReplicaScrape(page: page, mapping: mapping, time: time)
        }
        var parts: [String: TrackSignals.Part] = [:]
        for (index, page) in pages.enumerated() {
            let before = try page.before.map { try scrape($0, at: Self.now - .seconds(10)) }
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

    @Test("nor does that of one track stand for all that do the work")
    func cpuElsewhere() throws {
        let scaling: JSONValue = ["policy": "Rule", "targets": [["signal": "QueueLength", "value": 4]]]
        func page(_ cpu: Double) -> String { "modelfleet_queue_length 0\nprocess_cpu_seconds_total \(cpu)\n" }
        let stable = try signals(Array(repeating: (page(1), page(1.5)), count: 2))
        let canary = try signals(Array(repeating: (page(1), page(9)), count: 2))
        let all = try observe(scaling, ready: 2, stable.adding(demandOf: canary))
        #expect(all.cpuShare.map { abs($0 - (0.05 + 0.8) / 2) < 1e-9 } == true, "\(all.cpuShare ?? -1)")
        let idle = try observe(scaling, ready: 2, stable.adding(demandOf: canary, counting: false))
        #expect(idle.cpuShare.map { abs($0 - 0.05) < 1e-9 } == true)
        let mute = try signals([("modelfleet_queue_length 0\n", "modelfleet_queue_length 0\n")])
        #expect(try observe(scaling, ready: 2, stable.adding(demandOf: canary).adding(demandOf: mute)).cpuShare == nil)
        #expect(try observe(scaling, ready: 1, mute.adding(demandOf: canary)).cpuShare == nil)
    }

    @Test("a replica that was read once is to come for what it can't show yet, and no failed reading")
    func readOnce() throws {
        let scaling: JSONValue = ["targets": [["signal": "RequestRate", "value": 10]]]
        let page = "modelfleet_queue_length 0\nmodelfleet_requests_total{code=\"200\"} 100\n"
        let first = try observe(scaling, ready: 2, signals([(nil, page), (nil, page)]))
        // The store shows none of the pods, which are unread as well.
        #expect(first.readyReplicas == 0 && first.unreadReplicas == 2 + 2 && first.newReplicas == 4)
        var autoscaler = Autoscaler(policy: try observed(scaling, ready: 2).model.model.scalingPolicy)
        #expect(autoscaler.decide(first).reason.code == "Unread")
        #expect(autoscaler.lastInputs?.memory.failedReadings == 0)
        let some = try observe(scaling, ready: 2, signals([(page, page), (nil, page)]))
        #expect(some.readyReplicas == 1 && some.unreadReplicas == 1 + 2 && some.readings[.requestRate]?.reporting == 1)
        let queue: JSONValue = ["targets": [["signal": "QueueLength", "value": 4]]]
        let told = try observe(queue, ready: 2, signals([(nil, page), (nil, page)]))
        #expect(told.readyReplicas == 2 && told.unreadReplicas == 2, "a queue needs one page")
        let rule: JSONValue = [
            "policy": "Rule", "targets": [["signal": "QueueLength", "value": 4]], "objective": Self.objective,
        ]
        #expect(try observe(rule, ready: 2, signals([(nil, Self.durations(9)), (nil, page)])).readyReplicas == 1)
    }

    @Test("a canary's pod that was just asked for its first page holds the count, and is no trouble")
    func newElsewhere() throws {
        let scaling: JSONValue = ["minReplicas": 1, "maxReplicas": 9]
        let page = "modelfleet_queue_length 0\nmodelfleet_requests_in_flight 1\n"
        let pods = try signals([(page, page), (page, page)])
        let pending = TrackSignals(parts: ["m-c": .pending], now: Self.now, staleAfter: .seconds(30))
        let (model, deployment) = try observed(scaling, ready: 2)
        func decide(_ signals: TrackSignals) -> ScaleDecision {
            var seen = ScaleObservation(model, deployment: deployment, signals: signals, sinceLast: nil, now: Self.now)
            // The store shows none of the pods; of those that it doesn't show this isn't about.
            seen.newReplicas -= model.unseenPods
            seen.unreadReplicas -= model.unseenPods
            var autoscaler = Autoscaler(policy: model.model.scalingPolicy)
            return autoscaler.decide(seen)
        }
        #expect(decide(pods.adding(demandOf: pending)).reason.code == "Unread")
        let once = try signals([(nil, page)])
        #expect(decide(pods.adding(demandOf: once)).reason.code != "MissingData", "all that is followed is on one page")
        let mute = try signals([(nil, "modelfleet_queue_length 0\n")])
        #expect(decide(pods.adding(demandOf: mute)).reason.code == "MissingData")
    }

    /// A page on which all of so many requests took longer than the last bucket's 100 ms.
    private static func durations(_ count: Int) -> String {
        let name = "modelfleet_request_duration_seconds"
        return "# TYPE \(name) histogram\n\(name)_bucket{le=\"0.1\"} 0\n\(name)_bucket{le=\"+Inf\"} \(count)\n"
            + "\(name)_sum \(count)\n\(name)_count \(count)\nmodelfleet_queue_length 0\n"
    }

    @Test("a histogram that ends below the objective tells the least of the latency")
    func endlessBucket() throws {
        let scaling: JSONValue = ["policy": "Rule", "objective": Self.objective]
        let seen = try observe(scaling, ready: 1, signals([(Self.durations(1), Self.durations(9))]))
        #expect(seen.latency?.milliseconds == 100 && seen.latency?.isLowerBound == true)
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
        #expect(!decision.reason.message.contains("no answered request"), "\(decision.reason.message)")
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
