// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import KubeTesting
import Logging
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Fencing", .timeLimit(.minutes(5)))
struct FenceTests {
    private let start = WallTime(nanoseconds: 1_000_000_000_000)

    @Test("writes begin while the lease is held with margin, and never after")
    func window() throws {
        let fence = WriteFence()
        #expect(throws: WriteRefused.self) { try fence.begin(nil, now: start) }
        fence.open(beginsUntil: start + .seconds(10), endsBy: start + .milliseconds(12_500))
        let early = try fence.begin(nil, now: start + .seconds(1))
        #expect(early.allowance == .milliseconds(11_500))
        let late = try fence.begin(nil, now: start + .milliseconds(9_999))
        #expect(late.allowance == .milliseconds(2_501))
        #expect(throws: WriteRefused.self) { try fence.begin(nil, now: start + .seconds(10)) }
        fence.open(beginsUntil: start + .seconds(20), endsBy: start + .seconds(22))
        #expect(fence.isOpen(for: nil, now: start + .seconds(19)))
        fence.close()
        #expect(!fence.isOpen(for: nil, now: start))
        #expect(throws: WriteRefused.self) { try fence.begin(nil, now: start) }
    }

    @Test("a fence is quiet when no write is in flight and none may still take effect")
    func quiet() throws {
        let fence = WriteFence()
        fence.open(beginsUntil: start + .seconds(10), endsBy: start + .seconds(12))
        let answered = try fence.begin(nil, now: start)
        let lost = try fence.begin(nil, now: start)
        #expect(!fence.isQuiet(now: start))
        fence.end(answered, wasAnswered: true)
        fence.end(lost, wasAnswered: false)
        #expect(!fence.isQuiet(now: start + .seconds(11)), "the server may still do it")
        #expect(fence.isQuiet(now: start + .seconds(12)))
    }

    @Test("a write without an answer may be on its way until the lease's own time is up")
    func underWay() throws {
        let fence = WriteFence()
        fence.open(beginsUntil: start + .seconds(10), endsBy: start + .seconds(12), goneBy: start + .seconds(15))
        let lost = try fence.begin(nil, now: start)
        #expect(lost.allowance == .seconds(12))
        fence.end(lost, wasAnswered: false)
        #expect(!fence.isQuiet(now: start + .seconds(14)))
        #expect(fence.isQuiet(now: start + .seconds(15)))
    }

