// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import Foundation
import KubeModel
import Testing
import YAML

@testable import Telemetry

/// The ServingRuntimes of `manifests/runtimes`, read as the operator reads them.
enum RuntimeManifests {
    static let names = [
        "bentoml", "kserve-sklearn", "llama-cpp", "mlserver", "modelfleet-onnx", "ray-serve", "sglang",
        "tensorflow-serving", "tgi", "torchserve", "triton", "vllm",
    ]

    static func object(_ name: String) throws -> JSONValue {
        let file = ReferenceData.checkout.appending(path: "manifests/runtimes/\(name).yaml")
        let documents = try JSONValue.documents(yaml: String(contentsOf: file, encoding: .utf8))
        return try #require(documents.first)
    }

    static func mapping(_ name: String) throws -> MetricsMapping {
        MetricsMapping(ServingRuntime(KubeObject(try object(name))).metrics)
    }
}

@Suite("Servers' metrics")
struct ServerMappingTests {
    private func scrape(_ bytes: [UInt8], _ mapping: MetricsMapping, at second: Double) throws -> ReplicaScrape {
        let page = try ExpositionParser.parse(bytes, selection: mapping.selection)
        return ReplicaScrape(page: page, mapping: mapping, time: WallTime(seconds: second))
    }

    /// The signals of ten seconds between two moments of a page.
    private func signals(_ runtime: String, _ moments: ServerPages.Moments) throws -> ReplicaSignals {
        let mapping = try RuntimeManifests.mapping(runtime)
        return ReplicaSignals(
            try scrape(Array(moments.now.utf8), mapping, at: 110),
            since: try scrape(Array(moments.before.utf8), mapping, at: 100)
        )
    }

    /// The signals of a recorded page, taken as the second of two with nothing in between.
    private func recorded(_ runtime: String, _ page: String, edit: (String) -> String = { $0 }) throws -> ReplicaSignals
    {
        let mapping = try RuntimeManifests.mapping(runtime)
        let text = String(decoding: try ReferenceData.page(page), as: UTF8.self)
        let before = try scrape(Array(text.utf8), mapping, at: 100)
        return ReplicaSignals(try scrape(Array(edit(text).utf8), mapping, at: 110), since: before)
    }

    private func isClose(_ value: Double?, _ expected: Double) -> Bool {
        value.map { abs($0 - expected) < 1e-9 * max(1, abs(expected)) } ?? false
    }

    @Test("every manifest is valid, and there is a test for each", arguments: RuntimeManifests.names)
    func manifests(name: String) throws {
        let object = try RuntimeManifests.object(name)
        #expect(ServingRuntimeValidation.validate(object).errors.isEmpty)
        #expect(object.at("metadata", "name")?.string == name)
        let folder = ReferenceData.checkout.appending(path: "manifests/runtimes").path
        let files = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(files.sorted() == RuntimeManifests.names.map { $0 + ".yaml" })
    }

    @Test("an object written before there were alternatives means the same")
    func olderObjects() throws {
        let object = KubeObject([
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ServingRuntime", "metadata": ["name": "old"],
            "spec": [
                "supportedModelFormats": [["name": "x"]], "container": ["image": "x"],
                "metrics": [
                    "path": "/m", "port": 9, "queueLength": ["name": "q", "labels": ["a": "b"]],
                    "inFlight": ["name": "f"], "latency": ["name": "d", "unit": "Milliseconds"],
                    "requests": ["name": "r", "codeLabel": "status", "errorCodes": ["5", "429"]],
                ],
            ],
        ])
        #expect(ServingRuntimeValidation.validate(object.json).errors.isEmpty)
        let expected = MetricsMapping(
            queueLength: [MetricSource(MetricSelector("q", labels: ["a": "b"]))],
            inFlight: [MetricSource("f")],
            latency: [MetricSource("d", scale: 1e-3)],
            requests: [MetricSource("r")],
            codeLabel: "status",
            errorCodes: ["5", "429"]
        )
        #expect(MetricsMapping(ServingRuntime(object).metrics) == expected)
    }

