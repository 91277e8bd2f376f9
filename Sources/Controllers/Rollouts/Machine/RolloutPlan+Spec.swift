// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import FleetAPI
import KubeModel
import Rollouts

extension ModelDeployment {
    /// `spec.rollout`
    var rolloutSpec: JSONValue { object["spec", "rollout"] ?? .emptyObject }

    /// The strategy of `spec.rollout`.
    var rolloutStrategy: RolloutStrategy {
        rolloutSpec["strategy"]?.string.flatMap(RolloutStrategy.init(rawValue:)) ?? .rollingUpdate
    }

    /// What `spec.rollout` plans.
    var rolloutPlan: RolloutPlan {
        let spec = rolloutSpec
        let analysis = spec["analysis"]
        let strategy = rolloutStrategy
        func seconds(_ name: String, _ usual: Int) -> Duration { .seconds(max(1, analysis?[name]?.int ?? usual)) }
        func fallback(_ name: String) -> AnalysisFallback {
            analysis?[name]?.string.flatMap(AnalysisFallback.init(rawValue:)) ?? .wait
        }
        let steps = spec["steps"]?.array.flatMap { $0.isEmpty ? nil : $0.compactMap(Self.step) }
        return RolloutPlan(
            strategy: strategy,
            steps: strategy == .shadow ? steps?.filter { if case .setReplicas = $0 { true } else { false } } : steps,
            judge: judgeSettings,
            // Nobody but a tester sends requests to a preview: there is something to judge only where it was asked for.
            judges: strategy != .blueGreen || !(analysis?.object?.isEmpty ?? true),
            analysisDuration: seconds("durationSeconds", 300),
            interval: seconds("intervalSeconds", 10),
            onNoData: fallback("onNoData"),
            onInconclusive: fallback("onInconclusive"),
            timeout: seconds("timeoutSeconds", 86_400),
            progressDeadline: .seconds(progressDeadlineSeconds),
            surge: spec["surge"]?.string.flatMap(RolloutSurge.init(rawValue:)) ?? .auto,
            dynamicStableScale: spec["dynamicStableScale"]?.bool ?? false,
            autoPromotes: spec.at("blueGreen", "autoPromote")?.bool ?? true,
            isPaused: spec["paused"]?.bool ?? false
        )
    }

    /// How long a pod must be ready before its numbers count.
    var analysisWarmup: Duration { .seconds(max(0, rolloutSpec.at("analysis", "warmupSeconds")?.int ?? 30)) }

    /// How many rollouts that ended are remembered.
    var revisionHistoryLimit: Int { min(50, max(0, rolloutSpec["revisionHistoryLimit"]?.int ?? 10)) }

    /// How long a revision keeps its pods after another took its traffic.
    var retirementDelay: Duration {
        guard rolloutStrategy == .blueGreen else { return ModelPlan.retirementDelay }
        let seconds = rolloutSpec.at("blueGreen", "scaleDownDelaySeconds")?.int ?? 30
        return max(ModelPlan.retirementDelay, .seconds(seconds))
    }

    private var judgeSettings: JudgeSettings {
        let analysis = rolloutSpec["analysis"]
        func number(_ name: String) -> Double? { analysis?[name]?.double }
        let latency = analysis?["maxLatency"].flatMap { json in
            json["milliseconds"]?.double.map {
                LatencyLimit(percentile: json["percentile"]?.double ?? 95, seconds: $0 / 1000)
            }
        }
        return JudgeSettings(
            falseRollbackRate: number("falseRollbackRate") ?? 0.01,
            falsePromotionRate: number("falsePromotionRate") ?? 0.05,
            errorMargin: number("errorMargin") ?? 0.01,
            latencyMargin: number("latencyMargin") ?? 0.05,
            minimumRequests: analysis?["minimumRequests"]?.int ?? 20,
            maxErrorRatio: number("maxErrorRatio"),
            maxLatency: latency,
            maxDrift: number("maxDrift")
        )
    }

    private static func step(_ json: JSONValue) -> RolloutStep? {
        func duration(_ json: JSONValue) -> Duration? { json["durationSeconds"]?.int.map { .seconds(max(1, $0)) } }
        if let weight = json["setWeight"]?.int { return .setWeight(min(max(0, weight), 100)) }
        if let pause = json["pause"] { return .pause(duration(pause)) }
        if let analysis = json["analysis"] { return .analysis(duration(analysis)) }
        return json["setReplicas"]?.int.map { .setReplicas(max(1, $0)) }
    }
}

extension RolloutOutcome {
    /// An entry of `status.history`.
    var json: JSONValue { ((try? JSONValueEncoder().encode(self)) ?? .emptyObject).asReadBack }
}

extension RolloutState {
    /// Reads `status.rollout`; `nil` where there is none, or one that can't be read.
    init?(_ json: JSONValue?) {
        guard let json, json["phase"] != nil, let state = try? JSONValueDecoder().decode(RolloutState.self, from: json)
        else { return nil }
        self = state
    }

    /// `status.rollout`, but for what others keep there.
    var json: JSONValue { ((try? JSONValueEncoder().encode(self)) ?? .emptyObject).asReadBack }
}
