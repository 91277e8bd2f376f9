// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel
import Scaling
import Testing

@testable import Simulation

@Suite("A model's own settings in a simulation")
struct ModelScalingTests {
    /// A model with an objective of 3 s.
    static func model(
        price: Double? = nil,
        targets: [ScalingTarget] = [],
        down: ScalingRules? = nil,
        interval: Double = 2,
        idleSeconds: Int? = nil
    ) -> ModelScaling {
        func policy(_ kind: ScalingPolicy.Kind) -> ScalingPolicy {
            ScalingPolicy(
                minReplicas: 1,
                maxReplicas: 100,
                kind: kind,
                targets: targets,
                latency: LatencyObjective(percentile: 95, milliseconds: 3000, latePrice: price),
                down: down,
                idleSeconds: idleSeconds
            )
        }
        return ModelScaling(
            name: "churn",
            slo: policy(.slo),
            tracking: policy(.targetTracking),
            intervalSeconds: interval,
            notSimulated: ["schedules", "fallback"]
        )
    }

    static func load(_ model: ModelScaling?, minReplicas: Int = 1) -> ComparisonCase {
        var settings = FleetSettings()
        settings.coldStartSeconds = 20
        settings.minReplicas = minReplicas
        settings.maxReplicas = 100
        let plan = ArrivalPlan.rates([20, 60, 25, 70, 15], binSeconds: 300, variation: 1)
        return ComparisonCase(name: "steps", settings: settings, plan: plan, model: model)
    }

    static func pods(_ level: Double) -> [ScalingTarget] { [ScalingTarget(signal: .inFlight, value: level)] }

    @Test("the late price of the model counts, and a knob does the same as the spec that says it")
    func latePrice() {
        let plain = Self.load(Self.model()).run(.slo)
        let cheap = Self.load(Self.model(price: 1)).run(.slo)
        let dear = Self.load(Self.model(price: 1000)).run(.slo)
        #expect(cheap.replicaHours < plain.replicaHours && plain.replicaHours < dear.replicaHours)
        #expect(cheap.attainment < dear.attainment)
        var knobs = PolicyChoice.Knobs()
        knobs.latePrice = 1000
        #expect(Self.load(Self.model(price: 1)).run(.slo, knobs: knobs) == dear)
    }

    @Test("targets count, for target tracking and beside an objective; so do behavior and interval")
    func targets() {
        let plain = Self.load(Self.model())
        let tracking = plain.run(.targetTracking)
        let loose = Self.load(Self.model(targets: Self.pods(4)))
        // The largest answer wins: a level of one request a replica asks for more than the objective does.
        let tight = Self.load(Self.model(targets: Self.pods(1)))
        #expect(tight.run(.targetTracking).replicaHours > 1.5 * tracking.replicaHours)
        #expect(tight.run(.slo).replicaHours > 1.5 * plain.run(.slo).replicaHours)
        var knobs = PolicyChoice.Knobs()
        knobs.utilization = 1
        #expect(tight.run(.targetTracking, knobs: knobs) == loose.run(.targetTracking))
        knobs.stabilizationSeconds = 0
        let quick = ScalingRules(stabilizationWindowSeconds: 0, limits: ScalingRules.defaultDown.limits)
        let fast = Self.load(Self.model(targets: Self.pods(4), down: quick)).run(.targetTracking)
        #expect(loose.run(.targetTracking, knobs: knobs) == fast)
        var never = ScalingRules.unlimited
        never.select = .disabled
        let held = Self.load(Self.model(down: never)).run(.slo)
        #expect(held.scaleDowns == 0 && held.scaleUps > 0)
        #expect(Self.load(Self.model(interval: 15)).run(.slo) != plain.run(.slo))
    }

    @Test("without anything beside the objective the operator does what the SLO policy alone does, or nearly")
    func operatorIsThePolicy() {
        let alone = Self.load(nil).run(.slo)
        let model = Self.load(Self.model()).run(.slo)
        #expect(abs(model.replicaHours / alone.replicaHours - 1) < 0.1, "\(model.replicaHours) \(alone.replicaHours)")
        // It isn't told how many slots a replica has, and learns it.
        #expect(abs(model.attainment - alone.attainment) < 0.05, "\(model.attainment) \(alone.attainment)")
    }

