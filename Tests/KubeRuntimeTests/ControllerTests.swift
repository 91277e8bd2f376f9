// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Controllers", .timeLimit(.minutes(5)))
struct ControllerTests {
    private static var quietLogger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private func key(_ name: String) -> ObjectKey { ObjectKey(namespace: "default", name: name) }

    /// What a reconciler saw.
    private final class Diary: Sendable {
        let entries = Mutex<[String]>([])
        func note(_ text: String) { entries.withLock { $0.append(text) } }
        var texts: [String] { entries.withLock { $0 } }
        func wait(for count: Int) async { while texts.count < count && !Task.isCancelled { await Task.yield() } }
    }

    private func controller(
        _ time: ManualTime,
        stores: [ObjectStore] = [],
        _ reconcile: @escaping @Sendable (ObjectKey) async throws -> ReconcileOutcome
    ) -> Controller {
        let backoff = Backoff(initial: .seconds(1), maximum: .seconds(64), jitter: 0)
        return Controller(
            name: "test",
            reconciler: ClosureReconciler(reconcile),
            queue: WorkQueue(backoff: backoff, time: time),
            deadline: .seconds(10),
            awaiting: stores,
            time: time,
            logger: Self.quietLogger
        )
    }

    private func withRunning(_ controller: Controller, _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await controller.run() }
            try await body()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    @Test("nothing is reconciled before the stores are filled, then everything that was queued")
    func waitsForStores() async throws {
        let diary = Diary()
        let store = ObjectStore()
        let controller = controller(ManualTime(), stores: [store]) { key in
            diary.note("\(key.name) \(store.isSynced)")
            return .awaitChange
        }
        controller.enqueue(key("a"))
        try await withRunning(controller) {
            for _ in 0..<100 { await Task.yield() }
            #expect(diary.texts.isEmpty)
            store.replaceAll([])
            await diary.wait(for: 1)
            #expect(diary.texts == ["a true"])
        }
    }

    @Test("what a reconcile answers or throws decides when its key comes back")
    func dispositions() async throws {
        let time = ManualTime()
        let diary = Diary()
        let start = time.now()
        func refusal(_ code: Int, after: Int? = nil) -> KubeError {
            let status = APIStatus(code: code, reason: "", message: "no", retryAfterSeconds: after)
            return KubeError(code: .refused, verb: "apply", resource: "pods", message: "no", status: status)
        }
        let errors = [
            "conflict": refusal(409), "busy": refusal(429, after: 7), "invalid": refusal(422),
            "forbidden": refusal(403),
            "stranger": refusal(401),
        ]
        let controller = controller(time) { key in
            diary.note("\(key.name) \(Int((time.now() - start).inSeconds))")
            if key.name == "again" { return .requeue(after: .seconds(5)) }
            if let error = errors[key.name] { throw error }
            return .awaitChange
        }
        for name in ["again", "done"] + errors.keys.sorted() { controller.enqueue(key(name)) }
        try await withRunning(controller) {
            await diary.wait(for: 7)
            var second = 0
            while second < 70 {
                while !controller.queue.isIdle, !Task.isCancelled { await Task.yield() }
                await time.waitForSleepers(1)
                time.advance(by: .seconds(1))
                for _ in 0..<20 { await Task.yield() }
                second += 1
            }
        }
        func times(_ name: String) -> [Int] {
            diary.texts.filter { $0.hasPrefix("\(name) ") }.compactMap { Int($0.split(separator: " ")[1]) }
        }
        #expect(times("done") == [0])
        #expect(times("again").prefix(4) == [0, 5, 10, 15])
        #expect(times("conflict").prefix(4) == [0, 1, 3, 7], "along the backoff")
        for name in ["forbidden", "stranger"] {
            #expect(times(name).prefix(4) == [0, 1, 3, 7], "an API server that starts refuses what it allows later")
        }
        #expect(times("busy").prefix(3) == [0, 7, 14], "not before Retry-After")
        #expect(times("invalid").prefix(2) == [0, 64], "at the longest backoff")
    }

    @Test("a reconcile that takes too long is cancelled, and tried again")
    func deadline() async throws {
        let time = ManualTime()
        let diary = Diary()
        let controller = controller(time) { _ in
            diary.note("begun")
            do {
                if diary.texts.count == 1 { try await time.sleep(for: .seconds(1000)) }
            } catch {
                diary.note("cancelled")
                throw error
            }
            return .awaitChange
        }
        controller.enqueue(key("a"))
        try await withRunning(controller) {
            await diary.wait(for: 1)
            await time.waitForSleepers(2)
            time.advance(by: .seconds(10))
            await diary.wait(for: 2)
            while controller.queue.delayedCount == 0, !Task.isCancelled { await Task.yield() }
            await time.waitForSleepers(1)
            time.advance(by: .seconds(1))
            await diary.wait(for: 3)
        }
        #expect(diary.texts == ["begun", "cancelled", "begun"])
    }

