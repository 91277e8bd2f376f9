// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer

/// Many writers and one kind of object; watchers compare what they see with what the writers know that they did.
///
/// Each writer owns its objects, so the history of each object is known exactly; the server sees them all at once.
struct WatchHarness {
    /// One event.
    struct Event: Hashable, Sendable {
        var type: String
        var name: String
        var version: Int64
        /// Two fields that every write sets to the same value.
        var left: String
        var right: String
    }

    static let path = "/api/v1/namespaces/default/configmaps"
    static let last = "end"

    let client: TestClient
    var writers = 6
    var steps = 40

    init(_ change: (inout APIServerConfiguration) -> Void = { _ in }) { client = TestClient(change) }

    /// Lets all writers work; answers what happened to each object, in its order, and ends with one last object.
    func write() async throws -> [String: [String]] {
        let histories = try await withThrowingTaskGroup(of: [String: [String]].self) { group in
            for writer in 0..<writers { group.addTask { try await write(writer) } }
            return try await group.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
        _ = try await client.configMap(Self.last)
        return histories
    }

    private func write(_ writer: Int) async throws -> [String: [String]] {
        let random = SeededRandom(seed: UInt64(writer) + 1)
        var present: Set<String> = []
        var history: [String: [String]] = [:]
        for step in 0..<steps {
            let name = "w\(writer)-\(random.next() % 4)"
            let token = "\(writer).\(step)"
            let data: JSONValue = ["left": .string(token), "right": .string(token)]
            let headers = ["Content-Type": "application/merge-patch+json"]
            if !present.contains(name) {
                let object: JSONValue = ["metadata": ["name": .string(name)], "data": data]
                guard try await client.json(.post, Self.path, object).code == 201 else { throw Unexpected() }
                present.insert(name)
                history[name, default: []].append("ADDED \(token)")
            } else if random.next() % 4 == 0 {
                guard try await client.json(.delete, "\(Self.path)/\(name)").code == 200 else { throw Unexpected() }
                present.remove(name)
                let token = history[name]?.last?.split(separator: " ").last.map(String.init) ?? ""
                history[name, default: []].append("DELETED \(token)")
            } else {
                let answer = try await client.json(.patch, "\(Self.path)/\(name)", ["data": data], headers: headers)
                guard answer.code == 200 else { throw Unexpected() }
                history[name, default: []].append("MODIFIED \(token)")
            }
        }
        return history
    }

    /// The version of a list.
    func version() async throws -> String {
        try await client.json(.get, Self.path).body.at("metadata", "resourceVersion")?.string ?? ""
    }

    /// Watches from a version until the last object; `cut` says after which line a watch is left for one from the version
    /// that the line had.
    func watch(from version: String, query: String = "", cut: (String) -> Bool = { _ in false }) async throws -> [Event]
    {
        var events: [Event] = []
        var version = version
        while true {
            let path = "\(Self.path)?watch=1&resourceVersion=\(version)\(query)"
            let response = await client.send(.get, path)
            var isCut = false
            reading: for try await chunk in response.body {
                for line in chunk.split(separator: UInt8(ascii: "\n")) {
                    let json = try JSONValue(parsing: Array(line))
                    let type = json["type"]?.string ?? ""
                    guard type != "ERROR" else { throw Unexpected() }
                    version = json.at("object", "metadata", "resourceVersion")?.string ?? ""
                    if type != "BOOKMARK" { events.append(Self.event(type, json["object"] ?? .null)) }
                    if events.last?.name == Self.last { return events }
                    isCut = cut(type)
                    if isCut { break reading }
                }
            }
            try Task.checkCancellation()
        }
    }

    private static func event(_ type: String, _ object: JSONValue) -> Event {
        Event(
            type: type,
            name: object.at("metadata", "name")?.string ?? "",
            version: object.at("metadata", "resourceVersion")?.string.flatMap { Int64($0) } ?? 0,
            left: object.at("data", "left")?.string ?? "",
            right: object.at("data", "right")?.string ?? ""
        )
    }

    /// The events by object, as the writers note them.
    static func histories(_ events: [Event]) -> [String: [String]] {
        var found: [String: [String]] = [:]
        for event in events where event.name != last {
            found[event.name, default: []].append("\(event.type) \(event.left)")
        }
        return found
    }

    /// A request was answered as no test expects it.
    struct Unexpected: Error {}
}
