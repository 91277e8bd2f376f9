// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeAPI
import KubeModel
import Testing

/// What the API promises to many clients at once.
@Suite("Contract: many writers", .timeLimit(.minutes(3)))
struct ContractConcurrencyTests {
    private let writers = 4
    private let increments = 8

    private func count(_ object: KubeObject) -> Int { object["data", "count"]?.string.flatMap { Int($0) } ?? 0 }

    /// Lets every writer add to one counter with `add`; answers what the counter says then.
    private func total(
        _ add: @escaping @Sendable (KubeClient, KubeObject) async throws -> Void
    ) async throws -> Int {
        var total = 0
        try await ContractCluster.withNamespace { client, namespace in
            let counter = ContractObjects.configMap("counter", in: namespace, data: ["count": "0"])
            try await client.create(.configMaps, counter)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<writers {
                    group.addTask {
                        var added = 0
                        while added < increments {
                            let live = try await client.get(.configMaps, counter.key)
                            do {
                                try await add(client, live)
                                added += 1
                            } catch let error as KubeError where error.isConflict || error.isInvalid {
                                continue
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            total = count(try await client.get(.configMaps, counter.key))
        }
        return total
    }

    @Test("no increment is lost by writers that read, add one, replace, and try again on a conflict")
    func replacing() async throws {
        let total = try await total { client, live in
            var next = live
            next["data", "count"] = .string(String(count(live) + 1))
            try await client.replace(.configMaps, next)
        }
        #expect(total == writers * increments)
    }

    @Test("no increment is lost by writers whose JSON patch tests what they read")
    func testing() async throws {
        let total = try await total { client, live in
            let now = count(live)
            try await client.patch(
                .configMaps,
                live.key,
                .json([
                    ["op": "test", "path": "/data/count", "value": .string(String(now))],
                    ["op": "replace", "path": "/data/count", "value": .string(String(now + 1))],
                ])
            )
        }
        #expect(total == writers * increments)
    }

    @Test("Atomic: watchers see each write whole, and all of them the same one under a version")
    func atomic() async throws {
        try await ContractCluster.withNamespace { client, namespace in
            let object = ContractObjects.configMap("pair", in: namespace, data: ["left": "0", "right": "0"])
            let made = try await client.create(.configMaps, object)
            let seen = try await withThrowingTaskGroup(of: [String: JSONValue].self) { group in
                for _ in 0..<3 {
                    group.addTask { try await follow(client, made) }
                }
                for value in 1...20 {
                    let text = JSONValue.string(String(value))
                    try await client.patch(.configMaps, made.key, .merge(["data": ["left": text, "right": text]]))
                }
                try await client.delete(.configMaps, made.key)
                return try await group.reduce(into: [[String: JSONValue]]()) { $0.append($1) }
            }
            for watcher in seen {
                #expect(watcher == seen[0])
                #expect(watcher.count == 20)
                for data in watcher.values { #expect(data["left"] == data["right"]) }
            }
        }
    }

    /// The data of each version of an object, until it is deleted.
    private func follow(_ client: KubeClient, _ object: KubeObject) async throws -> [String: JSONValue] {
        let watch = try await client.watch(
            .configMaps,
            namespace: object.namespace,
            options: WatchOptions(
                fieldSelector: FieldSelector(name: object.name),
                resourceVersion: object.resourceVersion
            )
        )
        var versions: [String: JSONValue] = [:]
        for try await event in watch {
            switch event {
            case .modified(let changed): versions[changed.resourceVersion ?? ""] = changed["data"]
            case .deleted: return versions
            case .added, .bookmark: break
            case .unreadable(let object): Issue.record("\(object.key) can't be read: \(object.reason)")
            case .error(let status): throw status
            }
        }
        return versions
    }
}