    @Test(
        "others know nothing of a model's spec but its bounds",
        arguments: [PolicyChoice.hpa, .kpa, .rayServe, .rule]
    )
    func othersStayThemselves(choice: PolicyChoice) {
        #expect(Self.load(Self.model(price: 1, targets: Self.pods(1))).run(choice) == Self.load(nil).run(choice))
    }

    @Test("a model that may go to zero does so after its idle time, and the first request wakes it")
    func scaleToZero() {
        var settings = FleetSettings()
        settings.coldStartSeconds = 20
        settings.minReplicas = 0
        settings.maxReplicas = 10
        settings.objectiveSeconds = 30
        let plan = ArrivalPlan.times((0..<20).map { Int64($0) * 1_000_000 } + [1_800_000_000], seconds: 3600)
        for choice in [PolicyChoice.slo, .targetTracking, .keda, .kpa] {
            let model = Self.model(idleSeconds: 120)
            let load = ComparisonCase(name: "rare", settings: settings, plan: plan, model: model)
            let result = load.run(choice)
            #expect(result.replicaHours < 0.35, "\(choice): \(result.replicaHours)")
            #expect(result.scaleUps >= 1 && result.scaleDowns >= 2, "\(choice)")
            if choice == .slo { #expect(result.attainment == 1) }
        }
        // Who hasn't got a way from zero keeps one.
        let load = ComparisonCase(name: "rare", settings: settings, plan: plan)
        for choice in [PolicyChoice.hpa, .rule] { #expect(load.run(choice).replicaHours >= 0.99, "\(choice)") }
        // So it does where nobody asks anything at first.
        let late = ArrivalPlan.times((0..<20).map { 600_000_000 + Int64($0) * 1_000_000 }, seconds: 3600)
        let quiet = ComparisonCase(name: "late", settings: settings, plan: late)
        for choice in [PolicyChoice.hpa, .rule] {
            let result = quiet.run(choice)
            #expect(result.replicaHours >= 0.99 && result.attainment == 1, "\(choice)")
        }
    }

    @Test(
        "a pause and a fallback, which aren't simulated, change nothing",
        arguments: [PolicyChoice.slo, .targetTracking]
    )
    func pauseAndFallback(choice: PolicyChoice) {
        var paused = Self.model()
        paused.slo.isPaused = true
        paused.tracking.isPaused = true
        #expect(Self.load(paused).run(choice) == Self.load(Self.model()).run(choice))
        // Without a replica there is no reading, which would count as one that failed.
        let plan = ArrivalPlan.times([0, 600_000_000], seconds: 1200)
        func rare(_ model: ModelScaling) -> RunResult {
            var settings = FleetSettings()
            settings.minReplicas = 0
            settings.maxReplicas = 100
            return ComparisonCase(name: "rare", settings: settings, plan: plan, model: model).run(choice)
        }
        let plain = Self.model(idleSeconds: 120)
        var prepared = plain
        prepared.slo.fallback = ScalingFallback(failureThreshold: 1, replicas: 7)
        prepared.tracking.fallback = ScalingFallback(failureThreshold: 1, replicas: 7)
        #expect(rare(prepared) == rare(plain))
    }

    @Test("the report names the model, and what isn't simulated of it")
    func report() {
        let load = Self.load(Self.model())
        let report = ComparisonReport(load, results: [load.run(.slo)])
        #expect(report.title.hasPrefix("steps on churn: "))
        for text in [report.table, report.html] { #expect(text.contains("not simulated: schedules, fallback")) }
        #expect(report.json["notSimulated"]?.array == ["schedules", "fallback"] && report.json["model"] == "churn")
        let plain = ComparisonReport(Self.load(nil), results: [])
        #expect(plain.title.hasPrefix("steps: ") && !plain.table.contains("not simulated"))
    }
}
