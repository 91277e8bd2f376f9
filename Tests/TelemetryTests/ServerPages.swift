// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Small pages of our own, in the style of servers of which no recorded page is at hand: two moments ten seconds apart.
enum ServerPages {
    /// A page with two numbers that differ between the moments.
    struct Moments {
        /// The earlier page.
        var before: String
        /// The later page.
        var now: String

        /// The page, with `@a`, `@b`, ... replaced by the numbers of the two moments.
        init(_ page: String, _ numbers: [String: (Int, Int)]) {
            before = page
            now = page
            for (mark, values) in numbers {
                before = before.replacing("@" + mark, with: "\(values.0)")
                now = now.replacing("@" + mark, with: "\(values.1)")
            }
        }

        /// The same without the lines that have this text.
        func without(_ text: String) -> Moments {
            var moments = self
            for part in [\Moments.before, \.now] {
                let kept = moments[keyPath: part].split(separator: "\n").filter { !$0.contains(text) }
                moments[keyPath: part] = kept.joined(separator: "\n") + "\n"
            }
            return moments
        }
    }

    /// TensorFlow Serving: names that begin with a colon, braces without a label, families without a series.
    static let tensorflow = Moments(
        """
        # TYPE :tensorflow:core:graph_runs counter
        :tensorflow:core:graph_runs{} 8
        # TYPE :tensorflow:core:xla_compilations counter
        # TYPE :tensorflow:serving:request_count counter
        :tensorflow:serving:request_count{model_name="m",status="OK"} @a
        :tensorflow:serving:request_count{model_name="m",status="INTERNAL"} @b
        # TYPE :tensorflow:serving:request_latency histogram
        :tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="10000"} @c
        :tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="20000"} @d
        :tensorflow:serving:request_latency_bucket{model_name="m",API="predict",entrypoint="REST",le="+Inf"} @d
        :tensorflow:serving:request_latency_sum{model_name="m",API="predict",entrypoint="REST"} @e
        :tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} @d
        # TYPE :tensorflow:serving:batching_session:queuing_latency histogram
        :tensorflow:serving:batching_session:queuing_latency_bucket{thread_pool_name="p",le="+Inf"} @d
        :tensorflow:serving:batching_session:queuing_latency_sum{thread_pool_name="p"} @f
        :tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name="p"} @d

        """,
        ["a": (0, 95), "b": (0, 5), "c": (0, 90), "d": (0, 100), "e": (0, 20_000_000), "f": (0, 5_000_000)]
    )

    /// Text Generation Inference: gauges, histograms and counters without `_total`; arrivals, which are no requests that ended.
    static let tgi = tgi("tgi_request_failure{err=\"generation\"} @d\ntgi_request_failure{err=\"overloaded\"} @e\n")

    /// The same with these lines of failures.
    static func tgi(_ failures: String, successes: (Int, Int) = (0, 98)) -> Moments {
        Moments(
            """
            # TYPE tgi_request_count counter
            tgi_request_count @a
            # TYPE tgi_request_success counter
            tgi_request_success{kind="full"} @b
            # TYPE tgi_queue_size gauge
            tgi_queue_size 12
            # TYPE tgi_batch_current_size gauge
            tgi_batch_current_size 8
            # TYPE tgi_request_duration histogram
            tgi_request_duration_bucket{le="1"} @c
            tgi_request_duration_bucket{le="2"} @b
            tgi_request_duration_bucket{le="+Inf"} @b
            tgi_request_duration_sum @c
            tgi_request_duration_count @b

            """ + failures,
            [
                "a": (0, 120), "b": successes, "c": (successes.0 / 2, successes.1 / 2), "d": (0, 1), "e": (0, 1),
                "f": (5, 45),
            ]
        )
    }

    /// vLLM's HTTP server and engine: requests that failed before the engine are counted by the former alone.
    static func vllm(ok: Int, failed: Int) -> Moments {
        Moments(
            """
            # TYPE vllm:request_success_total counter
            vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} @a
            vllm:request_success_total{engine="0",finished_reason="abort",model_name="m"} 0
            # TYPE http_requests_total counter
            http_requests_total{handler="/v1/models",method="GET",status="2xx"} @g
            http_requests_total{handler="/v1/completions",method="POST",status="2xx"} @a
            http_requests_total{handler="/v1/completions",method="POST",status="5xx"} @b

            """,
            ["a": (40, 40 + ok), "b": (3, 3 + failed), "g": (0, 500)]
        )
    }

