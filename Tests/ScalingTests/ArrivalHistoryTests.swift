// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("The arrivals of the last minutes")
struct ArrivalHistoryTests {
    /// Ten minutes of 40 requests a second, looked at every 2 s.
    private static var steady: ArrivalHistory {
        var history = ArrivalHistory()
        for second in stride(from: 2.0, through: 600, by: 2) { history.add(80, seconds: 2, end: second) }
        return history
    }

    @Test("time of which nothing is known isn't time without requests", arguments: [5.0, 60, 300, 3600])
    func gap(seconds: Double) {
        var history = Self.steady
        history.add(80, seconds: 2, end: 600 + seconds + 2)
        for span in [2.0, 16, 60, 240] { #expect(abs(history.rate(span) - 40) < 1e-9) }
        #expect(history.dispersion() == 0)
    }

    @Test("intervals that aren't told to the millisecond leave no gap")
    func jitter() {
        var history = Self.steady
        history.add(80, seconds: 2, end: 602.3)
        #expect(abs(history.recent(60).count - 2400) < 81)
        #expect(history.recent(2).seconds > 2.2)
    }

    @Test("with no replica nothing arrives")
    func rest() {
        var history = Self.steady
        history.rest(until: 660)
        history.add(80, seconds: 2, end: 662)
        #expect(history.rate(60) < 2)
    }

    @Test("after a minute without readings the count doesn't fall", arguments: [60, 300])
    func outage(seconds: Int) {
        let objective = LatencyObjective(percentile: 95, milliseconds: 3000)
        var autoscaler = SLOAutoscaler(policy: SLOPolicy(objective: objective, maxReplicas: 40, coldStartSeconds: 5))
        var replicas = 12
        func decide(_ second: Int, isRead: Bool) {
            let traffic = SLOTraffic(
                intervalSeconds: 2,
                arrived: 80,
                completed: 80,
                running: 40,
                waiting: 0,
                meanSeconds: 1,
                serviceVariation: 0
            )
            let observation = SLOObservation(
                time: WallTime(seconds: Double(1_000_000 + second)),
                replicas: replicas,
                readyReplicas: replicas,
                reporting: isRead ? replicas : 0,
                traffic: isRead ? traffic : nil
            )
            replicas = autoscaler.decide(observation).decision.desired
        }
        for second in stride(from: 0, to: 900, by: 2) { decide(second, isRead: true) }
        let before = replicas
        for second in stride(from: 900, to: 900 + seconds, by: 2) { decide(second, isRead: false) }
        #expect(replicas == before)
        for second in stride(from: 900 + seconds, to: 1200 + seconds, by: 2) {
            decide(second, isRead: true)
            #expect(replicas >= before)
        }
    }
}
