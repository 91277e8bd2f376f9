// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// What a schema can't say of `spec.scaling`: fields that contradict each other, and fields without an effect.
enum ScalingValidation {
    /// The fields that only the operator's own decisions look at.
    private static let directFields = ["policy", "paused", "fallback", "schedules", "scaleToZero"]

    /// Checks `spec.scaling`.
    static func check(_ scaling: JSONValue, engine: String, _ findings: inout ValidationFindings) {
        if scaling["minReplicas"]?.int == 0, scaling["scaleToZero"] == nil {
            findings.invalid("spec.scaling.minReplicas", "0 needs spec.scaling.scaleToZero; the fewest without it is 1")
        }
        checkSchedules(scaling, &findings)
        checkSource(scaling, &findings)
        guard engine == "Direct" else {
            for field in directFields where scaling[field] != nil {
                findings.warnings.append(
                    "spec.scaling.\(field) has no effect with spec.scaling.engine \(engine); use Direct"
                )
            }
            if scaling["mode"]?.string == "Observe" {
                findings.warnings.append(
                    "spec.scaling.mode Observe has no effect with spec.scaling.engine \(engine); use Direct"
                )
            }
            return
        }
        checkPolicy(scaling, &findings)
        checkZero(scaling, &findings)
    }

    private static func checkPolicy(_ scaling: JSONValue, _ findings: inout ValidationFindings) {
        let policy = scaling["policy"]?.string
        let hasLatency = scaling.at("objective", "latency") != nil
        if policy == "SLO", !hasLatency {
            findings.invalid("spec.scaling.policy", "SLO needs spec.scaling.objective.latency")
        }
        if policy == "TargetTracking", hasLatency {
            findings.warnings.append(
                "spec.scaling.objective has no effect on the replica count with spec.scaling.policy TargetTracking; use SLO"
            )
        }
        guard policy == "Rule" else { return }
        if scaling["metricsSource"]?.string == "Prometheus" {
            findings.warnings.append(
                "spec.scaling.policy Rule never lowers the count with spec.scaling.metricsSource Prometheus, which has no "
                    + "query for the CPU time; use SLO, TargetTracking, or metricsSource Pods"
            )
        }
        let signals = (scaling["targets"]?.array ?? []).compactMap { $0["signal"]?.string }
        for signal in signals where signal != "QueueLength" {
            findings.warnings.append("spec.scaling.targets: \(signal) has no effect with spec.scaling.policy Rule")
        }
        if !signals.contains("QueueLength"), !hasLatency, !signals.isEmpty {
            findings.invalid("spec.scaling.policy", "Rule needs a target for QueueLength, a latency objective, or both")
        }
    }

    private static func checkZero(_ scaling: JSONValue, _ findings: inout ValidationFindings) {
        guard scaling["scaleToZero"] == nil else { return }
        for target in scaling["targets"]?.array ?? [] where target["activationValue"] != nil {
            findings.warnings.append(
                "spec.scaling.targets: activationValue of \(target["signal"]?.string ?? "") has no effect without "
                    + "spec.scaling.scaleToZero"
            )
        }
    }

    private static func checkSchedules(_ scaling: JSONValue, _ findings: inout ValidationFindings) {
        let low = scaling["minReplicas"]?.int ?? 1
        let high = scaling["maxReplicas"]?.int ?? 5
        for (index, schedule) in (scaling["schedules"]?.array ?? []).enumerated() {
            let field = "spec.scaling.schedules[\(index)]"
            for name in ["start", "end"] {
                guard let text = schedule[name]?.string, CronSchedule(text) == nil else { continue }
                findings.invalid(
                    "\(field).\(name)",
                    "\"\(text)\": must be minute (0-59), hour (0-23), day (1-31), month (1-12) and weekday (0-7) as in "
                        + "crontab(5): 0 8 * * mon-fri"
                )
            }
            checkTimes(schedule, field, &findings)
            let floor = schedule["minReplicas"]?.int
            let ceiling = schedule["maxReplicas"]?.int
            if let floor, let ceiling, floor > ceiling {
                findings.invalid(field, "minReplicas (\(floor)) must not be greater than maxReplicas (\(ceiling))")
            }
            if floor == nil, ceiling == nil {
                findings.warnings.append("\(field) has no effect: it sets neither minReplicas nor maxReplicas")
            }
            if let floor, floor > high {
                findings.warnings.append("\(field).minReplicas is more than spec.scaling.maxReplicas, which wins")
            }
            if let ceiling, ceiling < low {
                findings.warnings.append("\(field).maxReplicas is less than spec.scaling.minReplicas, which wins")
            }
        }
    }

    /// Warns of a schedule that can be read and never begins.
    private static func checkTimes(_ schedule: JSONValue, _ field: String, _ findings: inout ValidationFindings) {
        guard let start = schedule["start"]?.string.flatMap({ CronSchedule($0) }),
            let end = schedule["end"]?.string.flatMap({ CronSchedule($0) })
        else { return }
        if start == end { findings.warnings.append("\(field) has no effect: it ends when it starts") }
        // No moment before the year 2100: none at all.
        if start.last(before: CronSchedule.Minute(localSeconds: 4_102_444_800)) == nil {
            findings.warnings.append("\(field) has no effect: no year has a day as start says")
        }
    }

    /// Warns of `${…}` that stands for nothing: a query with it is sent as it is, and has no result.
    private static func checkVariables(_ queries: JSONValue, _ findings: inout ValidationFindings) {
        let known = ["${namespace}", "${model}", "${revision}"]
        for (name, query) in queries.object ?? JSONObject() {
            for part in (query.string ?? "").split(separator: "${", omittingEmptySubsequences: false).dropFirst() {
                let variable = "${" + part.prefix { $0 != "}" } + "}"
                if known.contains(variable) { continue }
                findings.warnings.append(
                    "spec.scaling.prometheus.queries.\(name): \(variable) stands for nothing; there are "
                        + known.joined(separator: ", ")
                )
            }
        }
    }

    private static func checkSource(_ scaling: JSONValue, _ findings: inout ValidationFindings) {
        let isPrometheus = scaling["metricsSource"]?.string == "Prometheus"
        let prometheus = scaling["prometheus"]
        if isPrometheus, prometheus == nil {
            findings.invalid("spec.scaling.metricsSource", "Prometheus needs spec.scaling.prometheus")
        }
        if !isPrometheus, prometheus != nil {
            findings.warnings.append(
                "spec.scaling.prometheus has no effect with spec.scaling.metricsSource Pods; set it to Prometheus"
            )
        }
        guard isPrometheus, let queries = prometheus?["queries"] else { return }
        if queries.object?.isEmpty ?? true {
            findings.invalid("spec.scaling.prometheus.queries", "must have a query for at least one signal")
        }
        checkVariables(queries, &findings)
        let fields = ["QueueLength": "queueLength", "InFlight": "inFlight", "RequestRate": "requestRate"]
        for target in scaling["targets"]?.array ?? [] {
            guard let signal = target["signal"]?.string, let field = fields[signal], queries[field] == nil else {
                continue
            }
            findings.warnings.append(
                "spec.scaling.targets: \(signal) can't be known, since spec.scaling.prometheus.queries.\(field) is not set"
            )
        }
        if scaling.at("objective", "latency") != nil, scaling["policy"]?.string ?? "SLO" == "SLO" {
            for field in ["requestRate", "inFlight"] where queries[field] == nil {
                findings.warnings.append(
                    "spec.scaling.policy SLO can't decide without spec.scaling.prometheus.queries.\(field)"
                )
            }
        }
    }
}
