// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Ambient
public import KubeModel

extension ScaleInputs {
    /// Reads recorded inputs; `nil` when they are no such, or have a count or an age that can't be.
    public init?(_ json: JSONValue) {
        guard let inputs = try? Self(recorded: json) else { return nil }
        self = inputs
    }

    private init(recorded json: JSONValue) throws(NoRecord) {
        guard let policy = json["policy"], let memory = json["memory"], let replicas = try json.count("replicas"),
            let ready = try json.count("readyReplicas")
        else { throw NoRecord() }
        var observation = ScaleObservation(time: WallTime(nanoseconds: 0), replicas: replicas, readyReplicas: ready)
        try observation.readLevels(json)
        try observation.readReplicas(json)
        observation.cpuShare = json["cpuShare"]?.double
        observation.missingSignals = (json["missingSignals"]?.array ?? []).compactMap(\.string)
        let unknown = (json["unknownSignals"]?.array ?? []).compactMap(\.string)
        observation.unknownSignals = Set(unknown.compactMap { Signal(rawValue: $0) })
        for schedule in json["schedules"]?.array ?? [] { observation.schedules.append(try ScheduledBounds(schedule)) }
        self.init(
            policy: try ScalingPolicy(recorded: policy),
            observation: observation,
            sizing: json["sizing"].flatMap { SLOSizing($0) }
        )
        self.memory = try ScaleMemory(recorded: memory)
    }
}

/// What isn't a record of a decision.
private struct NoRecord: Error {}

extension JSONValue {
    /// No count and no age of a decision is more.
    private static let largest = 1_000_000_000

    /// A member that counts something; `nil` where there is none.
    fileprivate func count(_ name: String) throws(NoRecord) -> Int? {
        guard let number = self[name], !number.isNull else { return nil }
        guard let count = number.int, (0...Self.largest).contains(count) else { throw NoRecord() }
        return count
    }

    /// A member that is an age in seconds; zero where there is none.
    fileprivate func age(_ name: String) throws(NoRecord) -> Duration {
        guard let number = self[name], !number.isNull else { return .zero }
        guard let seconds = number.double, (0...Double(Self.largest)).contains(seconds) else { throw NoRecord() }
        return .seconds(seconds)
    }
}

extension ScaleObservation {
    fileprivate mutating func readLevels(_ json: JSONValue) throws(NoRecord) {
        for (name, reading) in json["readings"]?.object ?? JSONObject() {
            guard let signal = Signal(rawValue: name), let total = reading["total"]?.double,
                let reporting = try reading.count("reporting")
            else { throw NoRecord() }
            readings[signal] = SignalReading(
                total: total,
                reporting: reporting,
                elsewhere: try reading.count("elsewhere") ?? 0,
                age: try reading.age("ageSeconds")
            )
        }
        guard let reading = json["latency"] else { return }
        latency = LatencyReading(
            milliseconds: reading["milliseconds"]?.double,
            requestRate: reading["requestRate"]?.double ?? 0,
            reporting: try reading.count("reporting") ?? 0,
            elsewhere: try reading.count("elsewhere") ?? 0,
            age: try reading.age("ageSeconds")
        )
        latency?.isLowerBound = reading["isLowerBound"]?.bool ?? false
    }

    fileprivate mutating func readReplicas(_ json: JSONValue) throws(NoRecord) {
        trafficReporting = try json.count("trafficReporting") ?? 0
        trafficElsewhere = try json.count("trafficElsewhere") ?? 0
        unreadReplicas = try json.count("unreadReplicas") ?? 0
        newReplicas = try json.count("newReplicas") ?? 0
        isBypassed = json["isBypassed"]?.bool ?? false
        missing = try Self.missing(json["missing"])
        missingElsewhere = try Self.missing(json["missingElsewhere"])
    }

    /// As many as were missing, each with the name of the first.
    private static func missing(_ json: JSONValue?) throws(NoRecord) -> [MissingReplica] {
        guard let json, let pod = json["pod"]?.string, let reason = json["reason"]?.string else { return [] }
        let count = min(10_000, max(1, try json.count("count") ?? 1))
        return Array(repeating: MissingReplica(pod: pod, reason: reason), count: count)
    }
}

extension ScheduledBounds {
    fileprivate init(_ json: JSONValue) throws(NoRecord) {
        self.init(
            name: json["name"]?.string ?? "",
            minReplicas: try json.count("minReplicas"),
            maxReplicas: try json.count("maxReplicas")
        )
    }
}

extension ScaleMemory {
    fileprivate init(recorded json: JSONValue) throws(NoRecord) {
        self.init()
        failedReadings = try json.count("failedReadings") ?? 0
        targetsHeld = try json.count("targetsHeld")
        stabilized = try json.count("stabilized")
        limited = try json.count("limited")
        unusedSeconds = json["unusedSeconds"]?.double
        idleSeconds = try json.count("idleSeconds")
    }
}

extension ScalingPolicy {
    fileprivate init(recorded json: JSONValue) throws(NoRecord) {
        guard let kind = json["kind"]?.string.flatMap(Kind.init(rawValue:)), let low = try json.count("minReplicas"),
            let high = try json.count("maxReplicas")
        else { throw NoRecord() }
        var targets: [ScalingTarget] = []
        for target in json["targets"]?.array ?? [] {
            guard let signal = target["signal"]?.string.flatMap(Signal.init(rawValue:)),
                let value = target["value"]?.double
            else { throw NoRecord() }
            let activation = target["activation"]?.double ?? 0
            targets.append(ScalingTarget(signal: signal, value: value, activation: activation))
        }
        self.init(minReplicas: low, maxReplicas: high, kind: kind, targets: targets)
        if let latency = json["latency"], let percentile = latency["percentile"]?.double,
            let milliseconds = latency["milliseconds"]?.double
        {
            let price = latency["latePrice"]?.double
            self.latency = LatencyObjective(percentile: percentile, milliseconds: milliseconds, latePrice: price)
        }
        up.tolerance = json["toleranceUp"]?.double ?? up.tolerance
        down.tolerance = json["toleranceDown"]?.double ?? down.tolerance
        up.stabilizationWindowSeconds = try json.count("upWindowSeconds") ?? up.stabilizationWindowSeconds
        down.stabilizationWindowSeconds = try json.count("downWindowSeconds") ?? down.stabilizationWindowSeconds
        if let fallback = json["fallback"], let threshold = try fallback.count("failureThreshold"),
            let replicas = try fallback.count("replicas")
        {
            self.fallback = ScalingFallback(failureThreshold: threshold, replicas: replicas)
        }
        idleSeconds = try json.count("idleSeconds")
        isPaused = json["paused"]?.bool ?? false
    }
}
