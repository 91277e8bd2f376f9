// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeModel
import KubeTesting
import Synchronization
import Testing

@testable import KubeAPI

@Suite("Flow control", .timeLimit(.minutes(5)))
struct FlowControlTests {
    private let start = ManualTime().now()

    @Test("a bucket lets a burst go, then one after the other at its rate")
    func bucket() {
        var bucket = TokenBucket(rate: 10, burst: 3, now: start)
        let waits = (0..<5).map { _ in bucket.take(now: start) }
        #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200)])
        bucket.giveBack()
        let (after, later) = (bucket.take(now: start), bucket.take(now: start + .seconds(60)))
        #expect(after == .milliseconds(200) && later == .zero)
    }

    @Test("flows take turns, whatever one of them has queued")
    func turns() {
        var machine = FlowStateMachine(limit: 1)
        let goes = [(1, "pods"), (2, "pods"), (3, "pods"), (4, "pods"), (5, "services"), (6, "events")]
            .map { machine.arrived($0.0, flow: $0.1) }
        #expect(goes == [true, false, false, false, false, false])
        #expect(machine.waitingCount == 5)
        let none = machine.next()
        #expect(none == nil)
        var order: [UInt64] = []
        for _ in 0..<5 {
            machine.ended(.answered, now: start)
            if let id = machine.next() { order.append(id) }
        }
        #expect(order == [2, 5, 6, 3, 4])
    }

    @Test("a push-back halves what may be in flight once in its pause, and answers win it back")
    func pushBack() {
        var machine = FlowStateMachine(limit: 8)
        for id in 1...8 as ClosedRange<UInt64> { _ = machine.arrived(id, flow: "pods") }
        machine.ended(.pushedBack(retryAfter: .seconds(2)), now: start)
        machine.ended(.pushedBack(retryAfter: .seconds(1)), now: start)
        #expect(machine.allowed == 4 && machine.pushBacks == 2)
        #expect(machine.pause(now: start) == .seconds(2))
        _ = machine.arrived(9, flow: "pods")
        machine.ended(.pushedBack(retryAfter: .seconds(3600)), now: start + .seconds(3))
        #expect(machine.allowed == 2)
        #expect(machine.pause(now: start + .seconds(3)) == FlowStateMachine.longestPause)
        for _ in 0..<5 { machine.ended(.answered, now: start + .seconds(70)) }
        #expect(machine.allowed == 4)
        let next = machine.next()
        #expect(next == 9)
        #expect(machine.pause(now: start + .seconds(70)) == .zero)
    }

    @Test("a request that is given up leaves its place, and its flow's turn")
    func cancelled() {
        var machine = FlowStateMachine(limit: 1)
        _ = machine.arrived(1, flow: "a")
        _ = machine.arrived(2, flow: "b")
        _ = machine.arrived(3, flow: "c")
        let (known, again, running) = (
            machine.cancelled(2, flow: "b"), machine.cancelled(2, flow: "b"), machine.cancelled(1, flow: "a")
        )
        #expect(known && !again && !running)
        machine.ended(.answered, now: start)
        let next = machine.next()
        #expect(next == 3)
    }

    /// Answers when told to, and counts what is under way.
    private final class Held: HTTPExchange {
        let underWay = Mutex(0)
        let most = Mutex(0)

        func exchange(_ request: HTTPRequestMessage) async throws -> HTTPResponseMessage {
            let now = underWay.withLock { number in
                number += 1
                return number
            }
            most.withLock { $0 = max($0, now) }
            for _ in 0..<20 { await Task.yield() }
            underWay.withLock { $0 -= 1 }
            return HTTPResponseMessage(status: .ok, contentType: "application/json", bytes: Array("{}".utf8))
        }
    }

    @Test("no more requests than allowed are in flight, and all are answered")
    func inFlight() async throws {
        let held = Held()
        let client = KubeClient(exchange: held, limiter: RequestLimiter(FlowLimits(inFlight: 3)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<100 {
                group.addTask {
                    _ = try await client.find(number % 2 == 0 ? .pods : .services, ObjectKey(namespace: "a", name: "b"))
                }
            }
            try await group.waitForAll()
        }
        #expect(held.most.withLock { $0 } <= 3)
        #expect(client.limiter?.snapshot == .init(inFlight: 0, waiting: 0, allowed: 3, pushBacks: 0))
    }

    @Test("requests that are given up while they wait leave nothing behind")
    func abandoned() async throws {
        let client = KubeClient(
            exchange: ScriptedExchange([.silence]),
            limiter: RequestLimiter(FlowLimits(inFlight: 1))
        )
        let key = ObjectKey(namespace: "a", name: "b")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try? await client.get(.pods, key) } }
            while client.limiter?.snapshot.waiting != 19, !Task.isCancelled { await Task.yield() }
            group.cancelAll()
        }
        #expect(client.limiter?.snapshot == .init(inFlight: 0, waiting: 0, allowed: 1, pushBacks: 0))
    }

    private func pushBack(_ seconds: Int) -> ScriptedExchange.Answer {
        var response = HTTPResponseMessage(
            status: .tooManyRequests,
            contentType: "application/json",
            bytes: APIStatus(code: 429, reason: "TooManyRequests", message: "later").json.encoded()
        )
        response.head.headerFields[.retryAfter] = String(seconds)
        return .response(response)
    }

    @Test("Retry-After holds a write and every other request back; leases go on")
    func retryAfter() async throws {
        let time = ManualTime()
        let exchange = ScriptedExchange([pushBack(5), .json(200, [:]), .json(201, [:]), .json(200, [:])])
        let client = KubeClient(exchange: exchange, backoff: Backoff(initial: .zero), time: time)
        async let created = client.create(.pods, Make.pod("churn"))
        while client.limiter?.snapshot.pushBacks != 1, !Task.isCancelled { await Task.yield() }
        _ = try await client.get(.leases, ObjectKey(namespace: "a", name: "b"))
        async let read = client.get(.services, ObjectKey(namespace: "a", name: "b"))
        // The write sleeps, and the read sleeps with a deadline beside it.
        while time.sleeperCount < 3, !Task.isCancelled { await Task.yield() }
        #expect(exchange.sent.count == 2)
        time.advance(by: .seconds(5))
        _ = try await (created, read)
        #expect(exchange.sent.count == 4)
    }

    @Test("a call isn't repeated when it would have to wait beyond its deadline")
    func deadline() async throws {
        let exchange = ScriptedExchange([pushBack(50)])
        let client = KubeClient(exchange: exchange, callTimeout: .seconds(40), time: ManualTime())
        let error = await #expect(throws: KubeError.self) {
            try await client.create(.pods, Make.pod("churn"))
        }
        #expect(error?.isPushBack == true)
        #expect(exchange.sent.count == 1)
    }
}
