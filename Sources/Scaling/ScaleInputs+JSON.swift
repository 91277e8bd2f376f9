// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
public import KubeModel

extension ScaleInputs {
    /// The inputs as JSON: what status keeps of a decision, so that it can be replayed.
    ///
    /// Numbers that JSON can't hold (NaN, infinite) are left out: a decision takes them for missing as well.
    public var json: JSONValue {
        var json: JSONValue = [
            "policy": policy.json, "replicas": JSONValue(observation.replicas),
            "readyReplicas": JSONValue(observation.readyReplicas), "memory": memory.json,
        ]
        for (signal, reading) in observation.readings.sorted(by: { $0.key < $1.key }) where reading.total.isFinite {
            var shown: JSONValue = [
                "total": .double(reading.total), "reporting": JSONValue(reading.reporting),
                "ageSeconds": .double(reading.age.inWholeMilliseconds),
            ]
            if reading.elsewhere > 0 { shown["elsewhere"] = JSONValue(reading.elsewhere) }
            json.set(shown, at: "readings", signal.rawValue)
        }
        if let latency = observation.latency, latency.milliseconds?.isFinite ?? true, latency.requestRate.isFinite {
            var reading: JSONValue = [
                "requestRate": .double(latency.requestRate), "reporting": JSONValue(latency.reporting),
                "ageSeconds": .double(latency.age.inWholeMilliseconds),
            ]
            if latency.elsewhere > 0 { reading["elsewhere"] = JSONValue(latency.elsewhere) }
            reading["milliseconds"] = latency.milliseconds.map { .double($0) }
            if latency.isLowerBound { reading["isLowerBound"] = true }
            json["latency"] = reading
        }
        if let cpu = observation.cpuShare, cpu.isFinite { json["cpuShare"] = .double(cpu) }
        if observation.trafficReporting > 0 { json["trafficReporting"] = JSONValue(observation.trafficReporting) }
        if observation.trafficElsewhere > 0 { json["trafficElsewhere"] = JSONValue(observation.trafficElsewhere) }
        if observation.unreadReplicas > 0 { json["unreadReplicas"] = JSONValue(observation.unreadReplicas) }
        if observation.newReplicas > 0 { json["newReplicas"] = JSONValue(observation.newReplicas) }
        if observation.isBypassed { json["isBypassed"] = true }
        json["missing"] = Self.missing(observation.missing)
        json["missingElsewhere"] = Self.missing(observation.missingElsewhere)
        if !observation.missingSignals.isEmpty {
            json["missingSignals"] = .array(observation.missingSignals.map { .string($0) })
        }
        if !observation.unknownSignals.isEmpty {
            json["unknownSignals"] = .array(observation.unknownSignals.sorted().map { .string($0.rawValue) })
        }
        if !observation.schedules.isEmpty { json["schedules"] = .array(observation.schedules.map(\.json)) }
        json["sizing"] = sizing?.json
        return json
    }

    /// Of replicas that weren't read the first, and how many they are.
    private static func missing(_ replicas: [MissingReplica]) -> JSONValue? {
        replicas.first.map { first in
            ["pod": .string(first.pod), "reason": .string(first.reason), "count": JSONValue(replicas.count)]
        }
    }
}

extension ScheduledBounds {
    fileprivate var json: JSONValue {
        var json: JSONValue = ["name": .string(name)]
        json["minReplicas"] = minReplicas.map { JSONValue($0) }
        json["maxReplicas"] = maxReplicas.map { JSONValue($0) }
        return json
    }
}

extension ScaleMemory {
    fileprivate var json: JSONValue {
        var json: JSONValue = ["failedReadings": JSONValue(failedReadings)]
        json["targetsHeld"] = targetsHeld.map { JSONValue($0) }
        json["stabilized"] = stabilized.map { JSONValue($0) }
        json["limited"] = limited.map { JSONValue($0) }
        // Rounded down: what isn't idle for long enough yet isn't in the record either.
        json["unusedSeconds"] = unusedSeconds.map { .double(($0 * 1000).rounded(.down) / 1000) }
        json["idleSeconds"] = idleSeconds.map { JSONValue($0) }
        return json
    }
}

extension ScalingPolicy {
    /// What a decision needs of the policy; limits of a period are in the memory already.
    fileprivate var json: JSONValue {
        var json: JSONValue = [
            "kind": .string(kind.rawValue), "minReplicas": JSONValue(minReplicas),
            "maxReplicas": JSONValue(maxReplicas), "toleranceUp": .double(up.tolerance),
            "toleranceDown": .double(down.tolerance), "upWindowSeconds": JSONValue(up.stabilizationWindowSeconds),
            "downWindowSeconds": JSONValue(down.stabilizationWindowSeconds),
        ]
        if !targets.isEmpty {
            json["targets"] = .array(
                targets.map { target in
                    var json: JSONValue = [
                        "signal": .string(target.signal.rawValue), "value": .double(target.value),
                    ]
                    if target.activation > 0 { json["activation"] = .double(target.activation) }
                    return json
                }
            )
        }
        if let latency {
            var objective: JSONValue = [
                "percentile": .double(latency.percentile), "milliseconds": .double(latency.milliseconds),
            ]
            objective["latePrice"] = latency.latePrice.map { .double($0) }
            json["latency"] = objective
        }
        if let fallback {
            json["fallback"] = [
                "failureThreshold": JSONValue(fallback.failureThreshold), "replicas": JSONValue(fallback.replicas),
            ]
        }
        json["idleSeconds"] = idleSeconds.map { JSONValue($0) }
        if isPaused { json["paused"] = true }
        return json
    }
}

extension Duration {
    /// The seconds, rounded to milliseconds; none where a clock went back meanwhile.
    fileprivate var inWholeMilliseconds: Double { max(0, (inSeconds * 1000).rounded() / 1000) }
}
