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
            json["latency"] = reading
        }
        if let cpu = observation.cpuShare, cpu.isFinite { json["cpuShare"] = .double(cpu) }
        if observation.trafficReporting > 0 { json["trafficReporting"] = JSONValue(observation.trafficReporting) }
        if observation.trafficElsewhere > 0 { json["trafficElsewhere"] = JSONValue(observation.trafficElsewhere) }
        if observation.unreadReplicas > 0 { json["unreadReplicas"] = JSONValue(observation.unreadReplicas) }
        if let first = observation.missing.first {
            json["missing"] = [
                "pod": .string(first.pod), "reason": .string(first.reason),
                "count": JSONValue(observation.missing.count),
            ]
        }
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

    /// Reads recorded inputs; `nil` when they are no such.
    public init?(_ json: JSONValue) {
        guard let policy = ScalingPolicy(recorded: json["policy"]), let replicas = json["replicas"]?.int,
            let ready = json["readyReplicas"]?.int, let memory = ScaleMemory(json["memory"])
        else { return nil }
        var observation = ScaleObservation(time: WallTime(nanoseconds: 0), replicas: replicas, readyReplicas: ready)
        for (name, reading) in json["readings"]?.object ?? JSONObject() {
            guard let signal = Signal(rawValue: name), let total = reading["total"]?.double,
                let reporting = reading["reporting"]?.int
            else { return nil }
            let age = Duration.seconds(reading["ageSeconds"]?.double ?? 0)
            let elsewhere = reading["elsewhere"]?.int ?? 0
            observation.readings[signal] = SignalReading(
                total: total,
                reporting: reporting,
                elsewhere: elsewhere,
                age: age
            )
        }
        if let latency = json["latency"] {
            observation.latency = LatencyReading(
                milliseconds: latency["milliseconds"]?.double,
                requestRate: latency["requestRate"]?.double ?? 0,
                reporting: latency["reporting"]?.int ?? 0,
                elsewhere: latency["elsewhere"]?.int ?? 0,
                age: .seconds(latency["ageSeconds"]?.double ?? 0)
            )
        }
        observation.cpuShare = json["cpuShare"]?.double
        observation.trafficReporting = json["trafficReporting"]?.int ?? 0
        observation.trafficElsewhere = json["trafficElsewhere"]?.int ?? 0
        observation.unreadReplicas = max(0, json["unreadReplicas"]?.int ?? 0)
        if let missing = json["missing"], let pod = missing["pod"]?.string, let reason = missing["reason"]?.string {
            let count = min(10_000, max(1, missing["count"]?.int ?? 1))
            observation.missing = Array(repeating: MissingReplica(pod: pod, reason: reason), count: count)
        }
        observation.missingSignals = (json["missingSignals"]?.array ?? []).compactMap(\.string)
        let unknown = (json["unknownSignals"]?.array ?? []).compactMap(\.string)
        observation.unknownSignals = Set(unknown.compactMap { Signal(rawValue: $0) })
        observation.schedules = (json["schedules"]?.array ?? []).map { schedule in
            ScheduledBounds(
                name: schedule["name"]?.string ?? "",
                minReplicas: schedule["minReplicas"]?.int,
                maxReplicas: schedule["maxReplicas"]?.int
            )
        }
        self.init(policy: policy, observation: observation, sizing: json["sizing"].flatMap { SLOSizing($0) })
        self.memory = memory
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
        json["unusedSeconds"] = unusedSeconds.map { .double(($0 * 1000).rounded() / 1000) }
        return json
    }

    fileprivate init?(_ json: JSONValue?) {
        guard let json else { return nil }
        self.init()
        failedReadings = json["failedReadings"]?.int ?? 0
        targetsHeld = json["targetsHeld"]?.int
        stabilized = json["stabilized"]?.int
        limited = json["limited"]?.int
        unusedSeconds = json["unusedSeconds"]?.double
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

    fileprivate init?(recorded json: JSONValue?) {
        guard let json, let kind = json["kind"]?.string.flatMap(Kind.init(rawValue:)),
            let low = json["minReplicas"]?.int, let high = json["maxReplicas"]?.int
        else { return nil }
        var targets: [ScalingTarget] = []
        for target in json["targets"]?.array ?? [] {
            guard let signal = target["signal"]?.string.flatMap(Signal.init(rawValue:)),
                let value = target["value"]?.double
            else { return nil }
            let activation = target["activation"]?.double ?? 0
            targets.append(ScalingTarget(signal: signal, value: value, activation: activation))
        }
        self.init(minReplicas: low, maxReplicas: high, kind: kind, targets: targets)
        if let percentile = json.at("latency", "percentile")?.double,
            let milliseconds = json.at("latency", "milliseconds")?.double
        {
            let price = json.at("latency", "latePrice")?.double
            latency = LatencyObjective(percentile: percentile, milliseconds: milliseconds, latePrice: price)
        }
        up.tolerance = json["toleranceUp"]?.double ?? up.tolerance
        down.tolerance = json["toleranceDown"]?.double ?? down.tolerance
        up.stabilizationWindowSeconds = json["upWindowSeconds"]?.int ?? up.stabilizationWindowSeconds
        down.stabilizationWindowSeconds = json["downWindowSeconds"]?.int ?? down.stabilizationWindowSeconds
        if let threshold = json.at("fallback", "failureThreshold")?.int,
            let replicas = json.at("fallback", "replicas")?.int
        {
            fallback = ScalingFallback(failureThreshold: threshold, replicas: replicas)
        }
        idleSeconds = json["idleSeconds"]?.int
        isPaused = json["paused"]?.bool ?? false
    }
}

extension Duration {
    /// The seconds, rounded to milliseconds.
    fileprivate var inWholeMilliseconds: Double { (inSeconds * 1000).rounded() / 1000 }
}
