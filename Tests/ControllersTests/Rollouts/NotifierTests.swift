// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import FleetAPI
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeRuntime
import KubeServer
import Logging
import Synchronization
import Testing
import TransportSecurity

@testable import Controllers

/// A receiver of notifications.
private final class Receiver: HTTPExchange {
    struct Call: Sendable {
        var host: String
        var number: Int
        var event: String
        var fields: HTTPFields
        var body: [UInt8]
    }

    let calls = Mutex<[Call]>([])
    /// The status to answer a call of a host with, by the number of its calls before.
    private let answer: @Sendable (_ host: String, _ count: Int) async throws -> HTTPResponseMessage

    init(_ answer: @escaping @Sendable (_ host: String, _ count: Int) async throws -> HTTPResponseMessage) {
        self.answer = answer
    }

    func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
        let body = try await request.body.collect(upTo: 100_000)
        let json = try JSONValue(parsing: body)
        let host = request.head.authority ?? ""
        let call = Call(
            host: host,
            number: json["number"]?.int ?? 0,
            event: json["event"]?.string ?? "",
            fields: request.head.headerFields,
            body: body
        )
        let count = calls.withLock { calls in
            calls.append(call)
            return calls.count { $0.host == host } - 1
        }
        return try await answer(host, count)
    }

    func numbers(_ host: String) -> [Int] { calls.withLock { $0.filter { $0.host == host }.map(\.number) } }
}

private func status(_ code: Int) -> HTTPResponseMessage {
    HTTPResponseMessage(status: HTTPResponse.Status(code: code), text: "")
}

@Suite("Rollout notifications", .timeLimit(.minutes(5)))
struct NotifierTests {
    private let time = ManualTime()
    private let key = ObjectKey(namespace: "default", name: "m")

    private func notifier(
        _ receiver: any HTTPExchange,
        client: KubeClient? = nil,
        onTold: @escaping @Sendable () -> Void = {}
    )
        -> Notifier
    {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let recorder = client.map { EventRecorder(client: $0, component: "modelfleet", time: time, logger: logger) }
        return Notifier(
            client: client ?? KubeClient(exchange: APIServer()),
            exchange: receiver,
            time: time,
            random: SeededRandom(seed: 1),
            recorder: recorder,
            logger: logger
        ) { _ in onTold() }
    }

    /// A model whose status has these transitions.
    private func model(_ targets: [JSONValue], _ numbers: ClosedRange<Int>, notified: Int, uid: String = "u")
        -> KubeObject
    {
        let events: [RolloutTransition.Event] = [.started, .stepStarted, .promoted]
        let transitions = numbers.map { number in
            RolloutTransition(number: number, events[number % 3], revision: 2, message: "x", time: time.now()).json
        }
        var object = OperatorHarness.model()
        object["metadata", "uid"] = .string(uid)
        object["spec", "rollout"] = ["notifications": .array(targets)]
        object["status"] = ["rollout": ["transitions": .array(transitions), "notified": JSONValue(notified)]]
        return object
    }

    /// Runs the notifier and moves the time in small steps until `isDone`.
    private func run(_ notifier: Notifier, until isDone: @escaping @Sendable () -> Bool) async {
        await withTaskGroup { group in
            group.addTask { try? await notifier.run() }
            while !isDone(), !Task.isCancelled {
                time.advance(by: .milliseconds(250))
                for _ in 0..<20 { await Task.yield() }
            }
            group.cancelAll()
        }
    }

    @Test("tells each target in order, once each attempt was answered, and only what it wants")
    func order() async {
        let receiver = Receiver { host, count in status(host == "b:1" && count < 3 ? 503 : 200) }
        let notifier = notifier(receiver)
        let targets: [JSONValue] = [
            ["url": "http://a:1/hook"], ["url": "http://b:1/hook"], ["url": "http://c:1/hook", "events": ["Promoted"]],
            ["url": "no address"],
        ]
        notifier.note(model(targets, 1...6, notified: 0))
        await run(notifier) { notifier.told(key) == 6 }
        #expect(receiver.numbers("a:1") == [1, 2, 3, 4, 5, 6])
        #expect(receiver.numbers("b:1") == [1, 1, 1, 1, 2, 3, 4, 5, 6])
        #expect(receiver.numbers("c:1") == [2, 5])
    }

