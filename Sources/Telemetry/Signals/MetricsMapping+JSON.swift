// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension MetricsMapping {
    /// The mapping that a ServingRuntime's `spec.metrics` describes; what it doesn't describe well is left out.
    public init(_ json: JSONValue) {
        let requests = json["requests"]
        self.init(
            queueLength: Self.sources(json["queueLength"]),
            inFlight: Self.sources(json["inFlight"]),
            cacheUsage: Self.sources(json["cacheUsage"]),
            latency: Self.sources(json["latency"]),
            requests: Self.sources(requests),
            successes: Self.sources(json["successes"]),
            errors: Self.sources(json["errors"]),
            codeLabel: requests?["codeLabel"]?.string ?? "code",
            errorCodes: requests?["errorCodes"]?.array.map { $0.compactMap(\.string) } ?? ["5"],
            inFlightIsRunning: json["inFlight"]?["counts"]?.string == "Running",
            outputs: Self.sources(json["outputs"]),
            outputLabel: json["outputs"]?["categoryLabel"]?.string ?? "class"
        )
    }

    /// A metric and its alternatives, in that order.
    private static func sources(_ json: JSONValue?) -> [MetricSource] {
        guard let json else { return [] }
        return ([json] + (json["alternatives"]?.array ?? [])).compactMap(source)
    }

    private static func source(_ json: JSONValue) -> MetricSource? {
        guard let selector = selector(json) else { return nil }
        let scales = ["Milliseconds": 1e-3, "Microseconds": 1e-6, "Percent": 1e-2]
        return MetricSource(
            selector,
            kind: json["type"]?.string == "TimeCounter" ? .time : .direct,
            scale: json["unit"]?.string.flatMap { scales[$0] } ?? 1,
            count: json["count"].flatMap { Self.selector($0) }
        )
    }

    private static func selector(_ json: JSONValue) -> MetricSelector? {
        guard let name = json["name"]?.string, !name.isEmpty else { return nil }
        let except = (json["except"]?.array ?? []).map { labels($0) }.filter { !$0.isEmpty }
        return MetricSelector(name, labels: labels(json["labels"]), except: except)
    }

    private static func labels(_ json: JSONValue?) -> [String: String] {
        var labels: [String: String] = [:]
        for (key, value) in json?.object ?? JSONObject() { labels[key] = value.string }
        return labels
    }
}
