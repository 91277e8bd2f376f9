// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension ServingRuntime {
    private static let name = StructuralSchema.string(
        "The metric's name, as its # TYPE line has it; a counter's ending _total may be left out.",
        minLength: 1
    )
    private static let labels = StructuralSchema.strings("Labels that a sample must have.")
    private static let except = StructuralSchema.list(
        "Samples that are left out, as those of probes: each that has all labels of one of these. An empty value stands for no "
            + "label.",
        of: .strings("Labels."),
        limit: 20
    )
    private static let timeUnits = ["Seconds", "Milliseconds", "Microseconds"]
    private static let count = StructuralSchema.object(
        "Where the metric only sums durations up: the counter of what was summed.",
        required: ["name"],
        ["name": name, "labels": labels, "except": except]
    )

    /// A metric with others that mean the same in other versions of the server.
    private static func metric(_ description: String, _ own: [String: StructuralSchema]) -> StructuralSchema {
        let fields = own.merging(["name": name, "labels": labels, "except": except]) { left, _ in left }
        var schema = StructuralSchema.object(description, required: ["name"], fields)
        schema.properties["alternatives"] = .list(
            "Metrics that mean the same in other versions of the server; the first one on the page counts.",
            of: .object("Another metric.", required: ["name"], fields),
            limit: 10
        )
        return schema
    }

    private static func level(_ description: String) -> StructuralSchema {
        metric(
            description,
            [
                "type": .string(
                    "Gauge: the value is the number. TimeCounter: the value sums up the time that requests spend so, and "
                        + "its growth a second is the number, on average over the interval (Little's law). "
                        + "Gauge by default.",
                    of: ["Gauge", "TimeCounter"]
                ),
                "unit": .string("The unit of a TimeCounter; Seconds by default.", of: timeUnits),
            ]
        )
    }

    private static let inFlight: StructuralSchema = {
        var schema = level("Requests that were accepted and not yet answered.")
        schema.properties["counts"] = .string(
            "Whether the number holds All requests, those that wait included, or the Running ones alone. All by default.",
            of: ["All", "Running"]
        )
        return schema
    }()

    private static let cacheUsage = metric(
        "The gauge of how full the key-value cache of a language model is; the fullest series counts.",
        ["unit": .string("Ratio is 0 to 1, Percent is 0 to 100; Ratio by default.", of: ["Ratio", "Percent"])]
    )

    private static let latency: StructuralSchema = {
        let unit = "The unit of the durations; Seconds by default."
        var schema = metric(
            "Request durations: a histogram; a summary, whose quantiles then count; or, with count, a counter of their sum.",
            ["unit": .string(unit, of: timeUnits), "count": count]
        )
        schema.properties["unit"] = .string(unit, default: "Seconds", of: timeUnits)
        return schema
    }()

    private static let requests: StructuralSchema = {
        var schema = metric("The counter of requests, however they ended.", [:])
        schema.properties["codeLabel"] = .string("The label with the answer's code.", default: "code")
        schema.properties["errorCodes"] = .list(
            "The beginnings of codes that count as errors; 5 by default.",
            of: .string("A beginning."),
            limit: 20
        )
        return schema
    }()

    private static let outputs: StructuralSchema = {
        var schema = metric(
            "The counter of outputs by category (predicted classes, finish reasons): what spec.rollout.analysis.maxDrift compares.",
            [:]
        )
        schema.properties["categoryLabel"] = .string("The label with the category; class by default.")
        return schema
    }()

    /// The schema of `spec.metrics`.
    static let metricsSchema = StructuralSchema.object(
        "Where the server exports its metrics, and what they mean.",
        [
            "path": .string("The path of the page in the Prometheus text format.", pattern: "^/", default: "/metrics"),
            "port": .integer("The port of the page; by default the one for inference.", from: 1, to: 65_535),
            "queueLength": level("Requests that wait."),
            "inFlight": inFlight,
            "cacheUsage": cacheUsage, "latency": latency, "requests": requests,
            "successes": metric("The counter of requests that ended well, where requests isn't counted by code.", [:]),
            "errors": metric(
                "The counter of requests that ended in an error, where requests isn't counted by code.",
                [:]
            ),
            "outputs": outputs,
        ]
    )
}
