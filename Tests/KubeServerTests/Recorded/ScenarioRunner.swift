// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer

/// Plays the requests of a scenario against a server in this process.
struct ScenarioRunner {
    let scenario: RecordedScenario
    let time: ManualTime
    let server: APIServer

    init(_ scenario: RecordedScenario) {
        self.scenario = scenario
        let first = scenario.steps.lazy.compactMap { RecordedClock.lastTime(in: $0.response) }.first
        time = first.map { ManualTime(start: $0) } ?? ManualTime()
        server = APIServer(
            configuration: APIServerConfiguration(
                time: time,
                random: SeededRandom(seed: 7),
                advertisedPort: 16443
            )
        )
    }

    /// The differences of all steps, as `step path: …`.
    func differences() async throws -> [String] {
        _ = try await send("POST", "/api/v1/namespaces", body: ["metadata": ["name": .string(scenario.namespace)]])
        _ = try await send(
            "POST",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            body: RecordedScenario.widgetDefinition()
        )
        var answers: [String: JSONValue] = [:]
        var found: [String] = []
        for (index, step) in scenario.steps.enumerated() {
            if let moment = RecordedClock.lastTime(in: step.response), moment > time.now() {
                time.advance(by: moment - time.now())
            }
            let path = substituted(step.path, answers)
            let response = try await send(
                step.method,
                path,
                headers: step.headers,
                body: step.body.map { substituted($0, answers) }
            )
            let got = try await answer(response, isWatch: step.response["events"] != nil)
            if let id = step.id { answers[id] = got["body"] }
            var expected = expectation(step)
            if let body = expected["body"] { expected["body"] = Discovery.served(body, by: got["body"] ?? .null) }
            found += AnswerComparison.differences(expected: expected, got: got).map { "\(index) \($0)" }
        }
        return found
    }

    private func expectation(_ step: RecordedScenario.Step) -> JSONValue {
        var expected: JSONValue = ["status": step.response["status"] ?? .null]
        expected["body"] = step.response["body"]
        expected["events"] = step.response["events"]
        expected["warning"] = step.response.at("headers", "warning")
        expected["contentType"] = step.response.at("headers", "content-type")
        return expected
    }

    private func answer(_ response: HTTPResponseMessage, isWatch: Bool) async throws -> JSONValue {
        let bytes = try await collect(response.body)
        var got: JSONValue = ["status": JSONValue(response.head.status.code)]
        got["contentType"] = JSONValue(response.head.headerFields[.contentType])
        if let name = HTTPField.Name("Warning") { got["warning"] = JSONValue(response.head.headerFields[name]) }
        if isWatch {
            let lines = bytes.split(separator: UInt8(ascii: "\n"))
            got["events"] = .array(try lines.map { try JSONValue(parsing: Array($0)) })
        } else {
            got["body"] = (try? JSONValue(parsing: bytes)) ?? .string(String(decoding: bytes, as: UTF8.self))
        }
        return got
    }

    /// Reads a body; time moves on whenever the server waits for it.
    private func collect(_ body: StreamingBody) async throws -> [UInt8] {
        if let bytes = body.wholeBytes { return bytes }
        return try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask { try await body.collect(upTo: 1 << 20) }
            group.addTask { [time] in
                while !Task.isCancelled {
                    if time.sleeperCount > 0 { time.advance(by: .seconds(1)) }
                    await Task.yield()
                }
                return nil
            }
            let bytes = try await group.next() ?? nil
            group.cancelAll()
            return bytes ?? []
        }
    }

    private func send(
        _ method: String,
        _ path: String,
        headers: [String: String] = [:],
        body: JSONValue? = nil
    ) async throws -> HTTPResponseMessage {
        var fields = HTTPFields()
        fields[.userAgent] = "python-requests/2.32"
        if body != nil { fields[.contentType] = "application/json" }
        for (name, value) in headers { if let name = HTTPField.Name(name) { fields[name] = value } }
        let head = HTTPRequest(
            method: HTTPRequest.Method(rawValue: method) ?? .get,
            scheme: "http",
            authority: "localhost",
            path: path,
            headerFields: fields
        )
        let bytes = body.map { $0.string.map { Array($0.utf8) } ?? $0.encoded() } ?? []
        return await server.exchange(HTTPRequestMessage(head: head, body: StreamingBody(bytes)))
    }

    private func substituted(_ value: JSONValue, _ answers: [String: JSONValue]) -> JSONValue {
        switch value {
        case .string(let text): .string(substituted(text, answers))
        case .array(let elements): .array(elements.map { substituted($0, answers) })
        case .object(let members): .object(members.mapValues { substituted($0, answers) })
        default: value
        }
    }

    private func substituted(_ text: String, _ answers: [String: JSONValue]) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${"), let end = rest[start.upperBound...].firstIndex(of: "}") {
            result += rest[..<start.lowerBound]
            let parts = rest[start.upperBound..<end].split(separator: ".").map(String.init)
            if parts == ["ns"] {
                result += scenario.namespace
            } else {
                result += answers[parts[0]]?.value(at: parts.dropFirst())?.string ?? ""
            }
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

/// Tells the time of a recording by what its answers say.
enum RecordedClock {
    /// The last moment that an answer names.
    static func lastTime(in value: JSONValue) -> WallTime? {
        times(in: value).compactMap(WallTime.init(rfc3339:)).max()
    }

    private static func times(in value: JSONValue) -> [String] {
        switch value {
        case .string(let text): text.count == 20 && text.hasSuffix("Z") ? [text] : []
        case .array(let elements): elements.flatMap(times)
        case .object(let members): members.flatMap { times(in: $0.value) }
        default: []
        }
    }
}
