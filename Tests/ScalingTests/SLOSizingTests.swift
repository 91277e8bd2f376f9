// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import Testing

@testable import Scaling

@Suite("The sizing of the SLO policy")
struct SLOSizingTests {
    /// What `rates` looks like one cold start of 60 s later, if a rise goes on; one rate every 2 s.
    static func rising(_ rates: [Double], dispersion: Double = 1) -> Double {
        var history = ArrivalHistory()
        for (index, rate) in rates.enumerated() { history.add(rate * 2, seconds: 2, end: Double(index + 1) * 2) }
        return DemandForecast.rising(history, dispersion: dispersion, horizon: 60)
    }

    @Test("a ramp is a rise that goes on; a step, a fall and a single peak are none")
    func steadyRise() {
        let ramp = Self.rising((0..<60).map { 20 + Double($0) * 2 })
        // It climbs by one a second: 138 in the last interval, so about 200 a minute later.
        #expect((190...205).contains(ramp), "\(ramp)")
        for age in 1...20 {
            let step = Self.rising(Array(repeating: 20, count: 60) + Array(repeating: 100, count: age))
            #expect(step <= 100, "\(age): \(step)")
            let peak = Self.rising(Array(repeating: 20, count: 60) + [400] + Array(repeating: 20, count: age - 1))
            #expect(peak <= 150, "\(age): \(peak)")
        }
        #expect(Self.rising((0..<60).map { 200 - Double($0) * 2 }) <= 90)
        #expect(Self.rising([7]) == 7, "too little to say anything")
        #expect(Self.rising(Array(repeating: 0, count: 30) + (1...12).map { Double($0) * 100 }) <= 5 * 1200)
    }

    /// Ten replicas at 4 requests a second, 200 requests waiting, 30 requests a second.
    static func overloaded(risingRate: Double, ready: Int = 10, loading: Int = 0) -> SLOSizing {
        var sizing = SLOSizing()
        sizing.current = ready + loading
        sizing.ready = ready
        sizing.maxReplicas = 1000
        sizing.expectedRate = 30
        sizing.provenRate = 60
        sizing.risingRate = risingRate
        sizing.waiting = 200
        sizing.serviceSeconds = 1
        sizing.concurrency = 4
        sizing.slackSeconds = 2
        sizing.latePrice = 40
        sizing.horizonSeconds = 60
        if loading > 0 { sizing.loading = [SLOSizing.Loading(count: loading, inSeconds: 0)] }
        return sizing
    }

    /// The least of the last minute's mean and the forecast is what noise is reckoned from; the load of now it isn't.
    @Test("the notes name the rate of the last 16 s as the load, and the expected one where it is reckoned from")
    func ratesInWords() {
        var sizing = Self.overloaded(risingRate: 0)
        sizing.recentRate = 50
        sizing.safeRate = 70
        let notes = Dictionary(uniqueKeysWithValues: sizing.proposals.map { ($0.source, $0.note) })
        #expect(notes["Forecast"]?.hasPrefix("50 requests/s in the last 16 s, ready in 60 s for 70 (") == true)
        #expect(notes["QueueModel"] == "so that at 30 requests/s no more than 5 % wait longer than 2 s")
    }

    @Test("of a model that nobody uses the notes stay the same, whatever else moves")
    func idleInWords() {
        var first = Self.settled(1, safeRate: 0.001)
        (first.horizonSeconds, first.plan) = (4.38, "60 s mean x 1.5, averaged with 45 plans nearly as cheap")
        var second = first
        (second.safeRate, second.horizonSeconds, second.plan) = (0, 4.43, "60 s mean x 1.5")
        #expect(first.proposals.map(\.note) == second.proposals.map(\.note))
        #expect(first.proposals.first?.note == "no request in the last 16 s, and none is planned for")
    }

    @Test("who drains a queue while the load rises asks for the load that comes, not for the one of now")
    func backlogOfARise() {
        // 60 arrive and 40 are served a second, for a minute; 80 may wait.
        let flat = Self.overloaded(risingRate: 0)
        #expect(abs(flat.backlog - (200 + 60 * 20 - 80)) < 1e-6, "\(flat.backlog)")
        // From 60 to 120 within the minute: 90 on average.
        let steep = Self.overloaded(risingRate: 120)
        #expect(abs(steep.backlog - (200 + 60 * 50 - 80)) < 1e-6, "\(steep.backlog)")
        #expect(steep.decision().desired > flat.decision().desired + 15)
        // Replicas that are enough for now would keep the queue when the load has doubled.
        let enough = Self.overloaded(risingRate: 0, loading: 10)
        #expect(enough.backlog == 0)
        let short = Self.overloaded(risingRate: 180, loading: 10)
        #expect(short.backlog > 0)
        #expect(short.decision().desired > 45, "\(short.decision().desired)")
    }