    /// Ray Serve: many label sets, milliseconds, and counters with or without `_total`. The request counter leaves errors out.
    static func ray(counterSuffix: String, ok: (Int, Int) = (0, 90), failed: (Int, Int) = (0, 10)) -> Moments {
        Moments(
            """
            # TYPE ray_serve_deployment_queued_queries gauge
            ray_serve_deployment_queued_queries{deployment="d",application="app",handle="h1"} 3
            ray_serve_deployment_queued_queries{deployment="d",application="app",handle="h2"} 4
            # TYPE ray_serve_replica_processing_queries gauge
            ray_serve_replica_processing_queries{deployment="d",replica="r1",application="app"} 2
            ray_serve_replica_processing_queries{deployment="d",replica="r2",application="app"} 5
            # TYPE ray_serve_deployment_request_counter\(counterSuffix) counter
            ray_serve_deployment_request_counter\(counterSuffix){deployment="d",route="/"} @a
            # TYPE ray_serve_deployment_error_counter\(counterSuffix) counter
            ray_serve_deployment_error_counter\(counterSuffix){deployment="d",route="/"} @b
            # TYPE ray_serve_deployment_processing_latency_ms histogram
            ray_serve_deployment_processing_latency_ms_bucket{deployment="d",le="100.0"} @c
            ray_serve_deployment_processing_latency_ms_bucket{deployment="d",le="200.0"} @c
            ray_serve_deployment_processing_latency_ms_bucket{deployment="d",le="+Inf"} @c
            # TYPE ray_serve_http_request_latency_ms histogram
            ray_serve_http_request_latency_ms_bucket{application="app",route="/",le="100.0"} 0
            ray_serve_http_request_latency_ms_bucket{application="app",route="/",le="200.0"} @c
            ray_serve_http_request_latency_ms_bucket{application="app",route="/",le="+Inf"} @c
            ray_serve_http_request_latency_ms_bucket{application="",route="/-/healthz",le="100.0"} @d
            ray_serve_http_request_latency_ms_bucket{application="",route="/-/healthz",le="200.0"} @d
            ray_serve_http_request_latency_ms_bucket{application="",route="/-/healthz",le="+Inf"} @d

            """,
            ["a": ok, "b": failed, "c": (ok.0 + failed.0, ok.1 + failed.1), "d": (1000, 6000)]
        )
    }

    /// MLServer: queue sizes as histograms, which are no queue.
    static let mlserver = Moments(
        """
        # TYPE parallel_request_queue histogram
        parallel_request_queue_bucket{workerpid="1",le="1.0"} @a
        parallel_request_queue_bucket{workerpid="1",le="+Inf"} @a
        parallel_request_queue_sum{workerpid="1"} 900
        parallel_request_queue_count{workerpid="1"} @a
        # TYPE model_infer_request_success_total counter
        model_infer_request_success_total{model="m",version="v1"} @a
        # TYPE model_infer_request_failure_total counter
        # TYPE rest_server_requests_in_progress gauge
        rest_server_requests_in_progress{app_name="mlserver",method="POST"} 6
        # TYPE rest_server_requests_duration_seconds histogram
        rest_server_requests_duration_seconds_bucket{path="/v2/models/m/infer",le="0.5"} @a
        rest_server_requests_duration_seconds_bucket{path="/v2/models/m/infer",le="+Inf"} @a

        """,
        ["a": (0, 100)]
    )

    /// BentoML: codes in a label of its own name, and the probes of the kubelet among the requests.
    static func bento(prefix: String) -> Moments {
        Moments(
            """
            # TYPE \(prefix)_request_in_progress gauge
            \(prefix)_request_in_progress{endpoint="/predict",service_name="s"} 4
            \(prefix)_request_in_progress{endpoint="/readyz",service_name="s"} 1
            # TYPE \(prefix)_request_total counter
            \(prefix)_request_total{endpoint="/predict",http_response_code="200"} @a
            \(prefix)_request_total{endpoint="/predict",http_response_code="500"} @b
            \(prefix)_request_total{endpoint="/readyz",http_response_code="200"} @c
            \(prefix)_request_total{endpoint="/livez",http_response_code="503"} @c
            # TYPE \(prefix)_request_duration_seconds histogram
            \(prefix)_request_duration_seconds_bucket{endpoint="/predict",http_response_code="200",le="0.1"} @a
            \(prefix)_request_duration_seconds_bucket{endpoint="/predict",http_response_code="200",le="+Inf"} @a
            \(prefix)_request_duration_seconds_bucket{endpoint="/readyz",http_response_code="200",le="0.1"} @c
            \(prefix)_request_duration_seconds_bucket{endpoint="/readyz",http_response_code="200",le="+Inf"} @c

            """,
            ["a": (0, 80), "b": (0, 20), "c": (100, 105)]
        )
    }

    /// llama.cpp: processing is capped at the slots, the queue is what is deferred.
    static let llama = Moments(
        """
        # HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
        # TYPE llamacpp:prompt_tokens_total counter
        llamacpp:prompt_tokens_total @a
        # HELP llamacpp:predicted_tokens_seconds Average generation throughput in tokens/s.
        # TYPE llamacpp:predicted_tokens_seconds gauge
        llamacpp:predicted_tokens_seconds 42.3
        # TYPE llamacpp:requests_processing gauge
        llamacpp:requests_processing 4
        # TYPE llamacpp:requests_deferred gauge
        llamacpp:requests_deferred 46

        """,
        ["a": (0, 100)]
    )

    /// This project's server.
    static let own = Moments(
        """
        # TYPE modelfleet_queue_length gauge
        modelfleet_queue_length{model="m"} 5
        # TYPE modelfleet_requests_in_flight gauge
        modelfleet_requests_in_flight{model="m"} 7
        # TYPE modelfleet_requests_total counter
        modelfleet_requests_total{code="200",model="m"} @a
        modelfleet_requests_total{code="503",model="m"} @b
        # TYPE modelfleet_request_duration_seconds histogram
        modelfleet_request_duration_seconds_bucket{model="m",le="0.1"} @a
        modelfleet_request_duration_seconds_bucket{model="m",le="+Inf"} @a

        """,
        ["a": (0, 90), "b": (0, 10)]
    )
}