    @Test("a target that is away delays no other, and is told when it is back; waits grow up to five minutes")
    func away() async {
        let start = time.now()
        let (time, key) = (time, key)
        let attempts = Mutex<[Double]>([])
        let receiver = Receiver { host, _ in
            guard host == "away:1" else { return status(200) }
            let passed = (time.now() - start).inSeconds
            attempts.withLock { $0.append(passed) }
            if passed < 3600 { throw CancellationError() }
            return status(204)
        }
        let notifier = notifier(receiver)
        notifier.note(model([["url": "http://away:1/"], ["url": "http://a:1/"]], 1...2, notified: 0))
        await run(notifier) { receiver.numbers("a:1") == [1, 2] }
        #expect(time.now() - start < .seconds(5))
        #expect(notifier.told(key) == 0)
        await run(notifier) { notifier.told(key) == 2 }
        let times = attempts.withLock { $0 }
        #expect(times.count < 30)
        let waits = zip(times.dropFirst(), times).map { $0 - $1 }
        // The backoff, and what the hand that moves the time adds.
        #expect(waits.dropLast().allSatisfy { $0 <= 400 })
        #expect((waits.dropLast(2).max() ?? 0) > 200)
    }

    @Test("what was told but not yet noted in status is told again after a restart; what was noted isn't")
    func restart() async {
        let receiver = Receiver { _, _ in status(200) }
        let targets: [JSONValue] = [["url": "http://a:1/"]]
        let first = notifier(receiver)
        first.note(model(targets, 1...3, notified: 0))
        let key = key
        await run(first) { first.told(key) == 3 }
        // The process dies; status says that 1 was told.
        let second = notifier(receiver)
        second.note(model(targets, 1...4, notified: 1))
        await run(second) { second.told(key) == 4 }
        #expect(receiver.numbers("a:1") == [1, 2, 3, 2, 3, 4])
        let ids = receiver.calls.withLock { calls in
            calls.map { $0.fields[HTTPField.Name("X-ModelFleet-Delivery") ?? .accept] ?? "" }
        }
        #expect(ids == ["u/1", "u/2", "u/3", "u/2", "u/3", "u/4"])
        // Nothing is open: nothing is remembered.
        second.note(model(targets, 1...4, notified: 4))
        #expect(second.told(key) == nil)
    }

    @Test("signs the body with the Secret's key, and never sends it unsigned")
    func signature() async throws {
        let client = KubeClient(exchange: APIServer())
        let receiver = Receiver { _, _ in status(200) }
        let notifier = notifier(receiver, client: client)
        notifier.note(
            model([["url": "http://a:1/", "secretName": "hook"], ["url": "http://b:1/"]], 1...1, notified: 0)
        )
        await run(notifier) { receiver.numbers("b:1") == [1] }
        #expect(receiver.numbers("a:1").isEmpty)
        let secret: JSONValue = [
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": "hook", "namespace": "default"],
            "stringData": ["key": "s3cret", "other": "x"],
        ]
        try await client.create(.secrets, KubeObject(secret))
        let key = key
        await run(notifier) { notifier.told(key) == 1 }
        let call = try #require(receiver.calls.withLock { $0.first { $0.host == "a:1" } })
        let code = try HMACSHA256.hex(of: call.body, key: Array("s3cret".utf8))
        #expect(call.fields[try #require(HTTPField.Name("X-ModelFleet-Signature"))] == "sha256=\(code)")
        #expect(call.fields[try #require(HTTPField.Name("X-ModelFleet-Event"))] == "StepStarted")
        let json = try JSONValue(parsing: call.body)
        #expect(json["model"] == "m" && json["namespace"] == "default" && json["id"] == "u/1")
        let other = receiver.calls.withLock { $0.first { $0.host == "b:1" } }
        #expect(other?.fields[try #require(HTTPField.Name("X-ModelFleet-Signature"))] == nil)
    }

