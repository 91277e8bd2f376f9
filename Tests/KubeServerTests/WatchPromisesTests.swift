// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

/// What etcd promises of its watches, one promise a test, with many writers at work while watchers read.
@Suite("Promises of watches, under many writers", .serialized, .timeLimit(.minutes(3)))
struct WatchPromisesTests {
    /// What was written to each object, and what each watcher saw.
    private struct Outcome: Sendable {
        var written: [String: [String]]
        var seen: [[WatchHarness.Event]]
    }

    /// Runs the writers beside `count` watchers.
    private static func run(
        _ harness: WatchHarness,
        watchers count: Int = 6,
        query: String = "",
        cut: @escaping @Sendable (_ watcher: Int) -> (String) -> Bool = { _ in { _ in false } }
    ) async throws -> Outcome {
        let version = try await harness.version()
        return try await withThrowingTaskGroup(of: [WatchHarness.Event].self) { group in
            for watcher in 0..<count {
                group.addTask { try await harness.watch(from: version, query: query, cut: cut(watcher)) }
            }
            let written = try await harness.write()
            var seen: [[WatchHarness.Event]] = []
            for try await events in group { seen.append(events) }
            return Outcome(written: written, seen: seen)
        }
    }

    /// Watchers that read to the end; several promises are about one run of them.
    private static let steady = Task { try await run(WatchHarness()) }

    /// Watchers that leave their watch at events of their own choice, and go on from the version of the last.
    private static let resuming = Task {
        try await run(WatchHarness()) { watcher in
            let random = SeededRandom(seed: UInt64(watcher))
            return { _ in random.next() % 5 == 0 }
        }
    }

    @Test("Ordered: events come in the order of their versions")
    func ordered() async throws {
        for events in try await Self.steady.value.seen {
            let versions = events.map(\.version)
            #expect(zip(versions, versions.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("Unique: no event comes twice, neither in one watch nor over watches that resume one another")
    func unique() async throws {
        let seen = try await Self.steady.value.seen + Self.resuming.value.seen
        for events in seen { #expect(Set(events.map(\.version)).count == events.count) }
    }

    @Test("Atomic: an event shows a whole write, all watchers see the same one under a version")
    func atomic() async throws {
        var byVersion: [Int64: WatchHarness.Event] = [:]
        for event in try await Self.steady.value.seen.joined() {
            #expect(event.left == event.right)
            #expect(byVersion[event.version] == nil || byVersion[event.version] == event)
            byVersion[event.version] = event
        }
    }

    @Test("Reliable: every watcher sees every change of every object")
    func reliable() async throws {
        let outcome = try await Self.steady.value
        for events in outcome.seen { #expect(WatchHarness.histories(events) == outcome.written) }
    }

    @Test("Resumable: watches that end at any event and go on from its version miss nothing")
    func resumable() async throws {
        let outcome = try await Self.resuming.value
        for events in outcome.seen { #expect(WatchHarness.histories(events) == outcome.written) }
    }

    @Test("Bookmarkable: a watch that goes on from a bookmark's version misses nothing and repeats nothing")
    func bookmarkable() async throws {
        let harness = WatchHarness {
            $0.time = SystemTime()
            $0.bookmarkInterval = .milliseconds(1)
        }
        let outcome = try await Self.run(harness, query: "&allowWatchBookmarks=true") { _ in { $0 == "BOOKMARK" } }
        for events in outcome.seen { #expect(WatchHarness.histories(events) == outcome.written) }
    }

    @Test("a watcher too slow for its buffer is ended, goes on from its version, and has missed nothing")
    func slow() async throws {
        let harness = WatchHarness { $0.watchBufferLimit = 2 }
        let outcome = try await Self.run(harness)
        for events in outcome.seen { #expect(WatchHarness.histories(events) == outcome.written) }
    }
}

/// Optimistic concurrency: a write from an old version is refused, so nothing that was written gets lost.
@Suite("Concurrent writes of one object", .serialized, .timeLimit(.minutes(3)))
struct ConcurrentWritesTests {
    private static let path = WatchHarness.path + "/counter"
    private let writers = 8
    private let increments = 25

    /// Lets every writer add to one counter with `add`, which answers whether it did.
    private func count(_ add: @escaping @Sendable (TestClient) async throws -> Bool) async throws -> Int {
        let client = TestClient()
        let object: JSONValue = ["metadata": ["name": "counter"], "data": ["count": "0"]]
        #expect(try await client.json(.post, WatchHarness.path, object).code == 201)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<writers {
                group.addTask {
                    var added = 0
                    while added < increments {
                        try Task.checkCancellation()
                        if try await add(client) { added += 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        let found = try await client.json(.get, Self.path).body.at("data", "count")?.string
        return try #require(found.flatMap { Int($0) })
    }

    @Test("no increment is lost by writers that read, add one, replace, and try again on a conflict")
    func replacing() async throws {
        let total = try await count { client in
            var object = try await client.json(.get, Self.path).body
            let now = object.at("data", "count")?.string.flatMap { Int($0) } ?? 0
            object.set(.string(String(now + 1)), at: "data", "count")
            let answer = try await client.json(.put, Self.path, object)
            #expect([200, 409].contains(answer.code))
            return answer.code == 200
        }
        #expect(total == writers * increments)
    }

    @Test("no increment is lost by writers whose JSON patch tests the value that they read")
    func testing() async throws {
        let total = try await count { client in
            let object = try await client.json(.get, Self.path).body
            let text = object.at("data", "count")?.string ?? ""
            let next = String((Int(text) ?? 0) + 1)
            let answer = try await client.json(
                .patch,
                Self.path,
                [
                    ["op": "test", "path": "/data/count", "value": .string(text)],
                    ["op": "replace", "path": "/data/count", "value": .string(next)],
                ],
                headers: ["Content-Type": "application/json-patch+json"]
            )
            #expect([200, 422].contains(answer.code))
            return answer.code == 200
        }
        #expect(total == writers * increments)
    }

    @Test("of many creations of one name exactly one succeeds")
    func creating() async throws {
        let client = TestClient()
        let codes = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    let object: JSONValue = ["metadata": ["name": "one"]]
                    return try await client.json(.post, WatchHarness.path, object).code
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == 201 }.count == 1)
        #expect(codes.filter { $0 == 409 }.count == 15)
    }
}