    @Test(
        "what a mapping can't mean is refused",
        arguments: [
            (["queueLength": ["labels": [:]]], "queueLength"), (["queueLength": ["name": "q", "type": "Sum"]], "type"),
            (["latency": ["name": "d", "unit": "Hours"]], "unit"),
            (["cacheUsage": ["name": "c", "unit": "Seconds"]], "unit"),
            (["errors": ["name": "e", "alternatives": [["labels": [:]]]]], "alternatives"),
        ] as [(JSONValue, String)]
    )
    func refusedMappings(metrics: JSONValue, field: String) {
        let object: JSONValue = [
            "apiVersion": "modelfleet.dev/v1alpha1", "kind": "ServingRuntime", "metadata": ["name": "x"],
            "spec": ["supportedModelFormats": [["name": "x"]], "container": ["image": "x"], "metrics": metrics],
        ]
        #expect(ServingRuntimeValidation.validate(object).errors.contains { "\($0)".contains(field) })
    }

    @Test("this project's server")
    func own() throws {
        let signals = try signals("modelfleet-onnx", ServerPages.own)
        #expect(signals.queueLength.value == 5)
        #expect(signals.inFlight.value == 7)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 1)
        #expect(signals.latency.value?.total == 90)
    }

    @Test("TensorFlow Serving: queue and in-flight by Little's law, microseconds, names of gRPC codes")
    func tensorflow() throws {
        let signals = try signals("tensorflow-serving", ServerPages.tensorflow)
        #expect(isClose(signals.inFlight.value, 2))
        #expect(isClose(signals.queueLength.value, 0.5))
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 0.5)
        #expect(isClose(signals.latency.value?.percentile(95), 0.015))
    }

    @Test("Text Generation Inference: requests that ended, not those that arrived")
    func tgi() throws {
        let signals = try signals("tgi", ServerPages.tgi)
        #expect(signals.queueLength.value == 12)
        #expect(signals.inFlight.value == 8)
        #expect(signals.requestRate.value == 10)
        #expect(isClose(signals.errorRate.value, 0.2))
        #expect(signals.latency.value?.percentile(50) == 1)
        // Before the first failure the failure counter isn't on the page.
        let fine = try self.signals("tgi", ServerPages.tgi(""))
        #expect(isClose(fine.requestRate.value, 9.8))
        #expect(fine.errorRate.value == 0)
    }

    @Test(
        "Ray Serve: sums over handles and replicas, milliseconds, counters with and without _total",
        arguments: ["", "_total"]
    )
    func ray(suffix: String) throws {
        let signals = try signals("ray-serve", ServerPages.ray(counterSuffix: suffix))
        #expect(signals.queueLength.value == 7)
        #expect(signals.inFlight.value == 7)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 1)
        // 100 to 200 ms at the proxy, with the wait for a replica; each took less than 100 ms in its replica.
        #expect(isClose(signals.latency.value?.percentile(50), 0.15))
        #expect(signals.latency.value?.total == 100)
    }

    @Test("Ray Serve without an HTTP proxy has the latency of its replicas; its page is renewed every second")
    func rayDeployments() throws {
        let moments = ServerPages.ray(counterSuffix: "").without("http_request_latency")
        #expect(isClose(try signals("ray-serve", moments).latency.value?.percentile(50), 0.05))
        let variables = try RuntimeManifests.object("ray-serve").at("spec", "container", "env")?.array
        #expect(variables?.contains(["name": "RAY_metrics_report_interval_ms", "value": "1000"]) == true)
    }

    @Test("Ray Serve before its first error, at its first error, and before its first success")
    func rayWithoutErrors() throws {
        func without(_ name: String, _ page: String) -> String {
            page.split(separator: "\n").filter { !$0.contains(name) }.joined(separator: "\n") + "\n"
        }
        var fine = ServerPages.ray(counterSuffix: "", failed: (0, 0))
        fine.before = without("error_counter", fine.before)
        fine.now = without("error_counter", fine.now)
        #expect(try signals("ray-serve", fine).errorRate.value == 0)
        #expect(try signals("ray-serve", fine).requestRate.value == 9)
        var first = ServerPages.ray(counterSuffix: "")
        first.before = without("error_counter", first.before)
        #expect(try signals("ray-serve", first).errorRate.value == 1)
        // No request has ended well: the histogram counts them all.
        var bad = ServerPages.ray(counterSuffix: "", ok: (0, 0), failed: (5, 45))
        bad.before = without("request_counter", bad.before)
        bad.now = without("request_counter", bad.now)
        #expect(try signals("ray-serve", bad).requestRate.value == 4)
        #expect(try signals("ray-serve", bad).errorRate.value == 4)
    }

    @Test("where every request fails, the error rate is the request rate")
    func allFail() throws {
        let pages = [
            ("ray-serve", ServerPages.ray(counterSuffix: "", ok: (80, 80), failed: (5, 45))),
            ("vllm", ServerPages.vllm(ok: 0, failed: 40)),
            (
                "tgi",
                ServerPages.tgi("tgi_request_failure{err=\"generation\"} @f\n", successes: (80, 80))
            ),
        ]
        for (runtime, page) in pages {
            let signals = try signals(runtime, page)
            #expect(signals.requestRate.value == 4, "\(runtime)")
            #expect(signals.errorRate.value == 4, "\(runtime)")
        }
    }

    @Test("vLLM: requests that failed before the engine count, lists of models don't; without them errors are unknown")
    func vllmErrors() throws {
        let moments = ServerPages.vllm(ok: 95, failed: 5)
        let signals = try signals("vllm", moments)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 0.5)
        let old = try self.signals("vllm", moments.without("http_requests"))
        #expect(old.requestRate.value == 9.5)
        #expect(old.errorRate.missing?.description.contains("status") == true)
    }

    @Test("MLServer: its queue histograms are not taken for a queue; no failure yet is zero failures")
    func mlserver() throws {
        let signals = try signals("mlserver", ServerPages.mlserver)
        #expect(signals.queueLength.missing?.cause == .notMapped)
        #expect(signals.inFlight.value == 6)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 0)
        #expect(signals.latency.value?.total == 100)
    }

    @Test("BentoML, under its names since 1.2 and before", arguments: ["bentoml_service", "bentoml_api_server"])
    func bento(prefix: String) throws {
        let signals = try signals("bentoml", ServerPages.bento(prefix: prefix))
        #expect(signals.inFlight.value == 4)
        #expect(signals.requestRate.value == 10)
        #expect(signals.errorRate.value == 2)
        #expect(signals.latency.value?.total == 80)
    }

    @Test("a server that was only probed has nothing to do", arguments: ["bentoml_service", "bentoml_api_server"])
    func probed(prefix: String) throws {
        let signals = try signals("bentoml", ServerPages.bento(prefix: prefix).without("/predict"))
        #expect(signals.inFlight.value == 0)
        #expect(signals.requestRate.value == 0)
        #expect(signals.errorRate.value == 0)
        #expect(signals.latency.value?.total == 0)
    }

    @Test("llama.cpp: the queue is what is deferred; what it doesn't export is missing")
    func llama() throws {
        let signals = try signals("llama-cpp", ServerPages.llama)
        #expect(signals.queueLength.value == 46)
        #expect(signals.inFlight.value == 4)
        #expect(signals.latency.missing?.cause == .notMapped)
        let cache = try #require(signals.cacheUsage.missing)
        #expect(cache.description.contains("looked for llamacpp:kv_cache_usage_ratio; the page offers llamacpp:"))
    }

    // MARK: Recorded pages

    @Test("Triton: a recorded page", .enabled(if: ReferenceData.isPresent, "no reference data here"))
    func triton() throws {
        // Three requests more of one model, which took 3 s together, a third of it in the queue.
        let signals = try recorded("triton", "triton") { text in
            Self.adding(
                3,
                to: "nv_inference_request_success{model=\"densenet_onnx\",version=\"1\"}",
                in:
                    Self.adding(
                        3_000_000,
                        to: "nv_inference_request_duration_us{model=\"densenet_onnx\",version=\"1\"}",
                        in: text
                    )
            )
        }
        #expect(signals.queueLength.value == 0)
        #expect(isClose(signals.inFlight.value, 0.3))
        #expect(isClose(signals.requestRate.value, 0.3))
        #expect(signals.errorRate.value == 0)
        #expect(signals.latency.value != nil)
        let page = String(decoding: try ReferenceData.page("triton"), as: UTF8.self)
        // An older server: no summary, no gauge of waiting requests.
        let old = try recorded("triton", "triton") { _ in page }
        #expect(old.latency.value?.percentile(95) == nil)
    }

    @Test(
        "Triton before 24.01: queue from time, latency estimated from the mean",
        .enabled(if: ReferenceData.isPresent)
    )
    func oldTriton() throws {
        let mapping = try RuntimeManifests.mapping("triton")
        let text =
            String(decoding: try ReferenceData.page("triton"), as: UTF8.self).split(separator: "\n")
            .filter {
                !$0.contains("nv_inference_pending_request_count") && !$0.contains("nv_inference_request_summary_us")
            }
            .joined(separator: "\n") + "\n"
        let labels = "{model=\"densenet_onnx\",version=\"1\"}"
        var later = Self.adding(10, to: "nv_inference_request_success" + labels, in: text)
        later = Self.adding(2_000_000, to: "nv_inference_request_duration_us" + labels, in: later)
        later = Self.adding(1_000_000, to: "nv_inference_queue_duration_us" + labels, in: later)
        let signals = ReplicaSignals(
            try scrape(Array(later.utf8), mapping, at: 110),
            since: try scrape(Array(text.utf8), mapping, at: 100)
        )
        #expect(isClose(signals.queueLength.value, 0.1))
        #expect(isClose(signals.latency.value?.mean, 0.2))
        #expect(signals.latency.value?.isEstimate(95) == true)
    }

    @Test("vLLM: a recorded page, under the old and the new name of the cache", .enabled(if: ReferenceData.isPresent))
    func vllm() throws {
        let signals = try recorded("vllm", "vllm")
        #expect(signals.queueLength.value == 0)
        #expect(signals.inFlight.value == 0)
        #expect(signals.cacheUsage.value != nil)
        #expect(signals.requestRate.value == 0)
        #expect(signals.latency.value?.total == 0)
        let mapping = try RuntimeManifests.mapping("vllm")
        for name in ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"] {
            let page = Array("\(name){engine=\"0\"} 0.5\n\(name){engine=\"1\"} 0.75\n".utf8)
            #expect(try scrape(page, mapping, at: 1).cacheUsage.value == .now(0.75))
        }
        let percent = Array("vllm:kv_cache_usage_perc 75\n".utf8)
        #expect(try scrape(percent, mapping, at: 1).cacheUsage.value == nil)
    }

    @Test("SGLang: a recorded page; sums stand before buckets", .enabled(if: ReferenceData.isPresent))
    func sglang() throws {
        let signals = try recorded("sglang", "sglang")
        #expect(signals.queueLength.value == 2826)
        #expect(signals.inFlight.value == 162)
        #expect(signals.cacheUsage.value == 0.28)
        #expect(signals.requestRate.value == 0)
        #expect(signals.latency.value?.total == 0)
        #expect(signals.errorRate.value == nil)
    }

    @Test(
        "TorchServe: a recorded page; time counters, and a gauge that is no queue",
        .enabled(if: ReferenceData.isPresent)
    )
    func torchserve() throws {
        let signals = try recorded("torchserve", "torchserve") { text in
            text.split(separator: "\n").map { line in
                guard line.hasPrefix("ts_inference_requests_total{"), line.contains("linear_regression_1_1") else {
                    return String(line)
                }
                let parts = line.split(separator: " ")
                return "\(parts[0]) \((Double(parts[1]) ?? 0) + 5)"
            }.joined(separator: "\n") + "\n"
        }
        #expect(signals.requestRate.value == 0.5)
        #expect(signals.queueLength.value == 0)
        #expect(signals.errorRate.value == 0)
        // Its counter of requests counts arrivals: a mean over these is too small while a queue grows.
        #expect(signals.latency.missing?.cause == .notMapped)
    }

    @Test("KServe's Python server: a recorded page", .enabled(if: ReferenceData.isPresent))
    func kserve() throws {
        let signals = try recorded("kserve-sklearn", "kserve-python")
        #expect(signals.inFlight.value == 0)
        #expect(signals.queueLength.missing?.cause == .notMapped)
        #expect(signals.latency.value?.total == 0)
        #expect(signals.requestRate.value == 0)
    }

    @Test(
        "a page of another server says what was looked for and what there is instead",
        .enabled(if: ReferenceData.isPresent)
    )
    func wrongServer() throws {
        let mapping = try RuntimeManifests.mapping("vllm")
        let missing = try #require(try scrape(try ReferenceData.page("sglang"), mapping, at: 1).queueLength.missing)
        #expect(missing.lookedFor == ["vllm:num_requests_waiting"])
        #expect(missing.description.contains("looked for vllm:num_requests_waiting; the page offers sglang:"))
    }

    /// The page with `amount` more in one series.
    private static func adding(_ amount: Double, to series: String, in text: String) -> String {
        text.split(separator: "\n").map { line in
            guard line.hasPrefix(series + " ") else { return String(line) }
            return "\(series) \((Double(line.dropFirst(series.count + 1)) ?? 0) + amount)"
        }.joined(separator: "\n") + "\n"
    }
}
