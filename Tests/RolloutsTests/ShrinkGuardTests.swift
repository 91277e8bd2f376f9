// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Rollouts

@Suite("What may go, by what was read afresh")
struct ShrinkGuardTests {
    private static let stable = 1
    private static let canary = 2

    private static func traffic(_ weight: Int?, isAttached: Bool = true, root: Int? = stable, canary: Int? = canary)
        -> TrafficObservation
    {
        TrafficObservation(rootRevision: root, canaryRevision: canary, weight: weight, isAttached: isAttached)
    }

    /// The fewest of ten replicas that a revision may shrink to.
    struct Row: Sendable {
        var name: String
        var revision: Int
        var traffic: TrafficObservation
        var fewest: Int
    }

    private static let rows = [
        Row(name: "stable has all of it", revision: stable, traffic: traffic(0, isAttached: false), fewest: 10),
        Row(name: "stable has the rest", revision: stable, traffic: traffic(30), fewest: 7),
        Row(name: "stable has nothing any more", revision: stable, traffic: traffic(100), fewest: 0),
        Row(
            name: "stable, by routes that nobody follows",
            revision: stable,
            traffic: traffic(nil, isAttached: false),
            fewest: 10
        ),
        Row(name: "stable, while the weight isn't known", revision: stable, traffic: traffic(nil), fewest: 10),
        Row(name: "the canary has its weight", revision: canary, traffic: traffic(30), fewest: 3),
        Row(name: "the canary, while the weight isn't known", revision: canary, traffic: traffic(nil), fewest: 10),
        Row(name: "the canary is mirrored to", revision: canary, traffic: traffic(0), fewest: 1),
        Row(name: "nothing reaches the canary", revision: canary, traffic: traffic(0, isAttached: false), fewest: 0),
        Row(name: "both Services select it", revision: stable, traffic: traffic(40, canary: stable), fewest: 10),
        Row(
            name: "both, while the weight isn't known",
            revision: stable,
            traffic: traffic(nil, canary: stable),
            fewest: 10
        ),
        Row(name: "the root Service selects all pods", revision: canary, traffic: traffic(40, root: nil), fewest: 0),
        Row(name: "another revision", revision: 3, traffic: traffic(40), fewest: 0),
    ]

    @Test("a track keeps what its share needs", arguments: rows)
    func allows(row: Row) {
        let fewest = (0...10).first { count in
            (count...10).allSatisfy {
                ShrinkGuard.allows($0, of: row.revision, demand: 10, traffic: row.traffic)
            }
        }
        #expect(fewest == row.fewest, "\(row.name)")
    }

    @Test("a share that is next to nothing keeps one replica, also of a model that is asked nothing")
    func least() {
        #expect(!ShrinkGuard.allows(0, of: Self.canary, demand: 1, traffic: Self.traffic(1)))
        #expect(!ShrinkGuard.allows(0, of: Self.stable, demand: 1, traffic: Self.traffic(99)))
        #expect(!ShrinkGuard.allows(0, of: Self.canary, demand: 0, traffic: Self.traffic(1)))
        #expect(ShrinkGuard.allows(0, of: Self.stable, demand: 0, traffic: Self.traffic(0, isAttached: false)))
    }

    @Test("the canary Service turns where nothing reaches it, or to a revision that carries what does")
    func turn() {
        func turns(_ ready: Int, _ traffic: TrafficObservation) -> Bool {
            ShrinkGuard.allowsTurn(ready: ready, demand: 10, traffic: traffic)
        }
        #expect(turns(0, Self.traffic(0, isAttached: false)))
        #expect(!turns(0, Self.traffic(0)) && turns(1, Self.traffic(0)), "mirrored requests")
        #expect(!turns(2, Self.traffic(30)) && turns(3, Self.traffic(30)))
        #expect(!turns(9, Self.traffic(nil)) && turns(10, Self.traffic(nil)), "the weight isn't known")
    }

    @Test("the weight falls where the stable track carries the rest, or doesn't carry what it gets now either")
    func fall() {
        func falls(to weight: Int, ready: Int, live: Int?) -> Bool {
            ShrinkGuard.allowsReturn(to: weight, ready: ready, demand: 10, traffic: Self.traffic(live))
        }
        #expect(!falls(to: 20, ready: 7, live: 50) && falls(to: 30, ready: 7, live: 50))
        #expect(falls(to: 20, ready: 7, live: 20), "no fall")
        #expect(falls(to: 0, ready: 0, live: 50), "nothing is lost by it")
        #expect(!falls(to: 0, ready: 5, live: 50), "it carries what it gets now")
    }

