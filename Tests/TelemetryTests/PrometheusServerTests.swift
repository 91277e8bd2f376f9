// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import CurlHTTP
import Foundation
import HTTPMessages
import Scaling
import Testing

@testable import Telemetry

/// Against a real Prometheus that scrapes itself: `MODELFLEET_TEST_PROMETHEUS=http://127.0.0.1:9090` names it.
@Suite(
    "A real Prometheus server",
    .enabled(if: ProcessInfo.processInfo.environment["MODELFLEET_TEST_PROMETHEUS"] != nil, "no server is named"),
    .timeLimit(.minutes(5))
)
struct PrometheusServerTests {
    private func client() throws -> PrometheusClient {
        let url = try #require(ProcessInfo.processInfo.environment["MODELFLEET_TEST_PROMETHEUS"])
        return PrometheusClient(exchange: CurlExchange(), address: try #require(PrometheusAddress(url)))
    }

    private func error(_ query: String) async throws -> PrometheusQueryError.Code? {
        do {
            _ = try await client().query(query, lookback: .seconds(60))
            return nil
        } catch let error as PrometheusQueryError {
            return error.code
        }
    }

    @Test("answers, refuses and fails as the client expects")
    func answers() async throws {
        let client = try client()
        #expect(try await client.query("up", lookback: .seconds(60)).series.first?.value == 1)
        #expect(try await client.query("1 + 2", lookback: .seconds(60)).series.map(\.value) == [3])
        #expect(try await client.query("no_such_metric", lookback: .seconds(60)).series.isEmpty)
        #expect(try await client.query("vector(0) / 0", lookback: .seconds(60)).series.first?.value.isNaN == true)
        #expect(try await client.query("vector(1) / 0", lookback: .seconds(60)).series.first?.value == .infinity)
        #expect(try await error("sum(") == .badQuery)
        #expect(try await error("up[5m]") == .badQuery)
        #expect(try await error("up + on() {__name__=~\"prometheus.+\"}") == .execution)
    }

    @Test("gives signals, and says what is missing")
    func signals() async throws {
        let source = PrometheusSource(client: try client(), time: SystemTime())
        let queries = PrometheusQueries([
            .queueLength: "label_replace(up * 3, \"pod\", \"a\", \"\", \"\")", .inFlight: "vector(0) / 0",
            .requestRate: "sum(rate(prometheus_http_requests_total[1m]))", .errorRate: "no_such_metric",
            .latency: "histogram_quantile(0.95, "
                + "sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[1m])))",
            .cacheUsage: "prometheus_http_requests_total",
        ])
        let track = await source.signals(queries, pods: ["a", "b"])
        #expect(track.readings[.queueLength]?.total == 3)
        #expect(track.partial[.queueLength]?.missing == 1)
        #expect(track.missingSignals[.inFlight]?.description.contains("is NaN") == true)
        #expect(track.readings[.requestRate]?.reporting == 2)
        #expect((track.readings[.requestRate]?.total ?? -1) >= 0)
        #expect(track.missingSignals[.errorRate]?.description.contains("has no result") == true)
        #expect(track.latency?.percentile(95) ?? 0 > 0)
        #expect(track.missingSignals[.cacheUsage]?.description.contains("sum by (pod)") == true)
    }

    @Test("computes histogram_quantile as LatencyHistogram does")
    func quantiles() async throws {
        let client = try client()
        let name = "prometheus_http_request_duration_seconds_bucket"
        let buckets = try await client.query("sum by (le) (\(name))", lookback: .seconds(60)).series
        let histogram = LatencyHistogram(
            buckets: buckets.map { series in
                let bound = series.labels["le"] ?? ""
                return (ExpositionNumber.parse(Array(bound.utf8).span, 0, bound.utf8.count) ?? .nan, series.value)
            }
        )
        for percentile in [50.0, 95, 99, 99.9] {
            // One query, so that both sides read the same sample.
            let query = "histogram_quantile(\(percentile / 100), sum by (le) (\(name)))"
            let answer = try await client.query(query, lookback: .seconds(60))
            let expected = try #require(answer.series.first?.value)
            let found = try #require(histogram.percentile(percentile))
            // A scrape may fall between the two queries: then the counts differ a little.
            #expect(abs(found - expected) <= 0.02 * expected, "\(percentile)")
        }
    }
}
