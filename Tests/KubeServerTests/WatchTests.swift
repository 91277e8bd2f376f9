// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeServer
import Testing

@Suite("Watches and lists of the embedded API server")
struct WatchTests {
    private let path = "/api/v1/namespaces/default/configmaps"

    @Test("a watch sends what exists, then each change in order", .timeLimit(.minutes(3)))
    func order() async throws {
        let client = TestClient()
        try await client.configMap("a")
        let response = await client.send(.get, path + "?watch=1")
        var iterator = response.body.makeAsyncIterator()
        #expect(try await TestClient.events(&iterator, 1) == ["ADDED a"])
        try await client.configMap("b")
        _ = await client.send(
            .patch,
            path + "/a",
            ["data": ["a": "2"]],
            headers: ["Content-Type": "application/merge-patch+json"]
        )
        _ = await client.send(.delete, path + "/b")
        #expect(try await TestClient.events(&iterator, 3) == ["ADDED b", "MODIFIED a", "DELETED b"])
    }

    @Test("the watch in the path, which older clients ask for, is one with a parameter", .timeLimit(.minutes(3)))
    func pathOfOldWatch() async throws {
        let client = TestClient()
        try await client.configMap("a")
        try await client.configMap("b")
        let paths = [
            "/api/v1/watch/configmaps", "/api/v1/watch/namespaces/default/configmaps",
            "/api/v1/watch/namespaces/default/configmaps/b", "/api/v1/watch/namespaces",
            "/api/v1/watch/namespaces/default",
            "/apis/apiregistration.k8s.io/v1/watch/apiservices?timeoutSeconds=1",
        ]
        var found: [[String]] = []
        for path in paths.dropLast() {
            var iterator = await client.send(.get, path).body.makeAsyncIterator()
            found.append(try await TestClient.events(&iterator, 1))
        }
        #expect(
            found == [
                ["ADDED a", "ADDED b"], ["ADDED a", "ADDED b"], ["ADDED b"],
                ["ADDED default", "ADDED kube-node-lease", "ADDED kube-public", "ADDED kube-system"],
                ["ADDED default"],
            ]
        )
        #expect(await client.send(.get, paths[5]).head.status == .ok)
    }

    @Test("of the watch in the path, another name in the selector and other methods are refused")
    func refusedOldWatch() async throws {
        let client = TestClient()
        let path = "/api/v1/watch/namespaces/default/configmaps/b"
        let other = try await client.json(.get, path + "?fieldSelector=metadata.name%3Da")
        #expect(other.code == 400)
        #expect(other.body["message"] == "fieldSelector metadata.name doesn't match requested name")
        #expect(await client.send(.get, path + "?fieldSelector=metadata.name%3Db").head.status == .ok)
        #expect(try await client.json(.post, path, [:]).code == 405)
        #expect(try await client.json(.get, "/api/v1/watch/nothings").code == 404)
    }

    @Test("an object that leaves the selection is deleted for the watcher", .timeLimit(.minutes(3)))
    func selection() async throws {
        let client = TestClient()
        let response = await client.send(.get, path + "?watch=1&labelSelector=k%3D1")
        var iterator = response.body.makeAsyncIterator()
        try await client.configMap("other")
        try await client.configMap("a", labels: ["k": "1"])
        _ = await client.send(
            .patch,
            path + "/a",
            ["metadata": ["labels": ["k": "2"]]],
            headers: ["Content-Type": "application/merge-patch+json"]
        )
        #expect(try await TestClient.events(&iterator, 2) == ["ADDED a", "DELETED a"])
    }

    @Test("a streamed list ends with a marked bookmark, and bookmarks follow each minute", .timeLimit(.minutes(3)))
    func bookmarks() async throws {
        let client = TestClient()
        try await client.configMap("a")
        let response = await client.send(
            .get,
            path + "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        )
        var iterator = response.body.makeAsyncIterator()
        let first = try #require(try await iterator.next())
        #expect(String(decoding: first, as: UTF8.self).contains("\"k8s.io/initial-events-end\":\"true\""))
        async let mover: Void = {
            await client.time.waitForSleeper()
            client.time.advance(by: .seconds(60))
        }()
        #expect(try await TestClient.events(&iterator, 1) == ["BOOKMARK "])
        await mover
    }

    @Test("a watch that reaches its timeout ends", .timeLimit(.minutes(3)))
    func timeout() async throws {
        let client = TestClient()
        let response = await client.send(.get, path + "?watch=1&timeoutSeconds=5")
        var iterator = response.body.makeAsyncIterator()
        async let mover: Void = {
            await client.time.waitForSleeper()
            client.time.advance(by: .seconds(5))
        }()
        #expect(try await iterator.next() == nil)
        await mover
    }

    @Test("a watcher that doesn't read is closed when its buffer is full", .timeLimit(.minutes(3)))
    func slow() async throws {
        let client = TestClient { $0.watchBufferLimit = 3 }
        let response = await client.send(.get, path + "?watch=1")
        for name in ["a", "b", "c", "d", "e"] { try await client.configMap(name) }
        var iterator = response.body.makeAsyncIterator()
        #expect(try await TestClient.events(&iterator, 9) == ["ADDED a", "ADDED b", "ADDED c"])
    }

    @Test("letting go of a watch's body unregisters the watcher")
    func dropping() async throws {
        let client = TestClient()
        var response: HTTPResponseMessage? = await client.send(.get, path + "?watch=1")
        #expect(client.server.watchCount == 1)
        #expect(response != nil)
        response = nil
        #expect(client.server.watchCount == 0)
    }

    @Test("a watch from a forgotten version gets 410 Expired", .timeLimit(.minutes(3)))
    func expired() async throws {
        let client = TestClient { $0.historyLimit = 2 }
        for name in ["a", "b", "c", "d"] { try await client.configMap(name) }
        let response = await client.send(.get, path + "?watch=1&resourceVersion=2")
        var iterator = response.body.makeAsyncIterator()
        #expect(try await TestClient.events(&iterator, 2) == ["ERROR Expired"])
    }

    @Test("the pages of a list show one state although objects change in between")
    func pages() async throws {
        let client = TestClient()
        for name in ["a", "b", "c", "d"] { try await client.configMap(name) }
        let first = try await client.json(.get, path + "?limit=2").body
        #expect(first.at("metadata", "remainingItemCount") == 2)
        _ = await client.send(.delete, path + "/c")
        try await client.configMap("e")
        let token = try #require(first.at("metadata", "continue")?.string)
        let second = try await client.json(.get, path + "?limit=2&continue=\(token)").body
        let names = (second["items"]?.array ?? []).compactMap { $0.at("metadata", "name")?.string }
        #expect(names == ["c", "d"])
        #expect(second.at("metadata", "resourceVersion") == first.at("metadata", "resourceVersion"))
        #expect(second.at("metadata", "continue") == nil)
    }

    @Test("a page of a forgotten state is refused with 410 Expired")
    func expiredPage() async throws {
        let client = TestClient { $0.historyLimit = 2 }
        for name in ["a", "b", "c"] { try await client.configMap(name) }
        let first = try await client.json(.get, path + "?limit=2").body
        let token = try #require(first.at("metadata", "continue")?.string)
        for name in ["d", "e", "f"] { try await client.configMap(name) }
        let second = try await client.json(.get, path + "?limit=2&continue=\(token)")
        #expect(second.code == 410)
        #expect(second.body["reason"] == "Expired")
    }
}

extension ManualTime {
    /// Waits until a task is asleep.
    fileprivate func waitForSleeper() async {
        while sleeperCount == 0 && !Task.isCancelled { await Task.yield() }
    }
}
