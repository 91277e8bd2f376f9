// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel
import Testing

/// One recorded conversation with a real API server.
struct RecordedScenario: Sendable, CustomTestStringConvertible {
    /// One request and its answer.
    struct Step: Sendable {
        let id: String?
        let method: String
        let path: String
        let headers: [String: String]
        let body: JSONValue?
        let response: JSONValue
    }

    let name: String
    let namespace: String
    let steps: [Step]

    var testDescription: String { name }

    /// The folder with the recordings, beside the project and absent on most machines; or `MODELFLEET_RECORDED`, a folder
    /// of one's own recordings in the same form.
    static let folder: URL = {
        if let own = ProcessInfo.processInfo.environment["MODELFLEET_RECORDED"] { return URL(filePath: own) }
        return shared.appending(path: "api")
    }()

    /// The recordings beside the project.
    static let shared = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "shared/kubernetes/recorded")

    static let isPresent = FileManager.default.fileExists(atPath: folder.path)

    /// All scenarios, in the order of their names; none where the folder is absent.
    static let all: [RecordedScenario] = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { try? load($0) }
    }()

    static func load(_ file: String, in folder: URL = folder) throws -> RecordedScenario {
        let bytes = [UInt8](try Data(contentsOf: folder.appending(path: file)))
        let json = try JSONValue(parsing: bytes)
        return RecordedScenario(
            name: String(file.dropLast(5)),
            namespace: json["namespace"]?.string ?? "rec",
            steps: (json["steps"]?.array ?? []).map { step in
                var headers: [String: String] = [:]
                for (key, value) in step["headers"]?.object ?? JSONObject() { headers[key] = value.string }
                return Step(
                    id: step["id"]?.string,
                    method: step["method"]?.string ?? "GET",
                    path: step["path"]?.string ?? "/",
                    headers: headers,
                    body: step["body"].flatMap { $0.isNull ? nil : $0 },
                    response: step["response"] ?? .null
                )
            }
        )
    }

    /// The definition of `widgets.record.example.com`, which most scenarios use.
    static func widgetDefinition() throws -> JSONValue {
        let scenario = try load("crd-lifecycle.json", in: shared.appending(path: "api"))
        var definition = scenario.steps[1].body ?? .null
        definition.set("widgets.record.example.com", at: "metadata", "name")
        return definition
    }
}
