// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// A page in the style of vLLM's for where no recorded one is at hand, and what is picked from pages.
enum SamplePage {
    /// What a ServingRuntime for vLLM picks.
    static let vllm = MetricsMapping(
        queueLength: [MetricSource("vllm:num_requests_waiting")],
        inFlight: [MetricSource("vllm:num_requests_running")],
        cacheUsage: [MetricSource("vllm:kv_cache_usage_perc"), MetricSource("vllm:gpu_cache_usage_perc")],
        latency: [MetricSource("vllm:e2e_request_latency_seconds")],
        requests: [
            MetricSource(MetricSelector("http_requests_total", labels: ["method": "POST"])),
            MetricSource("vllm:request_success_total"),
        ],
        codeLabel: "status"
    )

    /// What a ServingRuntime for Triton picks.
    static let triton = MetricsMapping(
        queueLength: [MetricSource("nv_inference_pending_request_count")],
        inFlight: [MetricSource("nv_inference_request_duration_us", kind: .time, scale: 1e-6)],
        latency: [MetricSource("nv_inference_request_summary_us", scale: 1e-6)],
        successes: [MetricSource("nv_inference_request_success")],
        errors: [MetricSource("nv_inference_request_failure")]
    )

    /// About 280 lines: gauges, counters and histograms with one label.
    static func synthetic() -> [UInt8] {
        var writer = PrometheusTextWriter()
        let labels = [(name: "model_name", value: "meta-llama/Llama-3.1-8B-Instruct")]
        for (name, value) in [
            ("num_requests_running", 13.0), ("num_requests_waiting", 4), ("kv_cache_usage_perc", 0.4375),
        ] {
            writer.head(name: "vllm:" + name, help: "A level of the engine, read at every step.", type: "gauge")
            writer.sample("vllm:" + name, labels, value)
        }
        for name in ["request_success_total", "prompt_tokens_total", "generation_tokens_total"] {
            writer.head(name: "vllm:" + name, help: "A count since the server's start.", type: "counter")
            writer.sample("vllm:" + name, labels, 128_417)
        }
        let histograms = [
            "e2e_request_latency_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds",
            "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds",
            "request_inference_time_seconds", "request_prompt_tokens", "request_generation_tokens",
            "iteration_tokens_total",
        ]
        for name in histograms {
            writer.head(name: "vllm:" + name, help: "Histogram of one part of a request's time.", type: "histogram")
            for bucket in 0..<24 {
                let bound = bucket < 23 ? "\(Double(1 << bucket) / 1024)" : "+Inf"
                writer.sample("vllm:\(name)_bucket", labels + [("le", bound)], Double(bucket * bucket * 97))
            }
            writer.sample("vllm:\(name)_sum", labels, 74_712.4812431)
            writer.sample("vllm:\(name)_count", labels, 51_313)
        }
        return Array(writer.text.utf8)
    }

    /// Two wanted gauges that alternate at every line, 10,000 series each: valid, and as unhandy as a page can be.
    static func alternating() -> [UInt8] {
        var writer = PrometheusTextWriter()
        for number in 0..<10_000 {
            for name in ["vllm:num_requests_running", "vllm:num_requests_waiting"] {
                writer.sample(name, [(name: "engine", value: "\(number)")], 1)
            }
        }
        return Array(writer.text.utf8)
    }
}
