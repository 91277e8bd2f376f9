// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("The wait for a batch")
struct BatchWaitTests {
    /// Two seconds of one replica that answers 300 requests a second in batches; each takes 30 ms, nearly all of it for its batch.
    private static func batches(waiting: Double = 9, running: Double = 0, late: Double = 0) -> SLOTraffic {
        SLOTraffic(
            intervalSeconds: 2,
            arrived: 600,
            completed: 600,
            late: late,
            running: running,
            waiting: waiting,
            meanSeconds: 0.03
        )
    }

    private static func learned(_ looks: [SLOTraffic], replicas: Int = 1) -> BatchWait {
        var wait = BatchWait()
        for one in looks { _ = wait.splitting(one, replicas: replicas, lateShare: 0.05) }
        return wait
    }

    @Test("those that wait beside idle replicas are at work, but for those that are too many for a batch")
    func split() {
        var wait = Self.learned(Array(repeating: Self.batches(), count: 10))
        #expect(abs(wait.seconds - 0.03) < 1e-9)
        let split = wait.splitting(Self.batches(waiting: 12, running: 1), replicas: 1, lateShare: 0.05)
        #expect(split.waiting == 0 && split.running == 13, "\(split)")
        let queue = Self.batches(waiting: 40, running: 16)
        #expect(wait.splitting(queue, replicas: 1, lateShare: 0.05) == queue)
    }

    @Test("a queue beside full replicas is none, nor is a wait that makes requests late, nor a short one")
    func queue() {
        let full = Self.batches(waiting: 30, running: 16)
        #expect(Self.learned(Array(repeating: full, count: 100)).seconds == 0)
        // The queue of full replicas that often have none.
        let idle = Self.batches(waiting: 0, running: 2)
        #expect(Self.learned((0..<100).map { $0 % 5 == 0 ? full : idle }).seconds == 0)
        #expect(Self.learned(Array(repeating: Self.batches(late: 60), count: 100)).seconds == 0)
        #expect(Self.learned(Array(repeating: Self.batches(waiting: 0.5), count: 100)).seconds == 0)
    }

    @Test("what waited for batches is forgotten once nothing waits, and not while replicas are full")
    func forgotten() {
        let batches = Array(repeating: Self.batches(), count: 5)
        let full = Array(repeating: Self.batches(waiting: 60, running: 16), count: 50)
        #expect(abs(Self.learned(batches + full).seconds - 0.03) < 1e-9)
        let none = Array(repeating: Self.batches(waiting: 0, running: 1), count: 50)
        #expect(Self.learned(batches + none).seconds < 0.001)
    }

    @Test("full replicas are known by what they got done while a queue stood, a little less surely each minute")
    func fullRate() throws {
        var queue = Self.batches(waiting: 200, running: 32)
        (queue.completed, queue.meanSeconds) = (340, 1)
        let known = Array(repeating: Self.batches(), count: 10)
        #expect(Self.learned(known + [queue]).fullRate == nil, "it may have begun in the middle")
        let wait = Self.learned(known + Array(repeating: queue, count: 20))
        #expect(try abs(#require(wait.fullRate) - 170) < 1e-6)
        let later = Self.learned(
            known + Array(repeating: queue, count: 20) + Array(repeating: Self.batches(), count: 30)
        )
        #expect(try abs(#require(later.fullRate) - 171.7) < 0.1)
        // A wait that is longer than usual beside idle replicas says nothing of full ones.
        let idle = Array(repeating: Self.batches(waiting: 40, running: 1), count: 20)
        #expect(Self.learned(known + [queue] + idle).fullRate == nil)

        var profile = ReplicaProfile(coldStartSeconds: 60)
        for told in known + Array(repeating: queue, count: 20) + known {
            let split = profile.splitting(told, reporting: 1, lateShare: 0.05)
            profile.learn(split, reporting: 1, lateShare: 0.05)
        }
        let plan = try #require(profile.plan(within: 0.5))
        #expect(plan.concurrency / plan.serviceSeconds < 175, "\(plan)")
        profile.startAnew()
        let told = Self.batches(waiting: 12)
        #expect(profile.splitting(told, reporting: 1, lateShare: 0.05) == told)
    }

    @Test("a fast server that lets requests wait for each other keeps its one replica, whatever comes")
    func oneReplica() {
        let objective = LatencyObjective(percentile: 95, milliseconds: 100)
        var autoscaler = SLOAutoscaler(policy: SLOPolicy(objective: objective, maxReplicas: 100, coldStartSeconds: 20))
        var server = BatchingServer()
        for look in 1...200 {
            let traffic = server.run(rate: look <= 60 ? 2 : 300)
            let (decision, _) = autoscaler.decide(
                SLOObservation(
                    time: WallTime(seconds: Double(look) * 2),
                    replicas: 1,
                    readyReplicas: 1,
                    reporting: 1,
                    traffic: traffic
                )
            )
            #expect(decision.desired == 1, "look \(look): \(decision.reason.message)")
        }
    }
}

/// A server that runs a batch once its first request has waited for 40 ms; it takes less than a millisecond. In steps of one.
private struct BatchingServer {
    private var step = 0
    private var due = 0.0
    /// The steps in which those that wait arrived.
    private var queue: [Int] = []

    /// What it tells after two seconds in which `rate` requests a second came at even distances.
    mutating func run(rate: Double) -> SLOTraffic {
        var (arrived, durations) = (0.0, [Double]())
        for _ in 0..<2000 {
            step += 1
            due += rate / 1000
            while due >= 1 {
                due -= 1
                arrived += 1
                queue.append(step)
            }
            guard let first = queue.first, step - first >= 40 else { continue }
            durations += queue.map { Double(step - $0) / 1000 }
            queue = []
        }
        return SLOTraffic(
            intervalSeconds: 2,
            arrived: arrived,
            completed: Double(durations.count),
            running: 0,
            waiting: Double(queue.count),
            meanSeconds: durations.isEmpty ? nil : durations.reduce(0, +) / Double(durations.count)
        )
    }
}
