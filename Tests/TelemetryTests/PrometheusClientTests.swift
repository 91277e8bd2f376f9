// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import Testing

@testable import Telemetry

@Suite("Questions to a Prometheus server")
struct PrometheusClientTests {
    /// A server whose query takes as long as it may, and whose answer counts if the time limit isn't over by then.
    private struct SlowPrometheus: HTTPExchange {
        struct TimeLimit: Error {}

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let form = String(decoding: try await request.body.collect(upTo: 10_000), as: UTF8.self)
            let field = form.split(separator: "&").first { $0.hasPrefix("timeout=") }
            let seconds = field.flatMap { Double($0.dropFirst("timeout=".count)) } ?? .infinity
            guard let limit = request.timeout, .seconds(seconds) < limit else { throw TimeLimit() }
            let text = #"{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}"#
            return HTTPResponseMessage(
                status: .serviceUnavailable,
                contentType: "application/json",
                bytes: Array(text.utf8)
            )
        }
    }

    @Test("a server that gives a query up can still say so")
    func givenUp() async throws {
        let address = try #require(PrometheusAddress("http://prometheus:9090"))
        let client = PrometheusClient(exchange: SlowPrometheus(), address: address)
        let error = await #expect(throws: PrometheusQueryError.self) {
            _ = try await client.query("slow", lookback: .seconds(60))
        }
        #expect(error == PrometheusQueryError(.timeout, "query timed out in expression evaluation"))
    }
}
