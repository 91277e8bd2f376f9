// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import KubeTesting
import Logging
import Synchronization
import Testing

@Suite("Watching", .timeLimit(.minutes(5)))
struct WatchTests {
    /// Something that happens to a watcher.
    enum Step: Sendable {
        case event(WatchEvent)
        case listed(String)
        case listFailed(Int, inPages: Bool)
        case refused(Int, after: Int? = nil, cause: String? = nil)
        case broke(life: Duration = .zero)
        case ended(life: Duration = .zero)
        case stalled
        case resume
    }

    /// A history, and what the machine answers to each step.
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var streams = true
        var steps: [(Step, String)]
        var testDescription: String { name }
    }

    private static func object(_ version: String) -> WatchEvent { .modified(Make.object(.pods, "a", version: version)) }
    private static func bookmark(_ version: String, ends: Bool = false) -> WatchEvent {
        .bookmark(resourceVersion: version, endsInitialList: ends)
    }
    private static let end = Step.event(bookmark("5", ends: true))

    static let rows: [Row] = [
        Row(
            name: "pages, then a watch that resumes from the last event or bookmark",
            streams: false,
            steps: [
                (.listed("5"), "watch 5"), (.event(object("6")), "keep"), (.event(bookmark("9")), "proceed"),
                (.ended(), "watch 9"), (.stalled, "watch 9"),
            ]
        ),
        Row(
            name: "a stream is the list and the watch in one",
            steps: [
                (.event(object("3")), "keep"), (.event(object("2")), "keep"), (end, "listEnds"),
                (.event(object("6")), "keep"), (.ended(), "watch 6"),
            ]
        ),
        Row(
            name: "a stream that breaks before its end begins again, whatever versions it showed",
            steps: [(.event(object("9")), "keep"), (.broke(life: .seconds(9)), "wait 1"), (.resume, "stream")]
        ),
        Row(
            name: "a bookmark before the end of a stream isn't its end",
            steps: [(.event(bookmark("4")), "proceed"), (.stalled, "stream")]
        ),
        Row(
            name: "two broken streams in a row: pages once, then streams again",
            steps: [
                (.broke(), "wait 1"), (.resume, "stream"), (.ended(), "wait 2"), (.resume, "list"),
                (.listFailed(500, inPages: true), "wait 4"), (.resume, "stream"),
            ]
        ),
        Row(
            name: "a server that fails at a stream is asked for pages at once, and where these fail too after a wait",
            steps: [
                (.refused(500), "list"), (.listed("5"), "watch 5"), (.event(object("6")), "keep"),
                (.refused(410), "stream"), (.refused(500), "list"), (.listFailed(500, inPages: true), "wait 4"),
                (.resume, "stream"), (.refused(503), "wait 8"), (.resume, "stream"),
            ]
        ),
        Row(
            name: "a server that fails at streams and forgets at once is slowed down",
            steps: [
                (.refused(500), "list"), (.listed("5"), "watch 5"), (.refused(410), "wait 2"), (.resume, "stream"),
                (.refused(500), "list"),
            ]
        ),
        Row(
            name: "a server that refuses streams is asked for pages for good",
            steps: [
                (.refused(422), "list"), (.listed("5"), "watch 5"), (.refused(410), "list"), (.listed("7"), "watch 7"),
            ]
        ),
        Row(
            name: "a stream that isn't allowed is tried again, since that may change",
            steps: [(.refused(403), "wait 1"), (.resume, "stream")]
        ),
        Row(
            name: "an expired version begins anew at once, then with waits",
            steps: [
                (end, "listEnds"), (.refused(410), "stream"), (end, "listEnds"), (.refused(410), "stream"),
                (.refused(410), "wait 2"), (.resume, "stream"),
            ]
        ),
        Row(
            name: "a version that the server hasn't reached has expired too",
            steps: [(end, "listEnds"), (.refused(504, cause: "ResourceVersionTooLarge"), "stream")]
        ),
        Row(
            name: "an expired page token reads the list in one piece",
            streams: false,
            steps: [
                (.listFailed(410, inPages: true), "list whole"), (.listFailed(410, inPages: false), "wait 1"),
                (.resume, "list"),
            ]
        ),
        Row(
            name: "a busy server is asked for the same version, not before it allows",
            steps: [(end, "listEnds"), (.refused(429, after: 20), "wait 20"), (.resume, "watch 5")]
        ),
        Row(
            name: "a watch that is refused begins anew",
            steps: [(end, "listEnds"), (.refused(400), "wait 1"), (.resume, "stream"), (.refused(400), "list")]
        ),
        Row(
            name: "a lost connection resumes, and one that had lived begins its waits anew",
            steps: [
                (end, "listEnds"), (.broke(), "wait 1"), (.resume, "watch 5"), (.broke(), "wait 2"),
                (.resume, "watch 5"), (.broke(life: .seconds(5)), "wait 1"),
            ]
        ),
        Row(
            name: "a watch that ends at once, again and again, is slowed down",
            streams: false,
            steps: [
                (.listed("5"), "watch 5"), (.ended(), "wait 1"), (.resume, "watch 5"), (.ended(), "wait 2"),
                (.resume, "watch 5"), (.ended(life: .seconds(2)), "watch 5"), (.ended(), "wait 1"),
            ]
        ),
    ]

    @Test("what the machine does next", arguments: rows)
    func decides(row: Row) {
        var machine = WatchStateMachine(
            backoff: Backoff(initial: .seconds(1), maximum: .seconds(8), jitter: 0),
            random: SeededRandom(seed: 1),
            streams: row.streams
        )
        #expect(Self.text(machine.start()) == (row.streams ? "stream" : "list"))
        for (index, (step, expected)) in row.steps.enumerated() {
            #expect(Self.text(step, &machine) == expected, "step \(index + 1)")
        }
    }

    private static func error(_ code: Int, after: Int? = nil, cause: String? = nil) -> KubeError {
        let causes = cause.map { [APIStatus.Cause(reason: $0, message: "", field: "")] } ?? []
        let status = APIStatus(code: code, reason: "", message: "no", causes: causes, retryAfterSeconds: after)
        return KubeError(code: .refused, verb: "watch", resource: "pods", message: "no", status: status)
    }

    private static func text(_ step: Step, _ machine: inout WatchStateMachine) -> String {
        switch step {
        case .listed(let version): return text(machine.listed(version: version))
        case .listFailed(let code, let inPages): return text(machine.listFailed(error(code), inPages: inPages))
        case .broke(let life):
            let error = KubeError(code: .connection, verb: "watch", resource: "pods", message: "no")
            return text(machine.watchFailed(error, life: life))
        case .ended(let life): return text(machine.watchEnded(life: life))
        case .stalled: return text(machine.stalled())
        case .resume: return text(machine.resume())
        case .refused(let code, let after, let cause):
            // The server may say it before the stream or in it.
            var copy = machine
            let failure = error(code, after: after, cause: cause)
            let early = machine.watchFailed(failure, life: .zero)
            if let status = failure.status { #expect(copy.received(.error(status)) == .leave(early)) }
            return text(early)
        case .event(let event):
            switch machine.received(event) {
            case .keep: return "keep"
            case .proceed: return "proceed"
            case .listEnds: return "listEnds"
            case .leave(let action): return "leave \(text(action))"
            }
        }
    }

    private static func text(_ action: WatchStateMachine.Action) -> String {
        switch action {
        case .stream: "stream"
        case .list(let inPages): inPages ? "list" : "list whole"
        case .watch(let version): "watch \(version)"
        case .wait(let duration): "wait \(duration.components.seconds)"
        }
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

    private static func line(_ type: String, _ object: JSONValue) -> String {
        (["type": .string(type), "object": object] as JSONValue).jsonText
    }

    private static func stream(_ texts: [String], open: Bool = false) -> ScriptedExchange.Answer {
        let body = AsyncStream<[UInt8]> { continuation in
            for text in texts { continuation.yield(Array("\(text)\n".utf8)) }
            if !open { continuation.finish() }
        }
        return .response(HTTPResponseMessage(head: HTTPResponse(status: .ok), body: StreamingBody(body)))
    }

    private static let expired = line("ERROR", ["kind": "Status", "code": 410, "reason": "Expired"])

    private static func end(_ version: String) -> String {
        let annotations: JSONValue = ["k8s.io/initial-events-end": "true"]
        return line("BOOKMARK", ["metadata": ["resourceVersion": .string(version), "annotations": annotations]])
    }

    private static func added(_ name: String, _ version: String) -> String {
        line("ADDED", Make.object(.pods, name, version: version).json)
    }

    /// How the API server answers a watcher, with streams and without.
    private static func script(streams: Bool) -> [ScriptedExchange.Answer] {
        let rest: [ScriptedExchange.Answer] = [stream([], open: true), .silence]
        guard !streams else {
            return [
                stream([added("a", "3"), added("b", "2"), end("5"), added("c", "6"), expired]),
                stream([added("b", "2"), end("8")]),
            ] + rest
        }
        return [
            .json(200, Make.list(.pods, [Make.pod("a")], version: "5", continueToken: "t")),
            .json(200, Make.list(.pods, [Make.pod("b")], version: "5")), stream([added("c", "6"), expired]),
            .json(200, Make.list(.pods, [Make.pod("b")], version: "8")),
        ] + rest
    }

    @Test(
        "a watcher notices what was deleted while it was away, and reconnects after silence",
        arguments: [true, false]
    )
    func watcher(streams: Bool) async throws {
        let script = Self.script(streams: streams)
        let exchange = ScriptedExchange(script)
        let time = ManualTime()
        let changes = Mutex<[String]>([])
        let client = KubeClient(exchange: exchange, time: time)
        let watcher = Watcher(client: client, type: .pods, streams: streams, time: time) { change in
            changes.withLock { $0.append("\(change.after == nil ? "-" : "+")\(change.key.name)") }
        }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watcher.run() }
            while exchange.sent.count < script.count {
                // Only the silent watch needs time to pass; a request in flight would run into its own limit.
                if exchange.sent.count == script.count - 1 { time.advance(by: .seconds(50)) }
                await Task.yield()
            }
            group.cancelAll()
        }
        #expect(changes.withLock { $0 } == ["+a", "+b", "+c", "-a", "-c"])
        #expect(exchange.sent[script.count - 1].target.contains("resourceVersion=8"))
        #expect(exchange.sent[0].target.contains("sendInitialEvents=true") == streams)
        #expect(watcher.store.all().map(\.name) == ["b"])
    }

    /// A pod that is nested too deeply to be read.
    private static func deep(_ name: String, _ version: String) -> JSONValue {
        var value: JSONValue = 1
        for _ in 0..<600 { value = ["a": value] }
        var pod = Make.object(.pods, name, version: version).json
        pod["spec"] = value
        return pod
    }

    /// What an API server answers that has pods which can't be read.
    private static func deepScript(streams: Bool) -> [ScriptedExchange.Answer] {
        let changes = [
            line("MODIFIED", deep("a", "6")), added("c", "7"), line("DELETED", deep("c", "8")), added("e", "9"),
            expired,
        ]
        let rest: [ScriptedExchange.Answer] = [stream([], open: true), .silence]
        guard !streams else {
            let first = [added("a", "3"), line("ADDED", deep("d", "4")), end("5")]
            return [stream(first + changes), stream([line("ADDED", deep("a", "6")), end("10")])] + rest
        }
        let (a, d) = (Make.object(.pods, "a", version: "3"), KubeObject(deep("d", "4")))
        return [
            .json(200, Make.list(.pods, [a, d], version: "5")), stream(changes),
            .json(200, Make.list(.pods, [KubeObject(deep("a", "6"))], version: "10")),
        ] + rest
    }

    @Test(
        "an object that can't be read holds up no other, and isn't taken for deleted while it is there",
        arguments: [true, false]
    )
    func unreadable(streams: Bool) async throws {
        let script = Self.deepScript(streams: streams)
        let exchange = ScriptedExchange(script)
        let time = ManualTime()
        let changes = Mutex<[String]>([])
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let watcher = Watcher(
            client: KubeClient(exchange: exchange, time: time),
            type: .pods,
            streams: streams,
            time: time,
            logger: logger
        ) { change in
            changes.withLock { $0.append("\(change.after == nil ? "-" : "+")\(change.key.name)") }
        }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await watcher.run() }
            while exchange.sent.count < script.count, !Task.isCancelled {
                if exchange.sent.count == script.count - 1 { time.advance(by: .seconds(50)) }
                await Task.yield()
            }
            group.cancelAll()
        }
        #expect(changes.withLock { $0 } == ["+a", "+c", "-c", "+e", "-e"])
        #expect(watcher.store.all().map { $0.resourceVersion } == ["3"], "as it could be read last")
        #expect(exchange.sent[script.count - 1].target.contains("resourceVersion=10"))
    }

    @Test("watchers of several namespaces fill one store, and none drops what another keeps")
    func namespaces() async throws {
        let client = KubeClient(exchange: APIServer())
        let store = ObjectStore(.packed)
        for name in ["x", "y", "z"] {
            try await client.create(.namespaces, KubeObject(.namespaces, namespace: nil, name: name))
            try await client.create(.configMaps, KubeObject(.configMaps, namespace: name, name: "c"))
        }
        let watchers = ["x", "y"].map { Watcher(client: client, type: .configMaps, namespace: $0, store: store) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for watcher in watchers { group.addTask { try await watcher.run() } }
            try await store.waitUntilSynced()
            #expect(store.keys().map(\.description) == ["x/c", "y/c"])
            try await client.delete(.configMaps, ObjectKey(namespace: "y", name: "c"))
            while store.count > 1, !Task.isCancelled { await Task.yield() }
            group.cancelAll()
        }
        #expect(store.keys().map(\.description) == ["x/c"])
    }
}
