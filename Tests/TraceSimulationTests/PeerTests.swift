// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Scaling
import Testing

@testable import Simulation

@Suite("Peers' policies")
struct PeerTests {
    @Test("the HPA's documentation: a current value of 200 against 100 doubles, 50 halves")
    func hpaRatio() {
        let hpa = HPAReplicaCalculator()
        #expect(hpa.pods(values: [200, 200], missing: 0, unready: 0, target: 100, current: 2) == 4)
        #expect(hpa.pods(values: [50, 50], missing: 0, unready: 0, target: 100, current: 2) == 1)
        #expect(hpa.pods(values: [109, 109], missing: 0, unready: 0, target: 100, current: 2) == 2)
        #expect(hpa.averageValue(total: 33_000, target: 10_000, statusReplicas: 3) == 3)
        #expect(hpa.averageValue(total: 33_100, target: 10_000, statusReplicas: 3) == 4)
        #expect(hpa.averageValue(total: 5000, target: 10_000, statusReplicas: 0) == 1)
        #expect(hpa.value(500, target: 1000, current: 4, readyPods: 4) == 2)
    }

    @Test("replica_calculator_test.go: missing and unready pods damp, and never turn the direction")
    func hpaMissingPods() {
        let hpa = HPAReplicaCalculator()
        // TestReplicaCalcMissingMetricsUnreadyScaleUp, ...NoChange; values in milli-cores, the unready pod's left out.
        #expect(hpa.pods(values: [2000], missing: 1, unready: 1, target: 500, current: 3) == 4)
        #expect(hpa.pods(values: [450], missing: 1, unready: 1, target: 500, current: 3) == 3)
        #expect(hpa.pods(values: [], missing: 3, unready: 0, target: 500, current: 3) == nil)
        // Above the target with the ready pod alone, below it when the others count as idle: hold.
        #expect(hpa.pods(values: [600], missing: 0, unready: 3, target: 500, current: 4) == 4)
    }

    @Test("without behavior an HPA rises to twice or four, and falls to the highest of 300 s")
    func hpaStabilization() {
        var behavior = HPABehavior()
        #expect(behavior.normalized(50, current: 1, seconds: 0).count == 4)
        #expect(behavior.normalized(50, current: 4, seconds: 15).count == 8)
        #expect(behavior.normalized(2, current: 8, seconds: 30).count == 16)
        #expect(behavior.normalized(2, current: 16, seconds: 315).count == 32)
        #expect(behavior.normalized(2, current: 32, seconds: 316).count == 2)
    }

    @Test("with behavior the policies limit each period: 80 pods at 10 % a minute go 80, 72, 64")
    func hpaPolicies() {
        // The example of the documentation on `behavior`, with the percentage of the period's start and truncation.
        let down = ScalingRules(
            stabilizationWindowSeconds: 0,
            limits: [
                ScalingLimit(kind: .pods, value: 4, periodSeconds: 60),
                ScalingLimit(kind: .percent, value: 10, periodSeconds: 60),
            ]
        )
        var behavior = HPABehavior(up: .defaultUp, down: down)
        var counts = [80]
        for minute in 1...3 {
            let (current, seconds) = (counts[minute - 1], Double(minute) * 60)
            let count = behavior.normalized(10, current: current, seconds: seconds).count
            behavior.scaled(from: current, to: count, seconds: seconds)
            counts.append(count)
        }
        #expect(counts == [80, 72, 64, 57])
        #expect(behavior.normalized(10, current: 57, seconds: 190).count == 57)
    }

    /// What a policy asks for with so many replicas and requests, 15 s apart.
    static func counts(_ policy: some FleetPolicy, _ turns: [(desired: Int, outstanding: Int)]) -> [Int?] {
        var policy = policy
        var view = FleetView()
        return turns.map { turn in
            view.seconds += 15
            (view.desired, view.ready, view.running) = (turn.desired, turn.desired, turn.outstanding)
            policy.observe(view)
            return policy.decide(view)
        }
    }

    @Test("the rate policies of an HPA, and of KEDA's, count what the bounds let it write")
    func hpaBounds() {
        func rules(_ pods: Int) -> ScalingRules {
            let limit = ScalingLimit(kind: .pods, value: pods, periodSeconds: 60)
            return ScalingRules(stabilizationWindowSeconds: 0, limits: [limit])
        }
        // Four more would be 8, of which 5 may be: one was added, so from 4 on one may go.
        let top = HPABehavior(up: rules(4), down: rules(1))
        let full = [(desired: 4, outstanding: 100), (desired: 5, outstanding: 0)]
        #expect(Self.counts(HPAPolicy(target: 1, minReplicas: 1, maxReplicas: 5, behavior: top), full) == [5, 3])
        #expect(Self.counts(KEDAPolicy(target: 1, minReplicas: 1, maxReplicas: 5, behavior: top), full) == [5, 3])
        // Four fewer would be none, but 3 stay: one went, so from 4 on two may be added.
        let bottom = HPABehavior(up: rules(2), down: rules(4))
        let idle = [(desired: 4, outstanding: 0), (desired: 3, outstanding: 100)]
        #expect(Self.counts(HPAPolicy(target: 1, minReplicas: 3, maxReplicas: 50, behavior: bottom), idle) == [3, 6])
        #expect(Self.counts(KEDAPolicy(target: 1, minReplicas: 3, maxReplicas: 50, behavior: bottom), idle) == [3, 6])
    }

