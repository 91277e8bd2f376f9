// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Scaling
import Testing

/// One row of the target-tracking table.
struct TrackingRow: Sendable, CustomTestStringConvertible {
    var name: String
    var current = 4
    var ready = 4
    var total: Double? = 16
    var reporting = 4
    var target = 4.0
    var desired: Int

    var testDescription: String { name }
}

@Suite("Autoscaler")
struct AutoscalerTests {
    static let start = WallTime(seconds: 1_000_000)

    static let rows: [TrackingRow] = [
        TrackingRow(name: "on target", desired: 4),
        TrackingRow(name: "10 % above is close enough", total: 17.6, desired: 4),
        TrackingRow(name: "above tolerance rounds up", total: 17.7, desired: 5),
        TrackingRow(name: "10 % below is close enough", total: 14.4, desired: 4),
        TrackingRow(name: "below tolerance rounds up", total: 11, desired: 3),
        TrackingRow(
            name: "close enough below holds what would be fewer",
            current: 10,
            ready: 10,
            total: 36,
            reporting: 10,
            desired: 10
        ),
        TrackingRow(name: "as many as serve, where more do than are asked for", current: 3, total: 16, desired: 4),
        TrackingRow(name: "and as many as they need", current: 3, total: 17, desired: 5),
        TrackingRow(name: "a load beyond all numbers is no load of none", total: 1e300, desired: 10),
        TrackingRow(name: "no load asks for the fewest", total: 0, desired: 1),
        TrackingRow(name: "limited by maxReplicas", total: 400, desired: 10),
        TrackingRow(name: "missing signal holds", total: nil, desired: 4),
        TrackingRow(name: "NaN is missing", total: .nan, desired: 4),
        TrackingRow(name: "less than nothing is missing", total: -1, desired: 4),
        TrackingRow(name: "a missing replica holds what would fall", total: 1, reporting: 3, desired: 4),
        TrackingRow(name: "a missing replica lets it rise", total: 40, reporting: 3, desired: 10),
        TrackingRow(name: "a missing replica takes its share of a rise", total: 17, reporting: 3, desired: 4),
        TrackingRow(
            name: "loading replicas answer the surge",
            current: 4,
            ready: 2,
            total: 16,
            reporting: 2,
            desired: 4
        ),
        TrackingRow(name: "loading replicas are not enough", current: 4, ready: 2, total: 30, reporting: 2, desired: 8),
        TrackingRow(name: "nothing ready holds", current: 4, ready: 0, total: nil, reporting: 0, desired: 4),
        TrackingRow(name: "below minReplicas without data rises", current: 0, ready: 0, total: nil, desired: 1),
    ]

    /// Rules that act at once, so that one decision shows the raw answer.
    static func policy(targets: [ScalingTarget] = []) -> ScalingPolicy {
        ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 10,
            targets: targets,
            up: ScalingRules(stabilizationWindowSeconds: 0, limits: []),
            down: ScalingRules(stabilizationWindowSeconds: 0, limits: [])
        )
    }

    @Test("follows a level per replica as the HPA does", arguments: rows)
    func tracksTarget(row: TrackingRow) {
        var autoscaler = Autoscaler(
            policy: Self.policy(targets: [ScalingTarget(signal: .queueLength, value: row.target)])
        )
        var observation = ScaleObservation(time: Self.start, replicas: row.current, readyReplicas: row.ready)
        if let total = row.total {
            observation.readings[.queueLength] = SignalReading(total: total, reporting: row.reporting)
        }
        let decision = autoscaler.decide(observation)
        #expect(decision.desired == row.desired, "\(decision.reason.message)")
        #expect(!decision.reason.message.isEmpty)
    }

    @Test("the largest of several answers wins")
    func largestWins() {
        var autoscaler = Autoscaler(
            policy: Self.policy(targets: [
                ScalingTarget(signal: .queueLength, value: 4), ScalingTarget(signal: .inFlight, value: 1),
            ])
        )
        let decision = autoscaler.decide(
            ScaleObservation(
                time: Self.start,
                replicas: 2,
                readyReplicas: 2,
                readings: [
                    .queueLength: SignalReading(total: 12, reporting: 2),
                    .inFlight: SignalReading(total: 7, reporting: 2),
                ]
            )
        )
        #expect(decision.desired == 7)
        #expect(decision.reason.code == "InFlight")
    }

    @Test("falls only after the whole window, also after a restart")
    func stabilizesDown() {
        var policy = Self.policy(targets: [ScalingTarget(signal: .queueLength, value: 4)])
        policy.down.stabilizationWindowSeconds = 60
        var autoscaler = Autoscaler(policy: policy)
        for second in stride(from: 0, through: 58, by: 2) {
            let decision = autoscaler.decide(idle(at: second))
            #expect(decision.desired == 4)
            #expect(decision.reason.code == "Stabilizing")
        }
        #expect(autoscaler.decide(idle(at: 60)).desired == 1)
    }

    @Test("a rise is limited to 4 pods or double within 15 seconds")
    func limitsRise() {
        var autoscaler = Autoscaler(
            policy: ScalingPolicy(
                minReplicas: 1,
                maxReplicas: 100,
                targets: [ScalingTarget(signal: .queueLength, value: 1)]
            )
        )
        func decide(_ replicas: Int, at second: Int) -> Int {
            let decision = autoscaler.decide(
                ScaleObservation(
                    time: Self.start + .seconds(second),
                    replicas: replicas,
                    readyReplicas: replicas,
                    readings: [.queueLength: SignalReading(total: 1000, reporting: replicas)]
                )
            )
            autoscaler.didScale(from: replicas, to: decision.desired, at: Self.start + .seconds(second))
            return decision.desired
        }
        #expect(decide(1, at: 0) == 5)
        #expect(decide(5, at: 2) == 5)
        #expect(decide(5, at: 16) == 10)
        #expect(decide(10, at: 32) == 20)
    }

    @Test("selectPolicy Disabled keeps the count")
    func disabledDirection() {
        var policy = Self.policy(targets: [ScalingTarget(signal: .queueLength, value: 4)])
        policy.down.select = .disabled
        policy.down.limits = [ScalingLimit(kind: .percent, value: 100, periodSeconds: 15)]
        var autoscaler = Autoscaler(policy: policy)
        #expect(autoscaler.decide(idle(at: 0)).desired == 4)
    }

    @Test("in every small configuration: within bounds, monotone in load, never lower on missing data, repeatable")
    func exhaustive() {
        for current in 0...6 {
            for ready in 0...6 {
                for reporting in 0...ready {
                    var last = 0
                    for load in 0...30 {
                        let observation = ScaleObservation(
                            time: Self.start,
                            replicas: current,
                            readyReplicas: ready,
                            readings: [.queueLength: SignalReading(total: Double(load), reporting: reporting)]
                        )
                        var one = Autoscaler(
                            policy: Self.policy(targets: [ScalingTarget(signal: .queueLength, value: 3)])
                        )
                        var two = one
                        let decision = one.decide(observation)
                        #expect((1...10).contains(decision.desired))
                        #expect(decision == two.decide(observation))
                        #expect(decision.desired >= last, "\(current) \(ready) \(reporting) load \(load)")
                        if reporting < ready { #expect(decision.desired >= current) }
                        last = decision.desired
                    }
                }
            }
        }
    }

    private func idle(at second: Int) -> ScaleObservation {
        ScaleObservation(
            time: Self.start + .seconds(second),
            replicas: 4,
            readyReplicas: 4,
            readings: [.queueLength: SignalReading(total: 0, reporting: 4)]
        )
    }
}
