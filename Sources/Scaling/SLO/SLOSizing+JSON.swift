// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension SLOSizing {
    private static let numbers: [(String, any WritableKeyPath<SLOSizing, Double> & Sendable)] = [
        ("expectedRate", \.expectedRate), ("safeRate", \.safeRate), ("heldRate", \.heldRate),
        ("burstRate", \.burstRate), ("recentRate", \.recentRate), ("provenRate", \.provenRate),
        ("risingRate", \.risingRate), ("waiting", \.waiting),
        ("serviceSeconds", \.serviceSeconds), ("concurrency", \.concurrency), ("variability", \.variability),
        ("slackSeconds", \.slackSeconds), ("lateShare", \.lateShare), ("latePrice", \.latePrice),
        ("horizonSeconds", \.horizonSeconds), ("surplusSeconds", \.surplusSeconds),
        ("holdSeconds", \.holdSeconds),
    ]
    private static let counts: [(String, any WritableKeyPath<SLOSizing, Int> & Sendable)] = [
        ("current", \.current), ("ready", \.ready), ("minReplicas", \.minReplicas), ("maxReplicas", \.maxReplicas),
        ("heldReplicas", \.heldReplicas), ("leastNeed", \.leastNeed),
        ("largestNeed", \.largestNeed),
    ]

    /// The sizing as JSON: what status keeps of a decision.
    public var json: JSONValue {
        var object: [(String, JSONValue)] = Self.counts.map { ($0.0, JSONValue(self[keyPath: $0.1])) }
        object += Self.numbers.map { ($0.0, .double(self[keyPath: $0.1])) }
        if leastSeconds > 0 { object.append(("leastSeconds", .double(leastSeconds))) }
        object.append(("isIncomplete", .bool(isIncomplete)))
        object.append(("plan", .string(plan)))
        let loading = loading.map {
            JSONValue.object(["count": JSONValue($0.count), "inSeconds": .double($0.inSeconds)])
        }
        object.append(("loading", .array(loading)))
        return .object(JSONObject(pairs: object))
    }

    /// Reads a recorded sizing; `nil` when a number is missing or can't be.
    public init?(_ json: JSONValue) {
        self.init()
        for (name, path) in Self.counts {
            guard let count = json[name]?.int, (0...1_000_000_000).contains(count) else { return nil }
            self[keyPath: path] = count
        }
        for (name, path) in Self.numbers {
            guard let number = json[name]?.double, number.isFinite, number >= 0 else { return nil }
            self[keyPath: path] = number
        }
        guard let isIncomplete = json["isIncomplete"]?.bool, let loading = json["loading"]?.array else { return nil }
        self.isIncomplete = isIncomplete
        // What earlier operators recorded hasn't got it.
        if let least = json["leastSeconds"]?.double, least.isFinite { leastSeconds = max(0, least) }
        plan = String((json["plan"]?.string ?? "").prefix(Self.planLimit))
        for entry in loading {
            guard let count = entry["count"]?.int, count >= 0, let seconds = entry["inSeconds"]?.double, seconds >= 0
            else {
                return nil
            }
            self.loading.append(Loading(count: count, inSeconds: seconds))
        }
    }
}