    /// Ready replicas of four slots, at a request a second each.
    static func settled(_ replicas: Int, safeRate: Double) -> SLOSizing {
        var sizing = SLOSizing()
        sizing.current = replicas
        sizing.ready = replicas
        sizing.maxReplicas = 100
        sizing.safeRate = safeRate
        sizing.serviceSeconds = 1
        sizing.concurrency = 4
        sizing.slackSeconds = 2
        return sizing
    }

    /// An autoscaler for replicas of four slots that take a minute to start.
    private static func autoscaler(maxReplicas: Int) -> SLOAutoscaler {
        SLOAutoscaler(
            policy: SLOPolicy(
                objective: LatencyObjective(percentile: 95, milliseconds: 3000),
                maxReplicas: maxReplicas,
                coldStartSeconds: 60
            )
        )
    }

    /// What two seconds of a load of `rate` requests a second look like, a second's work each, that `replicas` serve at once.
    private static func steady(_ rate: Double, replicas: Int, second: Int) -> SLOObservation {
        let traffic = SLOTraffic(
            intervalSeconds: 2,
            arrived: 2 * rate,
            completed: 2 * rate,
            running: rate,
            waiting: 0,
            meanSeconds: 1,
            serviceVariation: 0
        )
        return SLOObservation(
            time: AutoscalerTests.start + .seconds(second),
            replicas: replicas,
            readyReplicas: replicas,
            reporting: replicas,
            traffic: traffic
        )
    }

    @Test("what minReplicas keeps is no surplus")
    func fewest() {
        var sizing = Self.settled(1, safeRate: 0)
        sizing.minReplicas = 1
        let decision = sizing.decision()
        #expect(decision.desired == 1 && decision.reason.code == "MinReplicas", "\(decision.reason)")
    }

    @Test("a surplus counts from when it began, so a large one goes as soon as its hold is over")
    func surplusOfAFall() {
        var sizing = Self.settled(40, safeRate: 40)
        sizing.heldRate = 160
        sizing.heldReplicas = 40
        sizing.holdSeconds = 60
        #expect(sizing.surplus == 30, "what is held is a surplus too")
        #expect(sizing.decision().desired == 40)
        sizing.heldReplicas = 10
        // Sixty seconds of thirty replicas are more than two fifths of forty for as long.
        sizing.surplusSeconds = 30 * 60
        #expect(sizing.decision().desired == 10)
        sizing.surplusSeconds = 30 * 20
        sizing.largestNeed = 40
        #expect(sizing.decision().desired == 40)
    }

    @Test(
        "however quick a cold start is, a change costs four of them, up to a minute",
        arguments: [(1.0, 4.0), (15, 60), (30, 60), (60, 60), (300, 300)]
    )
    func settling(coldStart: Double, seconds: Double) {
        #expect(SLOSizing.settling(coldStart) == seconds)
        var sizing = Self.settled(40, safeRate: 40)
        sizing.heldReplicas = 10
        sizing.largestNeed = 40
        sizing.holdSeconds = coldStart
        sizing.surplusSeconds = 0.4 * 40 * seconds - 1
        #expect(sizing.decision().desired == 40)
        sizing.surplusSeconds += 2
        #expect(sizing.decision().desired == 10)
    }

    @Test("what was asked for to drain a backlog goes with it, at once; what the flow needed is kept")
    func surplusOfABacklog() {
        var sizing = Self.settled(100, safeRate: 80)
        sizing.heldReplicas = 20
        sizing.largestNeed = 30
        let decision = sizing.decision()
        #expect(decision.desired == 30 && decision.reason.code == "Together", "\(decision.reason)")
        // Fifteen of a hundred are few: they wait until they have cost as much as a change.
        sizing.largestNeed = 85
        #expect(sizing.decision().desired == 100)
        sizing.largestNeed = 84
        #expect(sizing.decision().desired == 84)
    }

