// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeTesting
import Synchronization
import Testing

@Suite("Watching", .timeLimit(.minutes(1)))
struct WatchTests {
    private func machine() -> WatchStateMachine {
        WatchStateMachine(
            backoff: Backoff(initial: .seconds(1), maximum: .seconds(8), jitter: 0),
            random: SeededRandom(seed: 1)
        )
    }

    private func error(_ code: Int, _ reason: String = "", after: Int? = nil) -> KubeError {
        KubeError(
            code: .refused,
            verb: "list",
            resource: "pods",
            message: "no",
            status: APIStatus(code: code, reason: reason, message: "no", retryAfterSeconds: after)
        )
    }

    @Test("lists, watches from the list's version, and resumes from the last event or bookmark")
    func resumes() {
        var machine = machine()
        #expect(machine.start() == .list)
        #expect(machine.listed(version: "5") == .watch(from: "5"))
        let event = WatchEvent.modified(Make.object(.pods, "a", version: "6"))
        #expect(machine.received(event) == .change(event))
        #expect(machine.received(.bookmark(resourceVersion: "9", endsInitialList: false)) == .proceed)
        #expect(machine.watchEnded(life: .zero) == .watch(from: "9"))
        #expect(machine.stalled() == .watch(from: "9"))
    }

    @Test("lists again at once when the version expired, then with growing waits")
    func expired() {
        var machine = machine()
        _ = machine.listed(version: "5")
        let gone = WatchEvent.error(APIStatus(code: 410, reason: "Expired", message: "old"))
        #expect(machine.received(gone) == .leave(.list))
        _ = machine.listed(version: "5")
        #expect(machine.watchFailed(error(410, "Expired"), life: .zero) == .wait(.seconds(2)))
        #expect(machine.resume() == .list)
    }

    @Test("failures wait along the backoff and honour Retry-After; success starts it anew")
    func waits() {
        var machine = machine()
        #expect(machine.listFailed(error(403)) == .wait(.seconds(1)))
        #expect(machine.listFailed(error(403)) == .wait(.seconds(2)))
        #expect(machine.listFailed(error(429, after: 20)) == .wait(.seconds(20)))
        #expect(machine.resume() == .list)
        _ = machine.listed(version: "5")
        _ = machine.received(.bookmark(resourceVersion: "6", endsInitialList: false))
        #expect(machine.watchFailed(error(503), life: .seconds(5)) == .wait(.seconds(1)))
        #expect(machine.resume() == .watch(from: "6"))
    }

    @Test("a watch that ends at once, again and again, is slowed down")
    func shortWatches() {
        var machine = machine()
        _ = machine.listed(version: "5")
        #expect(machine.watchEnded(life: .milliseconds(10)) == .wait(.seconds(1)))
        #expect(machine.watchEnded(life: .milliseconds(10)) == .wait(.seconds(2)))
        #expect(machine.watchEnded(life: .seconds(2)) == .watch(from: "5"))
        #expect(machine.watchEnded(life: .milliseconds(10)) == .wait(.seconds(1)))
    }

    @Test("a store tells what a new list changed, and finds objects by owner and label")
    func store() {
        let owner = Make.object(.deployments, "d", uid: "u1")
        let store = ObjectStore()
        var pod = Make.pod("a", labels: ["x": "1"], owner: owner)
        pod["metadata", "managedFields"] = [["manager": "m"]]
        #expect(store.replaceAll([pod, Make.pod("b")]).count == 2)
        #expect(store.object(pod.key)?["metadata", "managedFields"] == nil)
        #expect(store.owned(byUID: "u1").map(\.name) == ["a"])
        #expect(store.matching(LabelSelector(matching: ["x": "1"])).map(\.name) == ["a"])
        let changes = store.replaceAll([Make.pod("b"), Make.pod("c")])
        #expect(changes.map(\.key.name) == ["a", "c"])
        #expect(changes.first?.new == nil && changes.first?.old?.name == "a")
        #expect(store.owned(byUID: "u1").isEmpty)
        #expect(store.put(Make.pod("c")) == nil, "the same object is no change")
        #expect(store.isSynced)
    }

    @Test("waiting for a store ends when it is filled, and when it is cancelled")
    func waitsForSync() async throws {
        let store = ObjectStore()
        let cancelled = Task { try await store.waitUntilSynced() }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        async let synced: Void = store.waitUntilSynced()
        store.replaceAll([])
        try await synced
    }

    @Test("a watcher notices what was deleted while it was away, and reconnects after silence")
    func watcher() async throws {
        let lines = [
            #"{"type":"ADDED","object":{"metadata":{"name":"c","namespace":"default","resourceVersion":"6"}}}"#
        ]
        let expired = #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#
        func stream(_ texts: [String], open: Bool = false) -> ScriptedExchange.Answer {
            let body = AsyncStream<[UInt8]> { continuation in
                for text in texts { continuation.yield(Array("\(text)\n".utf8)) }
                if !open { continuation.finish() }
            }
            return .response(HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body)))
        }
        let exchange = ScriptedExchange([
            .json(200, Make.list(.pods, [Make.pod("a"), Make.pod("b")], version: "5")),
            stream(lines + [expired]),
            .json(200, Make.list(.pods, [Make.pod("b")], version: "8")),
            stream([], open: true),
            .silence,
        ])
        let time = ManualTime()
        let changes = Mutex<[String]>([])
        let watcher = Watcher(client: KubeClient(exchange: exchange, time: time), type: .pods, time: time) { change in
            changes.withLock { $0.append("\(change.old == nil ? "+" : "-")\(change.key.name)") }
        }
        let task = Task { try await watcher.run() }
        while exchange.sent.count < 4 { await Task.yield() }
        #expect(changes.withLock { $0 } == ["+a", "+b", "+c", "-a", "-c"])
        while exchange.sent.count < 5 {
            time.advance(by: .seconds(50))
            await Task.yield()
        }
        #expect(exchange.sent[4].target.contains("resourceVersion=8"))
        task.cancel()
        try await task.value
        #expect(watcher.store.all().map(\.name) == ["b"])
    }
}
