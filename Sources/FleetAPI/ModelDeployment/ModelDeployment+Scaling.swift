// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

extension ModelDeployment {
    /// Reads `spec.scaling`, put right where it contradicts itself.
    static func scaling(_ json: JSONValue) -> ScalingSpec {
        let idleSeconds = json.at("scaleToZero", "idleSeconds")?.int.map { max(1, $0) }
        // What is asked for while the model is in use: nothing serves with none.
        let minimum = max(1, json["minReplicas"]?.int ?? 1)
        var targets = (json["targets"]?.array ?? []).compactMap(target)
        var latency: LatencyPromise?
        if let objective = json.at("objective", "latency"), let milliseconds = objective["milliseconds"]?.double {
            latency = LatencyPromise(
                percentile: objective["percentile"]?.double ?? 95,
                milliseconds: milliseconds,
                latePrice: objective["latePrice"]?.double
            )
        }
        if targets.isEmpty && latency == nil { targets = defaultTargets }
        let asked = json["policy"]?.string.flatMap(Policy.init(rawValue:))
        let policy = asked ?? (latency == nil ? .targetTracking : .slo)
        return ScalingSpec(
            engine: json["engine"]?.string.flatMap(Engine.init(rawValue:)) ?? .direct,
            policy: policy == .slo && latency == nil ? .targetTracking : policy,
            isObserved: json["mode"]?.string == "Observe",
            isPaused: json["paused"]?.bool ?? false,
            minReplicas: minimum,
            maxReplicas: max(minimum, json["maxReplicas"]?.int ?? 5),
            targets: targets,
            latency: latency,
            intervalSeconds: min(15, max(1, json["intervalSeconds"]?.int ?? 2)),
            behavior: json["behavior"] ?? .emptyObject,
            prometheus: json["metricsSource"]?.string == "Prometheus" ? prometheus(json["prometheus"]) : nil,
            fallback: fallback(json["fallback"]),
            schedules: (json["schedules"]?.array ?? []).compactMap(schedule),
            idleSeconds: idleSeconds
        )
    }

    private static func target(_ json: JSONValue) -> Target? {
        guard let signal = json["signal"]?.string, let value = json["value"]?.double else { return nil }
        return Target(signal: signal, value: value, activationValue: json["activationValue"]?.double ?? 0)
    }

    private static func prometheus(_ json: JSONValue?) -> Prometheus {
        var queries: [String: String] = [:]
        for (name, query) in json?["queries"]?.object ?? JSONObject() { queries[name] = query.string }
        let lookback = json?["lookbackSeconds"]?.int ?? 60
        return Prometheus(address: json?["address"]?.string ?? "", queries: queries, lookbackSeconds: max(5, lookback))
    }

    private static func fallback(_ json: JSONValue?) -> Fallback? {
        guard let replicas = json?["replicas"]?.int else { return nil }
        return Fallback(failureThreshold: json?["failureThreshold"]?.int ?? 3, replicas: replicas)
    }

    private static func schedule(_ json: JSONValue) -> Schedule? {
        guard let name = json["name"]?.string, let start = json["start"]?.string, let end = json["end"]?.string else {
            return nil
        }
        return Schedule(
            name: name,
            timeZone: json["timeZone"]?.string ?? "UTC",
            start: start,
            end: end,
            minReplicas: json["minReplicas"]?.int,
            maxReplicas: json["maxReplicas"]?.int
        )
    }
}
