// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer

/// Speaks to a server in this process.
struct TestClient {
    let time: ManualTime
    let server: APIServer

    init(_ change: (inout APIServerConfiguration) -> Void = { _ in }) {
        let time = ManualTime()
        var configuration = APIServerConfiguration(time: time, random: SeededRandom(seed: 1))
        change(&configuration)
        self.time = time
        server = APIServer(configuration: configuration)
    }

    /// A client of a server that goes on from a snapshot.
    init(restoring snapshot: ServerSnapshot) {
        time = ManualTime()
        let configuration = APIServerConfiguration(time: time, random: SeededRandom(seed: 2))
        server = APIServer(configuration: configuration, restoring: snapshot)
    }

    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: JSONValue? = nil,
        headers: [String: String] = [:]
    ) async -> HTTPResponseMessage {
        var fields = HTTPFields()
        if body != nil { fields[.contentType] = "application/json" }
        for (name, value) in headers { if let name = HTTPField.Name(name) { fields[name] = value } }
        let head = HTTPRequest(
            method: method,
            scheme: "http",
            authority: "localhost",
            path: path,
            headerFields: fields
        )
        return await server.exchange(
            HTTPRequestMessage(head: head, body: StreamingBody(body.map { $0.encoded() } ?? []))
        )
    }

    /// The JSON of an answer, with the HTTP status.
    func json(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: JSONValue? = nil,
        headers: [String: String] = [:]
    ) async throws -> (code: Int, body: JSONValue) {
        let response = await send(method, path, body, headers: headers)
        return (response.head.status.code, try JSONValue(parsing: try await response.body.collect(upTo: 1 << 22)))
    }

    @discardableResult
    func configMap(_ name: String, labels: [String: String] = [:]) async throws -> JSONValue {
        try await json(
            .post,
            "/api/v1/namespaces/default/configmaps",
            ["metadata": ["name": .string(name), "labels": JSONValue(labels)], "data": ["a": "1"]]
        ).body
    }

    /// The next events of a watch: their types, names and resource versions.
    static func events(_ iterator: inout StreamingBody.AsyncIterator, _ count: Int) async throws -> [String] {
        var found: [String] = []
        while found.count < count, let chunk = try await iterator.next() {
            for line in chunk.split(separator: UInt8(ascii: "\n")) {
                let event = try JSONValue(parsing: Array(line))
                let name = event.at("object", "metadata", "name")?.string ?? event.at("object", "reason")?.string ?? ""
                found.append("\(event["type"]?.string ?? "") \(name)")
            }
        }
        return found
    }
}

/// Reads a watch to its end.
struct StreamingBodyReader {
    private let body: StreamingBody

    init(_ body: StreamingBody) { self.body = body }

    /// The type of each event with the name of its object, or the reason of its status.
    func events() async throws -> [String] {
        var iterator = body.makeAsyncIterator()
        return try await TestClient.events(&iterator, .max)
    }
}