    @Test("a large fleet whose need falls a little goes down in a few steps, not one by one")
    func slowFall() {
        var autoscaler = Self.autoscaler(maxReplicas: 1000)
        var replicas = 220
        var falls = 0
        for second in stride(from: 2, through: 3300, by: 2) {
            let rate = second <= 600 ? 800.0 : 760
            var observation = Self.steady(rate, replicas: replicas, second: second)
            // Once they are full, so that it is known what they can do.
            if second == 2 {
                observation.traffic?.running = 880
                observation.traffic?.waiting = 220
            }
            let desired = autoscaler.decide(observation).decision.desired
            if desired < replicas { falls += 1 }
            replicas = desired
        }
        #expect((190..<220).contains(replicas), "\(replicas)")
        #expect(falls <= 10, "\(falls)")
    }

    @Test("a queue is drained until those that stay can serve the rest of it on time")
    func drained() {
        // Twenty replicas do 80 requests a second: 160 may wait for them, and 800 for a hundred.
        var sizing = Self.settled(100, safeRate: 80)
        sizing.heldReplicas = 20
        for (waiting, desired) in [(700.0, 100), (200, 100), (30, 20), (0, 20)] {
            sizing.waiting = waiting
            let decision = sizing.decision()
            #expect(decision.desired == desired, "\(waiting): \(decision.reason)")
        }
    }

    @Test("nothing goes that is needed for what arrives now, whatever a slow forecast expects")
    func arriving() {
        var sizing = Self.settled(100, safeRate: 60)
        sizing.heldReplicas = 15
        #expect(sizing.decision().desired == 15)
        sizing.recentRate = 170
        let decision = sizing.decision()
        // 170 a second keep 43 replicas busy.
        #expect((43...46).contains(decision.desired) && decision.reason.code == "Arriving", "\(decision)")
        sizing.burstRate = 240
        #expect(sizing.decision().desired == 60)
        sizing.recentRate = 1000
        #expect(sizing.decision().desired == 100, "it keeps, and doesn't raise")
    }

    @Test("a queue that grows is answered while all in it are on time, by the mean of 16 s and not by a burst")
    func growingQueue() {
        // 47 replicas do 188 requests a second, 376 may wait.
        var sizing = Self.settled(47, safeRate: 180)
        sizing.maxReplicas = 1000
        sizing.horizonSeconds = 60
        sizing.latePrice = 40
        sizing.recentRate = 200
        sizing.provenRate = 300
        sizing.risingRate = 600
        sizing.waiting = 90
        #expect(sizing.decision().desired == 47, "noise")
        sizing.waiting = 110
        // 110 + 60 * 12 - 376 would be late when a new replica is ready.
        #expect(abs(sizing.backlog - 454) < 1e-6, "\(sizing.backlog)")
        let early = sizing.decision()
        #expect(early.desired > 55 && early.reason.code == "Backlog", "\(early.reason)")
        sizing.waiting = 380
        #expect(sizing.backlog > 10_000, "who is late already asks for what has come for sure, and for the rise")
    }

    @Test("a few clumps prove no higher rate, a step of a smooth load does")
    func proven() {
        var smooth = ArrivalHistory()
        var clumpy = ArrivalHistory()
        for index in 1...200 {
            let end = Double(index) * 2
            smooth.add(index > 198 ? 120 : 40, seconds: 2, end: end)
            // The same mean before, and the same last four seconds.
            clumpy.add(index > 198 ? 120 : index % 4 == 0 ? 120 : 40.0 / 3, seconds: 2, end: end)
        }
        #expect((45...60).contains(smooth.provenRate(dispersion: smooth.dispersion())))
        #expect(clumpy.dispersion() > 20)
        #expect(clumpy.provenRate(dispersion: clumpy.dispersion()) < 25)
        #expect(ArrivalHistory().provenRate(dispersion: 1) == 0)
        // A rise that clumps may make by chance isn't one.
        let ramp = (0..<60).map { 20 + Double($0) * 2 }
        #expect(Self.rising(ramp, dispersion: 1) > 190)
        #expect(Self.rising(ramp, dispersion: 40) < 140)
    }