    @Test("graceful shutdown lets the reconcile in hand end, and begins no other")
    func shutdown() async throws {
        let diary = Diary()
        let gate = Atomic<Bool>(false)
        let controller = Controller(
            name: "test",
            reconciler: ClosureReconciler { key in
                diary.note("begun \(key.name)")
                while !gate.load(ordering: .relaxed), !Task.isCancelled { await Task.yield() }
                diary.note("ended \(key.name) \(Task.isCancelled)")
                return .awaitChange
            },
            workers: 1,
            logger: Self.quietLogger
        )
        controller.enqueue(key("a"))
        controller.enqueue(key("b"))
        let services = ServiceGroup(services: [controller], logger: Self.quietLogger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            await diary.wait(for: 1)
            await services.triggerGracefulShutdown()
            for _ in 0..<50 { await Task.yield() }
            gate.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        #expect(diary.texts == ["begun a", "ended a false"])
    }

    @Test("a change is for its owner, for the name in a label, and first where a spec changed")
    func enqueueing() async {
        let controller = controller(ManualTime()) { _ in .awaitChange }
        let store = ObjectStore(.packed)
        let owner = Make.object(.deployments, "d", uid: "u")
        let changes = [
            store.put(Make.pod("a", labels: ["of": "x"], owner: owner)),
            store.put(Make.pod("b", labels: ["of": "y"])),
        ].compactMap(\.self)
        for change in changes { controller.enqueuesOwner(.deployments)(change) }
        #expect(await controller.queue.next() == key("d"))
        #expect(controller.queue.count == 0)
        if let moved = store.put(Make.pod("b", labels: ["of": "z"])) { controller.enqueuesNamed(inLabel: "of")(moved) }
        let named = [await controller.queue.next(), await controller.queue.next()]
        #expect(named == [key("y"), key("z")])
        var model = Make.object(.deployments, "m", uid: "m")
        model["metadata", "generation"] = 1
        store.put(model)
        model["status", "replicas"] = 1
        if let change = store.put(model) { controller.enqueuesObject(change) }
        var second = Make.object(.deployments, "n", uid: "n")
        second["metadata", "generation"] = 1
        store.put(second)
        second["metadata", "generation"] = 2
        if let change = store.put(second) { controller.enqueuesObject(change) }
        let order = [await controller.queue.next(), await controller.queue.next()]
        #expect(order == [key("n"), key("m")])
    }

    @Test("events: a repeat raises a count, each object has a budget, and a lost event is written anew")
    func events() async throws {
        let client = KubeClient(exchange: APIServer())
        let time = ManualTime()
        let recorder = EventRecorder(
            client: client,
            component: "modelfleet",
            instance: "pod-1",
            time: time,
            random: SeededRandom(seed: 1),
            logger: Self.quietLogger
        )
        let object = try await client.create(.configMaps, Make.object(.configMaps, "c"))
        func events() async throws -> [KubeObject] { try await client.list(.events, namespace: "default").items }
        for _ in 0..<3 {
            await recorder.record(object, .warning, reason: "Failed", message: "no")
            time.advance(by: .seconds(1))
        }
        let event = try #require(try await events().first)
        #expect(try await events().count == 1)
        #expect(event["count"] == 3 && event["type"] == "Warning" && event["reason"] == "Failed")
        #expect(event["involvedObject", "uid"]?.string == object.uid)
        #expect(event["reportingInstance"] == "pod-1")
        #expect(event["firstTimestamp"] != event["lastTimestamp"])
        try await client.delete(.events, event.key)
        await recorder.record(object, .warning, reason: "Failed", message: "no")
        #expect(try await events().map { $0["count"] } == [1])
        for number in 0..<60 { await recorder.record(object, .normal, reason: "Many", message: "\(number)") }
        #expect(try await events().count == 26, "25 of a type at once")
        time.advance(by: .seconds(600))
        for number in 0..<60 { await recorder.record(object, .normal, reason: "More", message: "\(number)") }
        #expect(try await events().count == 28, "one more every five minutes")
        await recorder.record(object, .warning, reason: "RolledBack", message: "worse")
        #expect(try await events().count == 29, "no good news takes the place of a warning")
        await recorder.record(
            Make.object(.configMaps, "x", uid: "x"),
            .normal,
            reason: "Long",
            message: .init(repeating: "é", count: 999)
        )
        let long = try await events().first { $0["reason"] == "Long" }
        #expect(long?["message"]?.string?.utf8.count ?? 9999 <= 1024)
    }
}
