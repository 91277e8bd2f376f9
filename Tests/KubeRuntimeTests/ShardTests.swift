// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import HTTPMessages
import HTTPTypes
import KubeAPI
import KubeModel
import KubeServer
import Logging
import Synchronization
import Testing

@testable import KubeRuntime

@Suite("Shards", .timeLimit(.minutes(5)))
struct ShardTests {
    @Test("a key's shard never changes, and keys are spread evenly")
    func map() {
        let map = ShardMap(count: 8)
        #expect(map.shard(of: ObjectKey(namespace: "shop", name: "churn")) == 2)
        #expect(map.shard(of: ObjectKey(namespace: "shop", name: "fraud")) == 5)
        var counts = [Int](repeating: 0, count: 8)
        for number in 0..<8000 { counts[map.shard(of: ObjectKey(namespace: "n", name: "model-\(number)"))] += 1 }
        #expect(counts.allSatisfy { (850...1150).contains($0) }, "\(counts)")
        #expect(ShardMap(count: 0).shard(of: ObjectKey(namespace: nil, name: "a")) == 0)
    }

    /// Replicas that share leases in a world of their own, where writes may fail and replicas may stop.
    private struct World {
        var replicas: [ShardCoordinator]
        var shards: [Int: (record: LeaseRecord, version: Int)] = [:]
        var members: [String: LeaseRecord] = [:]
        var now = WallTime(nanoseconds: 1_000_000_000_000)
        let random = SeededRandom(seed: 11)
        /// Where a shard may be worked on now, by who believes so.
        func workers(of shard: Int) -> [String] {
            replicas.filter { $0.worksUntil(shard: shard).map { now < $0 } ?? false }.map(\.identity)
        }

        mutating func turn(_ index: Int, losesWrites: Bool = false) {
            _ = replicas[index].expire(now: now)
            let read = shards
            let actions = replicas[index].observe(shards: read.mapValues(\.record), members: members, now: now)
            for action in actions {
                if losesWrites, random.next() % 4 == 0 { continue }
                switch action {
                case .live(let record): members[replicas[index].identity] = record
                case .bury(let identity): members[identity] = nil
                case .lost: break
                case .hold(let shard, let record):
                    guard shards[shard]?.version == read[shard]?.version else { continue }
                    shards[shard] = (record, (read[shard]?.version ?? 0) + 1)
                    replicas[index].wrote(shard: shard, record, sent: now)
                case .giveBack(let shard):
                    guard let record = replicas[index].release(shard: shard, now: now) else { continue }
                    shards[shard] = (record, (shards[shard]?.version ?? 0) + 1)
                    replicas[index].gaveBack(shard: shard)
                }
            }
        }

        mutating func rounds(_ count: Int, _ living: [Int]) {
            for _ in 0..<count {
                for index in living { turn(index) }
                now = now + .seconds(2)
            }
        }

        var holdings: [Int] {
            replicas.map { replica in
                (0..<replica.count).count { workers(of: $0).contains(replica.identity) }
            }
        }
    }

    private func world(_ names: [String], shards: Int) -> World {
        World(replicas: names.map { ShardCoordinator(identity: $0, count: shards) })
    }

    @Test("one replica holds everything; others that come get their share, and only that moves")
    func joining() {
        var world = world(["a", "b", "c"], shards: 8)
        world.rounds(2, [0])
        #expect(world.holdings == [8, 0, 0])
        world.rounds(6, [0, 1])
        #expect(world.holdings == [4, 4, 0])
        let before = (0..<8).map { world.workers(of: $0) }
        world.rounds(6, [0, 1, 2])
        #expect(world.holdings == [3, 3, 2])
        let moved = (0..<8).count { world.workers(of: $0) != before[$0] }
        #expect(moved == 2)
    }

    @Test("the shards of a replica that dies are taken over within the lease time")
    func dying() {
        var world = world(["a", "b", "c"], shards: 7)
        world.rounds(10, [0, 1, 2])
        #expect(world.holdings.sorted() == [2, 2, 3])
        // The lease duration is 15 s, a round takes 2 s: one more round sees that the time is up, one more takes.
        world.rounds(9, [0, 2])
        #expect(world.holdings[0] + world.holdings[2] == 7)
        #expect(abs(world.holdings[0] - world.holdings[2]) == 1)
        world.rounds(160, [0, 2])
        #expect(world.members.keys.sorted() == ["a", "c"], "its sign of life is gone, too")
    }