    @Test(
        "a target that isn't reached for some seconds is told of with the model, ever more seldom; one that is gone at once"
    )
    func trouble() async throws {
        let client = KubeClient(exchange: APIServer())
        let receiver = Receiver { host, count in
            status(host == "gone:1" ? 410 : host == "slow:1" && count > 2 || host == "b:1" ? 200 : 500)
        }
        let notifier = notifier(receiver, client: client)
        let targets: [JSONValue] = [
            ["url": "http://gone:1/"], ["url": "http://slow:1/"], ["url": "http://sick:1/token"],
            ["url": "http://b:1/", "secretName": "hook"],
        ]
        notifier.note(model(targets, 1...1, notified: 0))
        await run(notifier) { receiver.numbers("sick:1").count > 9 && receiver.numbers("slow:1").count > 3 }
        let told = try await client.list(.events, namespace: "default").items
        #expect(told.allSatisfy { $0["reason"] == "NotificationFailed" && $0["type"] == "Warning" })
        #expect(told.allSatisfy { $0["involvedObject", "name"] == "m" && $0["involvedObject", "uid"] == "u" })
        let counts = told.reduce(into: [String: Int]()) { $0[$1["message"]?.string ?? ""] = $1["count"]?.int }
        let sick = "the notification StepStarted for sick:1 isn't delivered: status 500; it is tried again for a day"
        #expect(counts[sick] == 2, "after 4 and after 8 attempts")
        #expect(
            counts.keys.contains { $0.hasPrefix("the notification StepStarted for gone:1 is given up: it answers 410") }
        )
        #expect(
            counts.keys.contains { $0.contains("for b:1 isn't delivered: it can't be signed with Secret \"hook\"") }
        )
        #expect(counts.count == 3, "\(counts)")
    }

    @Test("a target that says it is gone, and what nobody took for a day, are given up")
    func givenUp() async {
        let (time, key) = (time, key)
        let receiver = Receiver { host, _ in status(host == "gone:1" ? 410 : 500) }
        let notifier = notifier(receiver)
        notifier.note(model([["url": "http://gone:1/"]], 1...2, notified: 0))
        await run(notifier) { notifier.told(key) == 2 }
        #expect(receiver.numbers("gone:1") == [1, 2])
        notifier.note(model([["url": "http://sick:1/"]], 1...2, notified: 0))
        await run(notifier) { !receiver.numbers("sick:1").isEmpty }
        time.advance(by: .seconds(86_500))
        await run(notifier) { notifier.told(key) == 2 }
        #expect(!receiver.numbers("sick:1").contains(2))
    }

    @Test("a receiver that asks to wait is not asked before")
    func retryAfter() async {
        let start = time.now()
        let (time, key) = (time, key)
        let times = Mutex<[Double]>([])
        let receiver = Receiver { _, count in
            times.withLock { $0.append((time.now() - start).inSeconds) }
            var response = status(count == 0 ? 429 : 200)
            if count == 0 { response.head.headerFields[.retryAfter] = "60" }
            return response
        }
        let notifier = notifier(receiver)
        notifier.note(model([["url": "http://a:1/"]], 1...1, notified: 0))
        await run(notifier) { notifier.told(key) == 1 }
        let found = times.withLock { $0 }
        #expect(found.count == 2 && (found.last ?? 0) >= 60)
    }

    @Test("a model that was made anew under the same name starts with its own transitions")
    func another() async {
        let receiver = Receiver { _, _ in status(500) }
        let notifier = notifier(receiver)
        notifier.note(model([["url": "http://a:1/"]], 1...5, notified: 3))
        #expect(notifier.told(key) == 3)
        notifier.note(model([["url": "http://a:1/"]], 1...1, notified: 0, uid: "w"))
        #expect(notifier.told(key) == 0)
        notifier.forget(key)
        #expect(notifier.told(key) == nil)
    }

    @Test("what is open is bounded by status: what twenty later transitions pushed out is given up, and counted")
    func bounded() {
        var ledger = NotificationLedger()
        let address = WebAddress("http://a:1/")
        let targets = [address].compactMap(\.self).map { NotificationTarget(address: $0) }
        func transitions(_ numbers: ClosedRange<Int>) -> [RolloutTransition] {
            numbers.map { RolloutTransition(number: $0, .stepStarted, revision: 2, time: time.now()) }
        }
        ledger.note(key, uid: "u", targets: targets, transitions: transitions(1...20), notified: 0, now: time.now())
        let first = ledger.take(9, now: time.now())
        #expect(first.map(\.transition.number) == [1])
        ledger.note(key, uid: "u", targets: targets, transitions: transitions(11...30), notified: 0, now: time.now())
        // The one that is on its way stays on its way.
        #expect(ledger.take(9, now: time.now()).isEmpty)
        for delivery in first { ledger.finish(delivery, .failed(retryAfter: .zero), now: time.now()) }
        #expect(ledger.take(9, now: time.now()).map(\.transition.number) == [11])
        #expect(ledger.givenUp == 10)
        for index in 0..<5000 {
            let other = ObjectKey(namespace: "n", name: "m\(index)")
            ledger.note(
                other,
                uid: "u",
                targets: targets,
                transitions: transitions(1...1),
                notified: 0,
                now: time.now()
            )
        }
        #expect(ledger.take(10_000, now: time.now()).count == NotificationLedger.mostModels - 1)
    }

    @Test("a Secret's key is the entry named key, or the only one")
    func keys() throws {
        func key(_ data: JSONValue) -> [UInt8]? {
            try? Notifier.key(in: KubeObject(["kind": "Secret", "data": data]))
        }
        #expect(key(["key": "YWI=", "x": "Y2Q="]) == Array("ab".utf8))
        #expect(key(["x": "Y2Q="]) == Array("cd".utf8))
        for bad: JSONValue in [["x": "Y2Q=", "y": "Y2Q="], ["key": "%"], ["key": ""], [:], .null] {
            #expect(key(bad) == nil)
        }
    }
}