    @Test("each lane has a lease of its own, and what belongs to no lane is refused")
    func lanes() throws {
        let map = ShardMap(count: 4)
        let fence = ShardElection.fence(map)
        let key = ObjectKey(namespace: "n", name: "a")
        fence.open(map.shard(of: key), beginsUntil: start + .seconds(1), endsBy: start + .seconds(2))
        _ = try fence.begin(key, now: start)
        let other = try #require(
            (0..<100).map { ObjectKey(namespace: "n", name: "b\($0)") }.first {
                map.shard(of: $0) != map.shard(of: key)
            }
        )
        #expect(throws: WriteRefused.self) { try fence.begin(other, now: start) }
        #expect(throws: WriteRefused.self) { try fence.begin(nil, now: start) }
    }

    @Test("a fenced client reads always, and writes only within the time that the lease leaves")
    func client() async throws {
        let server = APIServer()
        let seen = Mutex<[(path: String, timeout: Duration?)]>([])
        let counting = ClosureExchange { request in
            seen.withLock { $0.append((request.head.path ?? "", request.timeout)) }
            return await server.exchange(request)
        }
        let time = ManualTime()
        let fence = WriteFence()
        let client = KubeClient(exchange: FencedExchange(counting, fence: fence, time: time), time: time)
        let object = Make.object(.configMaps, "c")
        await #expect(throws: KubeError.self) { try await client.create(.configMaps, object) }
        #expect(seen.withLock { $0.isEmpty }, "it wasn't sent")
        #expect(try await client.find(.configMaps, object.key) == nil)
        fence.open(beginsUntil: time.now() + .seconds(2), endsBy: time.now() + .seconds(3))
        try await client.create(.configMaps, object)
        let write = try #require(seen.withLock { $0.last })
        #expect(write.timeout == .seconds(3))
        #expect(write.path.hasSuffix("timeout=3000ms"))
        #expect(fence.isQuiet(now: time.now()))
        time.advance(by: .seconds(2))
        await #expect(throws: KubeError.self) { try await client.delete(.configMaps, object.key) }
        #expect(try await client.find(.configMaps, object.key) != nil)
    }

    /// Who led.
    private final class Reign: Sendable {
        private let state = Mutex<(names: [String], now: Int)>(([], 0))
        var names: [String] { state.withLock { $0.names } }
        func begin(_ name: String) -> Int {
            state.withLock { state in
                state.names.append(name)
                state.now += 1
                return state.now
            }
        }
        func end() { state.withLock { $0.now -= 1 } }
    }

    private static var quietLogger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    private static let key = ObjectKey(namespace: "default", name: "lease")

    @Test("one leads, the other takes over what is released, and nothing holds the lease at the end")
    func handOver() async throws {
        let client = KubeClient(exchange: APIServer())
        let timing = LeaseTiming(
            leaseDuration: .seconds(5),
            renewDeadline: .seconds(4),
            retryPeriod: .milliseconds(20)
        )
        let reign = Reign()
        let elections = ["a", "b", "c"].map { name in
            LeaderElection(client: client, key: Self.key, identity: name, timing: timing, logger: Self.quietLogger) {
                #expect(reign.begin(name) == 1, "alone")
                try await Task.sleep(for: .milliseconds(50))
                reign.end()
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for election in elections { group.addTask { try await election.run() } }
            try await group.waitForAll()
        }
        #expect(reign.names.sorted() == ["a", "b", "c"])
        let lease = LeaseRecord(try await client.get(.leases, Self.key))
        #expect(lease.holder.isEmpty && lease.transitions == 2)
    }

    @Test("a leader that can't reach the server is cancelled in time, and has stopped writing before")
    func cutOff() async throws {
        let server = APIServer()
        let isCut = Atomic<Bool>(false)
        let exchange = ClosureExchange { request in
            if isCut.load(ordering: .relaxed) { throw CancellationError() }
            return await server.exchange(request)
        }
        let time = ManualTime()
        let fence = WriteFence()
        let timing = LeaseTiming(leaseDuration: .seconds(15), renewDeadline: .seconds(10), retryPeriod: .seconds(2))
        let leads = Atomic<Bool>(false)
        let election = LeaderElection(
            client: KubeClient(exchange: exchange, time: time),
            key: Self.key,
            identity: "a",
            timing: timing,
            fence: fence,
            time: time,
            logger: Self.quietLogger
        ) {
            leads.store(true, ordering: .relaxed)
            try await time.sleep(for: .seconds(100_000))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let lost = await #expect(throws: LeaderElection.Lost.self) { try await election.run() }
                // Nobody else has it, as far as is known.
                let text = "lost the leadership: the Lease default/lease couldn't be renewed in time"
                #expect(lost?.description == text)
            }
            while !leads.load(ordering: .relaxed), !Task.isCancelled { await Task.yield() }
            // The lead, the renewal and the deadline are asleep.
            await time.waitForSleepers(3)
            #expect(election.isLeader && fence.isOpen(for: nil, now: time.now()))
            isCut.store(true, ordering: .relaxed)
            time.advance(by: .seconds(10))
            #expect(!election.isLeader && !fence.isOpen(for: nil, now: time.now()))
            try await group.waitForAll()
        }
        let lease = LeaseRecord(try await KubeClient(exchange: server).get(.leases, Self.key))
        #expect(lease.holder == "a", "it couldn't be released")
    }

    @Test("a process that slept past its lease finds the fence closed before it knows who leads")
    func asleep() async throws {
        let client = KubeClient(exchange: APIServer())
        let time = ManualTime()
        let fence = WriteFence()
        let election = LeaderElection(
            client: client,
            key: Self.key,
            identity: "a",
            fence: fence,
            time: time,
            logger: Self.quietLogger
        ) { try await time.sleep(for: .seconds(100_000)) }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await election.run() }
            await time.waitForSleepers(3)
            #expect(fence.isOpen(for: nil, now: time.now()))
            #expect(!fence.isOpen(for: nil, now: time.now() + .seconds(10)), "no call was needed for that")
            group.cancelAll()
        }
    }
}