    @Test("replicas that stand when an operator starts are a surplus of the flow, not of a backlog")
    func restart() {
        var autoscaler = Self.autoscaler(maxReplicas: 100)
        for second in stride(from: 2, through: 20, by: 2) {
            let observation = Self.steady(40, replicas: 30, second: second)
            let decision = autoscaler.decide(observation).decision
            #expect(decision.desired == 30, "\(second) s: \(decision.reason)")
        }
    }

    @Test("what the flow needed is remembered for eight holds, and then forgotten")
    func neededBefore() {
        var autoscaler = Self.autoscaler(maxReplicas: 100)
        // The most that was needed, by the seconds since the load fell to a half.
        var needs: [Int: Int] = [:]
        for second in stride(from: 2, through: 1400, by: 2) {
            let rate = second <= 600 ? 80.0 : 40
            let observation = Self.steady(rate, replicas: 30, second: second)
            needs[second - 600] = autoscaler.decide(observation).sizing.largestNeed
        }
        // 80 requests a second take twenty replicas of four slots; a hold is a cold start of 60 s.
        #expect((needs[470] ?? 0) >= 20, "\(needs[470] ?? 0)")
        #expect((10..<20).contains(needs[800] ?? 0), "\(needs[800] ?? 0)")
    }

    @Test("a small rise has to be needed for a quarter of a cold start, a large one and a queue don't wait")
    func smallRise() {
        var sizing = Self.settled(20, safeRate: 86)
        sizing.leastNeed = 20
        #expect(sizing.decision().desired == 20)
        sizing.leastNeed = 21
        #expect(sizing.decision().desired == 22)
        sizing.leastNeed = 20
        // Three more of twenty are 15 %; with one more it is no small rise.
        sizing.safeRate = 92
        #expect(sizing.decision().desired == 20)
        sizing.safeRate = 96
        #expect(sizing.decision().desired == 24)
        sizing.safeRate = 100
        #expect(sizing.decision().desired == 25)
        sizing.safeRate = 86
        sizing.waiting = 1000
        #expect(sizing.decision().desired >= 22)
    }

    /// How the count is brought about: windows and rates of the model's `behavior`, and decisions that go by before the
    /// count follows.
    struct Following: Sendable, CustomTestStringConvertible {
        var window = 0
        var limits: [ScalingLimit] = []
        var lag = 0
        var testDescription: String { "window \(window) s, \(limits.count) limits, \(lag) decisions late" }
    }

    static let followings = [
        Following(), Following(window: 10), Following(window: 300), Following(lag: 5),
        Following(window: 10, limits: [ScalingLimit(kind: .pods, value: 1, periodSeconds: 20)]),
    ]

    @Test("a surplus goes however the count is brought about", arguments: followings)
    func surplusThatGoesLate(following: Following) {
        var policy = ScalingPolicy(
            minReplicas: 1,
            maxReplicas: 20,
            latency: LatencyObjective(percentile: 95, milliseconds: 3000),
            down: ScalingRules(stabilizationWindowSeconds: following.window, limits: following.limits)
        )
        policy.coldStartSeconds = 10
        var autoscaler = Autoscaler(policy: policy)
        var (count, fewest) = (6, 6)
        var pending: [Int] = []
        for second in stride(from: 2, through: 1500, by: 2) {
            // 20 requests a second for ten minutes, then none.
            let rate = second <= 600 ? 20.0 : 0
            let running = min(rate, Double(count) * 4)
            let decision = autoscaler.decide(
                ScaleObservation(
                    time: AutoscalerTests.start + .seconds(second),
                    replicas: count,
                    readyReplicas: count,
                    readings: [.inFlight: SignalReading(total: running, reporting: count)],
                    traffic: SLOTraffic(
                        intervalSeconds: 2,
                        arrived: 2 * rate,
                        completed: 2 * running,
                        running: running,
                        waiting: 0,
                        meanSeconds: 1,
                        serviceVariation: 0
                    ),
                    trafficReporting: count
                )
            )
            pending.append(decision.desired)
            guard pending.count > following.lag else { continue }
            let next = pending.removeFirst()
            autoscaler.didScale(from: count, to: next, at: AutoscalerTests.start + .seconds(second))
            count = next
            if second <= 600 { fewest = min(fewest, count) }
        }
        #expect(fewest >= 5, "20 requests a second need five replicas of four slots")
        #expect(count == 1, "\(autoscaler.lastInputs?.decision().reason.message ?? "")")
    }
}
