// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Scaling

@Suite("What a replica can do")
struct ReplicaProfileTests {
    /// Ten replicas, of which `running` requests are in work and `waiting` wait; nobody is late.
    private static func seen(running: Double, waiting: Double = 0) -> SLOTraffic {
        SLOTraffic(
            intervalSeconds: 2,
            arrived: 2 * running,
            completed: 2 * running,
            running: running,
            waiting: waiting,
            meanSeconds: 1,
            serviceVariation: 0
        )
    }

    private static func learned(_ traffic: [SLOTraffic]) -> ReplicaProfile {
        var profile = ReplicaProfile(coldStartSeconds: 60)
        for one in traffic { profile.learn(one, reporting: 10, lateShare: 0.05) }
        return profile
    }

    @Test("what runs while others wait are the slots, and an hour of full replicas without a queue doesn't change that")
    func full() throws {
        let queue = Self.seen(running: 40, waiting: 30)
        let full = Self.seen(running: 40)
        let profile = Self.learned([Self.seen(running: 25), queue] + Array(repeating: full, count: 1800))
        #expect(try abs(#require(profile.slots) - 4) < 1e-6)
    }

    @Test("before the first queue a little more is tried, up to what full replicas show")
    func untried() throws {
        let traffic = [Self.seen(running: 20)] + Array(repeating: Self.seen(running: 40), count: 1800)
        let slots = try #require(Self.learned(traffic).slots)
        #expect(slots > 4.8 && slots < 5.1, "\(slots)")
        #expect(Self.learned(traffic + [Self.seen(running: 41, waiting: 3)]).slots ?? 0 <= slots)
    }

    @Test("what is in work at first isn't taken for all that a replica can do")
    func firstLook() {
        #expect(Self.learned([Self.seen(running: 20)]).slots == 3)
        #expect(Self.learned([Self.seen(running: 0)]).slots == nil)
        #expect(Self.learned([Self.seen(running: 40, waiting: 30)]).slots == 4)
    }

    @Test("more in work than there were slots is believed at once, fewer with a queue within half a minute")
    func changed() throws {
        var traffic = [Self.seen(running: 40, waiting: 30), Self.seen(running: 80)]
        #expect(Self.learned(traffic).slots == 8)
        traffic += Array(repeating: Self.seen(running: 40, waiting: 30), count: 15)
        let slots = try #require(Self.learned(traffic).slots)
        #expect(slots > 4 && slots < 5, "\(slots)")
    }

    @Test("where a queue isn't told, more in work may wait: it is believed slowly, and not while nothing ends")
    func unknownQueue() throws {
        var (first, more) = (Self.seen(running: 20), Self.seen(running: 400))
        (first.isQueueKnown, more.isQueueKnown) = (false, false)
        var profile = Self.learned([first, more])
        #expect(try abs(#require(profile.slots) - 6.7) < 0.01)
        more.completed = 0
        more.meanSeconds = nil
        profile.learn(more, reporting: 10, lateShare: 0.05)
        #expect(try abs(#require(profile.slots) - 6.7) < 0.01)
    }

    @Test("another version's replicas may have more slots: a little more is tried again, from those that are known")
    func startAnew() throws {
        var profile = Self.learned([Self.seen(running: 40, waiting: 30)])
        profile.startAnew()
        #expect(profile.slots == 4)
        for _ in 0..<100 { profile.learn(Self.seen(running: 40), reporting: 10, lateShare: 0.05) }
        #expect(try #require(profile.slots) > 4.5)
    }

    @Test("what changes by the time does so alike, however often it is looked at")
    func interval() throws {
        func slots(_ seconds: Double) throws -> Double {
            var profile = Self.learned([Self.seen(running: 80, waiting: 30)])
            for _ in 0..<Int(60 / seconds) {
                var seen = Self.seen(running: 40, waiting: 30)
                seen.intervalSeconds = seconds
                profile.learn(seen, reporting: 10, lateShare: 0.05)
            }
            return try #require(profile.slots)
        }
        #expect(try abs(slots(1) - slots(15)) < 1e-6)
    }

    @Test("fewer slots are used where full ones make requests late, and all of them again where that doesn't help")
    func late() throws {
        func share(_ seconds: (ReplicaProfile) -> Double, intervals: Int) -> Double {
            var profile = Self.learned([Self.seen(running: 40, waiting: 30)])
            var least = 1.0
            for _ in 0..<intervals {
                var seen = Self.seen(running: 40)
                seen.meanSeconds = seconds(profile)
                seen.completed = 80 / seconds(profile)
                seen.late = seen.completed / 2
                profile.learn(seen, reporting: 10, lateShare: 0.05)
                least = min(least, profile.usableShare)
            }
            return intervals < 100 ? least : profile.usableShare
        }
        let slower = { (profile: ReplicaProfile) in 2 * profile.usableShare }
        #expect(share(slower, intervals: 1000) == 0.25)
        let constant = { (_: ReplicaProfile) in 2.0 }
        #expect(share(constant, intervals: 50) < 0.6)
        #expect(share(constant, intervals: 1000) == 1, "an objective below the work itself")
    }

    /// A profile of requests that are late however few are at work beside them.
    private static func hopeless() -> ReplicaProfile {
        var profile = learned([seen(running: 40, waiting: 30)])
        for _ in 0..<1000 { profile.learn(late(seconds: 2), reporting: 10, lateShare: 0.05) }
        return profile
    }

    private static func late(seconds: Double) -> SLOTraffic {
        var seen = seen(running: 40)
        seen.meanSeconds = seconds
        seen.completed = 80 / seconds
        seen.late = seen.completed / 2
        seen.serviceVariation = 4
        return seen
    }

    @Test("a mean that strays is no reason to try fewer slots again; much longer or shorter requests are")
    func straying() {
        func isTried(_ seconds: Double) -> Bool {
            var profile = Self.hopeless()
            return (0..<200).contains { _ in
                profile.learn(Self.late(seconds: seconds), reporting: 10, lateShare: 0.05)
                return profile.usableShare < 1
            }
        }
        // Four standard errors are 36 %.
        for seconds in [1.4, 1.7, 2, 2.4, 2.6] { #expect(!isTried(seconds), "\(seconds) s") }
        for seconds in [1, 4.0] { #expect(isTried(seconds), "\(seconds) s") }
    }

    @Test("a request may wait as long as the work's tail leaves, and half as long as its mean does at least")
    func slack() {
        func profile(variation: Double) -> ReplicaProfile {
            var seen = Self.seen(running: 20)
            seen.serviceVariation = variation
            return Self.learned(Array(repeating: seen, count: 500))
        }
        let (even, uneven) = (profile(variation: 0), profile(variation: 4))
        #expect(abs(even.slack(within: 3, seconds: 1) - 2) < 0.01)
        #expect(even.slack(within: 3, seconds: 4) == 0)
        // The 95th percentile of the work is 4.3 s.
        #expect(abs(uneven.slack(within: 12, seconds: 1) - 7.7) < 0.05)
        #expect(uneven.slack(within: 3, seconds: 1) == 1)
    }
}
