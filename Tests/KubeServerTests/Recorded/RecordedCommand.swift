// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel
import Testing

/// What one real `kubectl` command asked of a real API server, and what it was answered.
struct RecordedCommand: Sendable, CustomTestStringConvertible {
    /// One request and its answer.
    struct Request: Sendable {
        let method: String
        let path: String
        let headers: [String: String]
        let body: JSONValue?
        let status: Int
        let contentType: String
        /// A value; text where it wasn't JSON; `nil` for a watch.
        let response: JSONValue?

        /// Whether only its size was recorded.
        var isOpenAPI: Bool { path.hasPrefix("/openapi/") }
        /// Whether the answer's bytes were recorded as text, which broke them.
        var isBinary: Bool { contentType == "application/vnd.kubernetes.protobuf" }
        /// Whether it is a watch, of which no event was recorded.
        var isWatch: Bool { path.contains("watch=true") }
    }

    let name: String
    let requests: [Request]

    var testDescription: String { name }

    /// The folder with the recordings, beside the project; absent on most machines.
    static let folder = RecordedScenario.shared.appending(path: "kubectl")

    static let isPresent = FileManager.default.fileExists(atPath: folder.path)

    /// All commands, in the order of their names; none where the folder is absent.
    static let all: [RecordedCommand] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { try? load($0) }
    }()

    private static func load(_ file: String) throws -> RecordedCommand {
        let bytes = [UInt8](try Data(contentsOf: folder.appending(path: file)))
        let json = try JSONValue(parsing: bytes)
        return RecordedCommand(
            name: String(file.dropLast(5)),
            requests: (json["requests"]?.array ?? []).map { request in
                var headers: [String: String] = [:]
                for (key, value) in request["headers"]?.object ?? JSONObject() { headers[key] = value.string }
                return Request(
                    method: request["method"]?.string ?? "GET",
                    path: request["path"]?.string ?? "/",
                    headers: headers,
                    body: request["body"].flatMap { $0.isNull ? nil : $0 },
                    status: request["status"]?.int ?? 0,
                    contentType: request["response_content_type"]?.string ?? "",
                    response: request["response"].flatMap { $0.isNull ? nil : $0 }
                )
            }
        )
    }
}