    @Test("KEDA activates within a poll, and lets the last replica go after the cooldown")
    func kedaActivation() {
        var keda = KEDAPolicy(target: 4)
        var view = FleetView()
        view.desired = 0
        keda.observe(view)
        #expect(keda.decide(view) == nil)
        view.running = 3
        view.seconds = 15
        keda.observe(view)
        #expect(keda.decide(view) == nil)
        view.seconds = 30
        #expect(keda.decide(view) == 1)
        view.desired = 1
        view.ready = 1
        view.running = 0
        keda.observe(view)
        for second in stride(from: 60.0, through: 330, by: 30) {
            view.seconds = second
            #expect(keda.decide(view) != 0)
        }
        view.seconds = 360
        #expect(keda.decide(view) == 0)
    }

    static func kpa(up: Double = 10, down: Double = 10) -> KPAPolicy {
        var settings = KPAPolicy.Settings()
        settings.concurrency = 10
        settings.targetUtilization = 1
        settings.maxScaleUpRate = up
        settings.maxScaleDownRate = down
        return KPAPolicy(settings)
    }

    @Test("autoscaler_test.go: rate limits, one pod as the least, panic until the stable window has passed")
    func kpaExamples() {
        var up = Self.kpa()
        #expect(up.scale(stable: 1000, panic: 1001, ready: 1, seconds: 0) == 10)
        #expect(up.scale(stable: 1000, panic: 1001, ready: 10, seconds: 2) == 100)
        var down = Self.kpa()
        // A new autoscaler holds what it finds until its panic is over.
        #expect(down.scale(stable: 1, panic: 1, ready: 100, seconds: 0) == 100)
        #expect(down.scale(stable: 1, panic: 1, ready: 100, seconds: 61) == 10)
        #expect(down.scale(stable: 1, panic: 1, ready: 10, seconds: 63) == 1)
        var none = Self.kpa()
        #expect(none.scale(stable: 1000, panic: 888, ready: 0, seconds: 0) == 10)
        var panic = Self.kpa(up: 1000)
        #expect(panic.scale(stable: 100, panic: 100, ready: 1, seconds: 0) == 10)
        #expect(panic.scale(stable: 100, panic: 1000, ready: 1, seconds: 2) == 100)
        #expect(panic.scale(stable: 1, panic: 1, ready: 1, seconds: 32) == 100)
        #expect(panic.scale(stable: 1, panic: 1, ready: 1, seconds: 63) == 1)
    }

    @Test("Knative's documentation: a scale-down delay holds the highest count of its window")
    func kpaDelay() {
        var settings = KPAPolicy.Settings()
        settings.concurrency = 10
        settings.targetUtilization = 1
        settings.scaleDownDelaySeconds = 10
        var kpa = KPAPolicy(settings)
        #expect(kpa.scale(stable: 100, panic: 100, ready: 8, seconds: 0) == 10)
        // Panic, which a new autoscaler starts with, is over after the stable window.
        #expect(kpa.scale(stable: 100, panic: 100, ready: 10, seconds: 62) == 10)
        #expect(kpa.scale(stable: 60, panic: 60, ready: 10, seconds: 70) == 10)
        #expect(kpa.scale(stable: 60, panic: 60, ready: 10, seconds: 73) == 6)
    }

    @Test("Ray Serve acts on the 301st turn that asks for more, on the 6001st that asks for less")
    func rayDelays() {
        var settings = RayServePolicy.Settings()
        settings.targetOngoingRequests = 1
        var ray = RayServePolicy(settings)
        for _ in 0..<300 { #expect(ray.decide(ongoing: 8, running: 4, target: 4) == 4) }
        #expect(ray.decide(ongoing: 8, running: 4, target: 4) == 8)
        for _ in 0..<200 { #expect(ray.decide(ongoing: 8, running: 4, target: 4) == 4) }
        #expect(ray.decide(ongoing: 4, running: 4, target: 4) == 4)
        for _ in 0..<300 { #expect(ray.decide(ongoing: 8, running: 4, target: 4) == 4) }
        var down = RayServePolicy(settings)
        for _ in 0..<6000 { #expect(down.decide(ongoing: 1, running: 4, target: 4) == 4) }
        #expect(down.decide(ongoing: 1, running: 4, target: 4) == 1)
    }

    @Test("Ray Serve's factors: half of the way up; at least one down; from none at once")
    func rayFactors() {
        var settings = RayServePolicy.Settings()
        settings.targetOngoingRequests = 1
        settings.upscalingFactor = 0.5
        settings.downscalingFactor = 0.1
        settings.upscaleDelaySeconds = 0
        settings.downscaleDelaySeconds = 0
        var ray = RayServePolicy(settings)
        #expect(ray.decide(ongoing: 150, running: 10, target: 10) == 80)
        #expect(ray.decide(ongoing: 8, running: 10, target: 10) == 9)
        #expect(ray.decide(ongoing: 3, running: 0, target: 0) == 1)
        #expect(ray.decide(ongoing: 0, running: 0, target: 0) == 0)
    }

    @Test("the simple rule: the first threshold that is passed decides, and its factor is capped")
    func ruleRows() {
        func rule(_ queue: Double, _ latency: Double, _ cpu: Double) -> Int {
            RulePolicy.decide(replicas: 10, queue: queue, latency: latency, cpu: cpu, queueUnderTarget: queue < 0.3)
        }
        #expect(rule(1.2, 9, 1) == 12)
        #expect(rule(7, 0, 1) == 20)
        #expect(rule(0.5, 1.2, 1) == 12)
        #expect(rule(0.5, 7, 1) == 15)
        #expect(rule(0.2, 0.5, 0.2) == 8)
        #expect(rule(0.2, 0.5, 0.4) == 10)
        #expect(rule(0.5, 0.5, 0.1) == 10)
    }
}