    @Test("fewer shards than replicas: some stand by")
    func standby() {
        var world = world(["a", "b", "c"], shards: 2)
        world.rounds(10, [0, 1, 2])
        #expect(world.holdings == [1, 1, 0])
        world.rounds(10, [0, 2])
        #expect(world.holdings == [1, 0, 1])
    }

    @Test("whatever gets lost or stops for a while, no shard is ever worked on by two, and all are in the end")
    func chaos() {
        var world = world(["a", "b", "c", "d"], shards: 5)
        var holders = Set<String>()
        var stoppedUntil = [WallTime](repeating: world.now, count: 4)
        for _ in 0..<20_000 {
            world.now = world.now + .milliseconds(Int(world.random.next() % 1500))
            let index = Int(world.random.next() % 4)
            guard stoppedUntil[index] <= world.now else { continue }
            if world.random.next() % 50 == 0 {
                stoppedUntil[index] = world.now + .seconds(Int(world.random.next() % 60))
                continue
            }
            world.turn(index, losesWrites: true)
            for shard in 0..<5 {
                let workers = world.workers(of: shard)
                #expect(workers.count <= 1)
                holders.formUnion(workers)
            }
        }
        #expect(holders == ["a", "b", "c", "d"])
        world.rounds(40, [0, 1, 2, 3])
        #expect(world.holdings.sorted() == [1, 1, 1, 2])
    }

    @Test("replicas over a real API server share the shards, and one that ends gives its own back")
    func elections() async throws {
        let client = KubeClient(exchange: APIServer())
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let timing = LeaseTiming(leaseDuration: .seconds(5), renewDeadline: .seconds(4), retryPeriod: .milliseconds(20))
        let map = ShardMap(count: 6)
        let ends = Atomic<Bool>(false)
        let elections = ["a", "b", "c"].map { name in
            ShardElection(
                client: client,
                namespace: "default",
                identity: name,
                map: map,
                timing: timing,
                logger: logger
            ) {
                while !(name == "b" && ends.load(ordering: .relaxed)) { try await Task.sleep(for: .milliseconds(5)) }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for election in elections { group.addTask { try await election.run() } }
            while elections.map(\.held.count) != [2, 2, 2] { try await Task.sleep(for: .milliseconds(5)) }
            let all = elections.reduce(into: Set<Int>()) { $0.formUnion($1.held) }
            #expect(all == Set(0..<6))
            ends.store(true, ordering: .relaxed)
            while elections.map(\.held.count) != [3, 0, 3] { try await Task.sleep(for: .milliseconds(5)) }
            group.cancelAll()
            try? await group.waitForAll()
        }
    }

    @Test("a shard whose renewal took too long is told of again: what came meanwhile was turned away")
    func lapse() async throws {
        let time = ManualTime()
        let server = APIServer()
        let isSlow = Atomic<Bool>(false)
        let gains = Mutex<[Int]>([])
        let slow = ClosureExchange { request in
            // The sign of life is written first, and hangs.
            if isSlow.load(ordering: .relaxed), request.head.method == .put, request.path.contains("-member-") {
                time.advance(by: .seconds(11))
            }
            return await server.exchange(request)
        }
        let election = ShardElection(
            client: KubeClient(exchange: slow),
            namespace: "default",
            identity: "a",
            map: ShardMap(count: 1),
            time: time,
            onGain: { shard in gains.withLock { $0.append(shard) } }
        ) {}
        await election.tick()
        time.advance(by: .seconds(2))
        await election.tick()
        #expect(gains.withLock { $0 } == [0])
        isSlow.store(true, ordering: .relaxed)
        time.advance(by: .seconds(2))
        await election.tick()
        #expect(gains.withLock { $0 } == [0, 0])
        #expect(election.fence.isOpen(lane: 0, at: time.now()))
    }
}
