// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import CurlHTTP
import HTTPMessages
import HTTPTypes
import KubeModel
import LoadGeneration

/// The request that the demo sends: one iris flower.
enum DemoPrediction {
    /// Sepal length and width, petal length and width, in centimetres.
    private static let row: JSONValue = [5.1, 3.5, 1.4, 0.2]
    /// The row as text.
    static var rowText: String { row.jsonText }

    /// The URL at which the Service at `address` answers; `nil` when it doesn't yet.
    ///
    /// Ports below 1024 need root: for others the local cluster serves port 80 as 8080.
    static func reachable(_ address: String) async -> String? {
        let exchange = CurlExchange()
        defer { exchange.shutdown() }
        for authority in [address, "\(address):8080"] {
            let head = HTTPRequest(method: .get, scheme: "http", authority: authority, path: "/v2/health/ready")
            let response = try? await exchange.exchange(HTTPRequestMessage(head: head, timeout: .seconds(2)))
            if response?.head.status == .ok { return "http://\(authority)" }
        }
        return nil
    }

    /// A request in TensorFlow Serving's row format.
    static func request(_ address: String, model: String) throws -> LoadRequest {
        let body: JSONValue = ["instances": [row]]
        return try LoadRequest(
            url: "\(address)/v1/models/\(model):predict",
            body: body.encoded(),
            contentType: "application/json",
            timeout: .seconds(10)
        )
    }

    /// Asks once; the answer's first prediction as text.
    static func ask(_ address: String, model: String) async throws -> String {
        let request = try request(address, model: model)
        let exchange = CurlExchange()
        defer { exchange.shutdown() }
        let response = try await exchange.exchange(
            HTTPRequestMessage(head: request.head, body: StreamingBody(request.body), timeout: request.timeout)
        )
        let bytes = try await response.body.collect(upTo: 1 << 20)
        let text = String(decoding: bytes, as: UTF8.self)
        guard response.head.status == .ok else {
            throw DemoError("the prediction was refused with \(response.head.status.code): \(text)")
        }
        return try JSONValue(parsing: bytes)["predictions"]?[0]?.jsonText ?? text
    }
}