    @Test("the weight rises only where the canary carries it")
    func rise() {
        func rises(to weight: Int, ready: Int, live: Int = 0, demand: Int = 10) -> Bool {
            ShrinkGuard.allowsRise(to: weight, ready: ready, demand: demand, live: live)
        }
        #expect(!rises(to: 30, ready: 2) && rises(to: 30, ready: 3) && rises(to: 10, ready: 1))
        #expect(rises(to: 21, ready: 2) && !rises(to: 22, ready: 2))
        #expect(rises(to: 30, ready: 0, live: 30), "no rise")
        #expect(!rises(to: 1, ready: 0, demand: 1), "a whole percent is no replica of none")
        #expect(rises(to: 67, ready: 2, demand: 3), "what is lost by whole percents is no reason to wait")
        #expect(!rises(to: 1, ready: 0, demand: 0))
    }

    @Test("where the pods share the requests, what is left of all of them carries what is asked")
    func shared() {
        func shrinks(to replicas: Int, ready: Int, all: Int) -> Bool {
            ShrinkGuard.allowsShared(replicas, ready: ready, all: all, demand: 10)
        }
        #expect(shrinks(to: 1, ready: 3, all: 12) && !shrinks(to: 0, ready: 3, all: 12))
        #expect(shrinks(to: 3, ready: 3, all: 4) && shrinks(to: 5, ready: 3, all: 4), "nothing that is ready goes")
        #expect(!ShrinkGuard.allowsSelection(ready: 4, all: 10, demand: 5))
        #expect(ShrinkGuard.allowsSelection(ready: 5, all: 10, demand: 5))
        #expect(ShrinkGuard.allowsSelection(ready: 4, all: 4, demand: 5), "all there is")
    }
}

@Suite("What the tracks can carry")
struct TrackCapacityTests {
    /// A row of the table at `TrackCapacity.weight`, for a load that needs ten replicas.
    struct Row: Sendable {
        var name: String
        var canary: Int
        var stable: Int
        var current: Int
        var goal: Int
        var weight: Int
    }

    private static let rows = [
        Row(name: "the canary carries the goal", canary: 5, stable: 10, current: 10, goal: 50, weight: 50),
        Row(name: "it carries the current one", canary: 4, stable: 10, current: 40, goal: 50, weight: 40),
        Row(name: "neither: what stable takes back", canary: 2, stable: 10, current: 40, goal: 50, weight: 20),
        Row(name: "neither: as little as stable leaves", canary: 2, stable: 7, current: 40, goal: 50, weight: 30),
        Row(name: "the same on the goal itself", canary: 2, stable: 10, current: 40, goal: 40, weight: 20),
        Row(name: "nothing rises by that", canary: 0, stable: 2, current: 40, goal: 50, weight: 40),
        Row(name: "a fall that stable takes", canary: 5, stable: 10, current: 50, goal: 10, weight: 10),
        Row(name: "a fall that stable doesn't take", canary: 5, stable: 6, current: 50, goal: 10, weight: 40),
        Row(name: "nor from one replica", canary: 1, stable: 6, current: 50, goal: 10, weight: 40),
        Row(name: "no fall is a rise", canary: 5, stable: 2, current: 50, goal: 10, weight: 50),
        Row(name: "a canary of none has less than asked", canary: 0, stable: 10, current: 50, goal: 10, weight: 0),
        Row(name: "and not less than nothing", canary: 0, stable: 12, current: 50, goal: 10, weight: 0),
        Row(name: "and no more than asked", canary: 0, stable: 0, current: 50, goal: 10, weight: 10),
    ]

    @Test("the share on the way to a goal", arguments: rows)
    func weight(row: Row) {
        let capacity = TrackCapacity(demand: 10, canaryReady: row.canary, stableReady: row.stable)
        #expect(capacity.weight(from: row.current, to: row.goal) == row.weight, "\(row.name)")
    }

    @Test("without a demand one replica carries everything, and none nothing")
    func idle() {
        let one = TrackCapacity(demand: 0, canaryReady: 1, stableReady: 0)
        #expect(one.canaryCarries == 100 && one.stableLeaves == 0 && one.needed(1) == 1 && one.needed(0) == 0)
        #expect(TrackCapacity(demand: 0, canaryReady: 0, stableReady: 0).canaryCarries == 0)
    }

    @Test("where every pod gets the same share, the canary has as many pods as come nearest to its own")
    func byPods() {
        let ten = TrackCapacity(demand: 10, canaryReady: 0, stableReady: 10)
        #expect([1, 10, 20, 50, 90].map { ten.sharedByPods($0) } == [1, 1, 3, 10, 10])
        #expect(ten.sharedByPods(0) == 0 && ten.sharedByPods(100) == 10)
        #expect([1, 10, 25, 50, 99, 100].map { ten.replacedByPods($0) } == [1, 1, 3, 5, 9, 10])
        for demand in 0...1 {
            let capacity = TrackCapacity(demand: demand, canaryReady: 0, stableReady: demand)
            #expect([50, 90].map { capacity.sharedByPods($0) } == [1, 1])
            #expect([50, 100].map { capacity.replacedByPods($0) } == [1, 1])
        }
    }
}
