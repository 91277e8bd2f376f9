// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Scaling
import Synchronization
import Testing

@testable import Telemetry

/// Answers as a Prometheus server does, from a table of queries; bodies were written after what version 2.42 answers.
private struct FakePrometheus: HTTPExchange {
    /// The results of known queries, as the JSON of `data`.
    var answers: [String: String]
    var warnings = ""

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        guard request.head.method == .post, request.head.path == "/prefix/api/v1/query" else {
            return HTTPResponseMessage(status: .notFound, text: "404 page not found\n")
        }
        let body = String(decoding: try await request.body.collect(upTo: 10_000), as: UTF8.self)
        let form = Dictionary(
            uniqueKeysWithValues: body.split(separator: "&").map { pair in
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), Self.decoded(parts[1]))
            }
        )
        guard let answer = form["query"].flatMap({ answers[$0] }) else {
            let text =
                #"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}"#
            return HTTPResponseMessage(status: .badRequest, contentType: "application/json", bytes: Array(text.utf8))
        }
        let text = #"{"status":"success","data":\#(answer)\#(warnings)}"#
        return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: Array(text.utf8))
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) {
                rest = rest.dropFirst(2)
                bytes.append(value)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite("Signals from a Prometheus server", .timeLimit(.minutes(5)))
struct PrometheusSourceTests {
    private let now = WallTime(seconds: 1000)

    private func source(_ exchange: any HTTPExchange) throws -> PrometheusSource {
        let address = try #require(PrometheusAddress("http://prometheus:9090/prefix/"))
        return PrometheusSource(
            client: PrometheusClient(exchange: exchange, address: address),
            time: ManualTime(start: now)
        )
    }

    private func vector(_ series: (labels: String, value: String)..., time: Double = 1000) -> String {
        let result = series.map { "{\"metric\":{\($0.labels)},\"value\":[\(time),\"\($0.value)\"]}" }
        return "{\"resultType\":\"vector\",\"result\":[\(result.joined(separator: ","))]}"
    }

    private func signals(_ answers: [SignalKind: String], warnings: String = "", pods: [String] = ["a", "b"])
        async throws -> TrackSignals
    {
        let byQuery = Dictionary(uniqueKeysWithValues: answers.map { ("q \"\($0.key.rawValue)\" + 1", $0.value) })
        let queries = PrometheusQueries(answers.reduce(into: [:]) { $0[$1.key] = "q \"\($1.key.rawValue)\" + 1" })
        return try await source(FakePrometheus(answers: byQuery, warnings: warnings)).signals(queries, pods: pods)
    }

    @Test("values by pod and values for the whole track")
    func reads() async throws {
        let track = try await signals([
            .queueLength: vector(("\"pod\":\"a\"", "3"), ("\"pod\":\"b\"", "4"), ("\"pod\":\"gone\"", "90")),
            .requestRate: vector(("", "10")),
            .errorRate: "{\"resultType\":\"scalar\",\"result\":[1000,\"1\"]}",
            .latency: vector(("", "0.25")),
        ])
        #expect(track.readings[.queueLength]?.total == 7)
        #expect(track.readings[.queueLength]?.reporting == 2)
        #expect(track.readings[.requestRate]?.reporting == 2)
        #expect(track.errorRatio == 0.1)
        #expect(track.latencyReading(percentile: 95)?.milliseconds == 250)
        #expect(track.missingSignals[.inFlight]?.cause == .notMapped)
        #expect(track.missingSignals[.queueLength] == nil)
    }

    @Test("no result, NaN, a stale or an ambiguous one is missing, never zero")
    func missing() async throws {
        let track = try await signals([
            .queueLength: vector(), .inFlight: vector(("", "NaN")), .requestRate: vector(("", "1"), time: 900),
            .cacheUsage: vector(("\"a\":\"1\"", "1"), ("\"a\":\"2\"", "2")), .errorRate: vector(("", "-1")),
            .latency: "{\"resultType\":\"matrix\",\"result\":[]}",
        ])
        #expect(track.readings.isEmpty && track.latency == nil && track.cacheUsage == nil && track.errorRatio == nil)
        #expect(track.missingSignals[.queueLength]?.description.contains("has no result") == true)
        #expect(track.missingSignals[.requestRate]?.description.contains("100 s old") == true)
        #expect(track.missingSignals[.cacheUsage]?.description.contains("sum by (pod)") == true)
        #expect(track.missingSignals[.latency]?.description.contains("instant vector") == true)
        #expect(SignalKind.allCases.allSatisfy { track.partial[$0]?.missing == 2 })
    }

    @Test("a pod without a value is missing; a warned answer is partial")
    func partial() async throws {
        let some = try await signals([.queueLength: vector(("\"pod\":\"a\"", "3"))])
        #expect(some.partial[.queueLength]?.missing == 1)
        #expect(some.missingSignals[.queueLength]?.description.contains("no value for pod b") == true)
        let warned = try await signals([.queueLength: vector(("", "3"))], warnings: #","warnings":["store x is away"]"#)
        #expect(warned.partial[.queueLength]?.missing == 1)
        #expect(warned.readings[.queueLength]?.reporting == 1)
        let idle = try await signals([.latency: vector(("\"pod\":\"a\"", "NaN"), ("\"pod\":\"b\"", "0.5"))])
        #expect(idle.latencyReading(percentile: 95)?.milliseconds == 500)
    }

    @Test("a refused query and a server that is none say so")
    func errors() async throws {
        let refused = try await source(FakePrometheus(answers: [:])).signals(
            PrometheusQueries([.queueLength: "sum("]),
            pods: ["a"]
        )
        #expect(
            refused.missingSignals[.queueLength]?.description.contains(
                "Prometheus refuses the query: invalid parameter"
            ) == true
        )
        let pages: [(HTTPResponse.Status, String, String)] = [
            (.badGateway, "<html>bad gateway</html>\r\n", "status 502"), (.unauthorized, "", "other credentials"),
            (
                .serviceUnavailable, #"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
                "took too long"
            ),
            (
                .unprocessableContent, #"{"status":"error","errorType":"execution","error":"many-to-many"}"#,
                "can't compute"
            ),
            (.ok, "[]", "status 200"), (.ok, #"{"status":"success"}"#, "no result"),
            (.ok, #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#, "native histogram"),
            (.ok, #"{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}"#, "no pair"),
        ]
        for (status, body, words) in pages {
            let exchange = ClosureExchange { _ in HTTPResponseMessage(status: status, text: body) }
            let track = try await source(exchange).signals(PrometheusQueries([.queueLength: "x"]), pods: ["a"])
            let found = track.missingSignals[.queueLength]?.description ?? ""
            #expect(found.contains(words) && !found.contains("\\x"), "\(found)")
        }
    }

    @Test("values are filled into queries as PromQL strings")
    func fills() {
        let queries = PrometheusQueries([.queueLength: "sum(q{model=\"${model.name}\"}) by (pod)"])
        let filled = queries.filled(with: ["model.name": "a\"b\\c"])
        #expect(filled.queries[.queueLength] == "sum(q{model=\"a\\\"b\\\\c\"}) by (pod)")
    }

    @Test("addresses as users write them")
    func addresses() {
        #expect(PrometheusAddress("http://p:9090")?.path == "")
        #expect(PrometheusAddress("https://p.example/a/b//")?.path == "/a/b")
        for wrong in ["p:9090", "ftp://p", "http://", "http://u@p", "http://p/?x", "http://p/a b"] {
            #expect(PrometheusAddress(wrong) == nil, "\(wrong)")
        }
    }
}
