// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("How requests slow each other down")
struct SlowdownTests {
    /// What is told of two seconds of ten replicas with `working` requests at work in each, where a request by itself takes `alone`
    /// seconds and each one beside it adds `slope` times that.
    private static func seen(working: Double, alone: Double = 1, slope: Double = 0) -> SLOTraffic {
        let work = alone * (1 + slope * (working - 1))
        return SLOTraffic(
            intervalSeconds: 2,
            arrived: 20 * working / work,
            completed: 20 * working / work,
            running: 10 * working,
            waiting: 0,
            meanSeconds: work,
            serviceVariation: 0
        )
    }

    private static func learned(_ traffic: [SLOTraffic]) -> (slowdown: Slowdown, profile: ReplicaProfile) {
        var (work, profile) = (WorkEstimate(), ReplicaProfile(coldStartSeconds: 60))
        for one in traffic {
            work.learn(one, replicas: 10)
            profile.learn(one, reporting: 10, lateShare: 0.05)
        }
        return (work.slowdown, profile)
    }

    /// A load that comes and goes, over ten minutes, by the requests at work in a replica.
    private static func changing(_ seen: (Double) -> SLOTraffic) -> [SLOTraffic] {
        (0..<300).map { seen($0 / 50 % 2 == 0 ? 1.2 : 2.8) }
    }

    @Test("it is learned from a throughput that changes", arguments: [0.1, 0.3, 0.6])
    func learned(slope: Double) {
        let seen = Self.learned(Self.changing { Self.seen(working: $0, slope: slope) }).slowdown
        #expect(abs(seen.slope - slope) < 0.2 * slope, "\(seen.slope)")
        #expect(seen.isNotable(at: 4) == (slope * 3 > 0.2))
    }

    @Test("requests that take the same whatever is beside them show none, nor does a throughput that stays as it is")
    func none() {
        #expect(Self.learned(Self.changing { Self.seen(working: $0) }).slowdown.slope == 0)
        let steady = Array(repeating: Self.seen(working: 2, slope: 0.4), count: 300)
        #expect(Self.learned(steady).slowdown.slope == 0)
    }

    @Test("heavier requests, of which more are at work, aren't taken for it")
    func heavier() {
        let traffic = (0..<600).map { step in
            let alone = step / 75 % 2 == 0 ? 1 : 2.5
            return Self.seen(working: alone * (step / 40 % 2 == 0 ? 0.7 : 0.75), alone: alone)
        }
        let slowdown = Self.learned(traffic).slowdown
        #expect(!slowdown.isNotable(at: 4), "\(slowdown.slope)")
    }

    @Test("a full replica is planned with as it will be, and as full as the objective allows")
    func planned() throws {
        let quiet = Array(repeating: Self.seen(working: 1, slope: 0.6), count: 300)
        let full = Array(repeating: Self.seen(working: 4, slope: 0.6), count: 20)
        let profile = Self.learned(Self.changing { Self.seen(working: $0, slope: 0.6) } + full + quiet).profile
        // Now a request takes a second; of four at once each takes 2.8.
        let roomy = try #require(profile.plan(within: 10))
        #expect(abs(roomy.serviceSeconds - (1 + 0.6 * (roomy.concurrency - 1))) < 0.2, "\(roomy)")
        #expect(roomy.concurrency > 3.9 && roomy.serviceSeconds > 2.6, "\(roomy)")
        let tight = try #require(profile.plan(within: 2))
        #expect(tight.serviceSeconds < 1.81 && tight.concurrency < 3, "\(tight)")
        // One by itself takes longer than that: it is planned with, and the objective is hopeless.
        let least = try #require(profile.plan(within: 0.5))
        #expect(least.concurrency < 1.1 && least.serviceSeconds > 0.8, "\(least)")
    }

    @Test("a request by itself is known while fewer are at work, and chance isn't taken for heavier requests")
    func alone() {
        let slowdown = Self.learned(Self.changing { Self.seen(working: $0, slope: 0.6) }).slowdown
        // What was learned: a second by itself, 1.6 with two at work.
        for (seconds, working) in [(1, 1), (1.6, 2), (1.7, 2), (1.5, 2), (0.9, 0.8), (0.9, 0.3)] {
            #expect(
                abs(slowdown.alone(seconds: seconds, working: working) - 1) < 0.05,
                "\(seconds) s, \(working) at work"
            )
        }
        // Twice as heavy.
        #expect(abs(slowdown.alone(seconds: 3.2, working: 2) - 2) < 0.1)
        #expect(abs(slowdown.alone(seconds: 2, working: 0.3) - 2 / 0.88) < 0.1)
        #expect(Slowdown().alone(seconds: 3, working: 2) == 3)
    }

    @Test("however tight the objective, a quarter of the slots is planned with")
    func tightest() throws {
        let traffic = (0..<300).map { Self.seen(working: $0 / 50 % 2 == 0 ? 10 : 40, slope: 0.1) }
        let profile = Self.learned(traffic).profile
        let slots = try #require(profile.slots)
        #expect(slots > 39)
        #expect(profile.plan(within: 0.1)?.concurrency == slots / 4)
    }

    /// What the SLO policy says of an objective that `traffic` misses.
    private static func hopelessness(milliseconds: Double, of traffic: [SLOTraffic]) -> String? {
        let objective = LatencyObjective(percentile: 95, milliseconds: milliseconds)
        var autoscaler = SLOAutoscaler(policy: SLOPolicy(objective: objective, maxReplicas: 1000))
        var sizing = SLOSizing()
        for (index, one) in traffic.enumerated() {
            let seen = SLOObservation(
                time: WallTime(seconds: Double(1_000_000 + 2 * index)),
                replicas: 10,
                readyReplicas: 10,
                reporting: 10,
                traffic: one
            )
            sizing = autoscaler.decide(seen).sizing
        }
        return sizing.hopelessness(of: objective)
    }

    @Test(
        "no count keeps an objective that a request by itself misses, and not one that only a quarter of the slots misses"
    )
    func hopeless() {
        // A request by itself takes a second, one of ten at once 1.9 s.
        let traffic = (0..<300).map { Self.seen(working: $0 / 50 % 2 == 0 ? 10 : 40, slope: 0.1) }
        let missed = Self.hopelessness(milliseconds: 1500, of: traffic) ?? ""
        #expect(missed.hasPrefix("the objective of 1500 ms is no longer than a request's work ("), "\(missed)")
        #expect(missed.hasSuffix(" at once in a replica)"), "\(missed)")
        let none = Self.hopelessness(milliseconds: 300, of: traffic) ?? ""
        #expect(none.hasSuffix("ms at least): no count keeps it"), "\(none)")
        #expect(Self.hopelessness(milliseconds: 3000, of: traffic) == nil)
        // Full replicas whose throughput stays as it is: how long one takes by itself nobody knows.
        let steady = Array(repeating: Self.seen(working: 4, slope: 0.4), count: 300)
        let unknown = Self.hopelessness(milliseconds: 1500, of: steady) ?? ""
        #expect(unknown.contains("(2200 ms with ") && !unknown.contains("no count"), "\(unknown)")
    }

    @Test("another version starts without it")
    func anew() {
        var (_, profile) = Self.learned(Self.changing { Self.seen(working: $0, slope: 0.6) })
        profile.startAnew()
        profile.learn(Self.seen(working: 0.5), reporting: 10, lateShare: 0.05)
        #expect(profile.plan(within: 10)?.serviceSeconds == 1)
    }
}
