// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The two forms of a horizontal pod autoscaler: `autoscaling/v1`, which knows a CPU percentage alone, and `autoscaling/v2`,
/// which is stored. What the first has no field for is in its annotations, as JSON (`autoscaling/v1/conversion.go`).
enum AutoscalerVersions {
    private static let prefix = "autoscaling.alpha.kubernetes.io/"
    private static let metrics = prefix + "metrics"
    private static let currentMetrics = prefix + "current-metrics"
    private static let behavior = prefix + "behavior"
    private static let conditions = prefix + "conditions"
    private static let all = [metrics, currentMetrics, behavior, conditions]

    /// A stored autoscaler as `autoscaling/v1`.
    static func first(_ stored: KubeObject) -> KubeObject {
        var object = stored
        for name in all { object.setAnnotation(name, to: nil) }
        let listed = stored["spec", "metrics"]?.array ?? []
        let percentage = listed.first(where: isProcessorPercentage)
        object.json.set(
            percentage?.at("resource", "target", "averageUtilization"),
            at: "spec",
            "targetCPUUtilizationPercentage"
        )
        let others = listed.filter { !isProcessorPercentage($0) }
        annotate(&object, metrics, others.isEmpty ? nil : .array(others.map(flattened)))
        annotate(&object, behavior, stored["spec", "behavior"])
        let shown = stored["status", "currentMetrics"]?.array ?? []
        annotate(&object, currentMetrics, shown.isEmpty ? nil : .array(shown.map(flattened)))
        let found = stored["status", "conditions"]?.array ?? []
        annotate(&object, conditions, found.isEmpty ? nil : .array(found))
        for member in ["metrics", "behavior"] { object.json.set(nil, at: "spec", member) }
        if stored.json["status"]?.object != nil {
            for member in ["currentMetrics", "conditions"] { object.json.set(nil, at: "status", member) }
            let current = shown.first { $0.at("resource", "name") == "cpu" }?
                .at("resource", "current", "averageUtilization")
            object.json.set(current, at: "status", "currentCPUUtilizationPercentage")
            if object["status", "currentReplicas"] == nil { object.json.set(0, at: "status", "currentReplicas") }
        }
        return object
    }

    /// An autoscaler of `autoscaling/v1` as it is stored. An annotation that isn't what this server writes is left out.
    static func stored(_ first: KubeObject) -> KubeObject {
        var object = first
        for name in all { object.setAnnotation(name, to: nil) }
        var listed = nestedMetrics(first, metrics, "spec", "metrics")
        if let percentage = first["spec", "targetCPUUtilizationPercentage"] {
            listed.append([
                "type": "Resource",
                "resource": ["name": "cpu", "target": ["type": "Utilization", "averageUtilization": percentage]],
            ])
        }
        object.json.set(nil, at: "spec", "targetCPUUtilizationPercentage")
        object.json.set(listed.isEmpty ? nil : .array(listed), at: "spec", "metrics")
        if let rules = parsed(first, behavior), rules.object != nil, fits(rules, "spec", "behavior") {
            object.json.set(rules, at: "spec", "behavior")
        }
        if first.json["status"]?.object != nil {
            object.json.set(nil, at: "status", "currentCPUUtilizationPercentage")
            let shown = nestedMetrics(first, currentMetrics, "status", "currentMetrics")
            object.json.set(.array(shown), at: "status", "currentMetrics")
            if let found = parsed(first, conditions), found.array != nil, fits(found, "status", "conditions") {
                object.json.set(found, at: "status", "conditions")
            }
        }
        AutoscalerDefaults.apply(to: &object.json)
        return object
    }

    private static func isProcessorPercentage(_ metric: JSONValue) -> Bool {
        metric["type"] == "Resource" && metric.at("resource", "name") == "cpu"
            && metric.at("resource", "target", "averageUtilization") != nil
    }

    private static func annotate(_ object: inout KubeObject, _ name: String, _ value: JSONValue?) {
        guard let value, !value.isNull else { return }
        object.setAnnotation(name, to: value.jsonText)
    }

    private static func parsed(_ object: KubeObject, _ name: String) -> JSONValue? {
        guard let text = object.annotation(name) else { return nil }
        return try? JSONValue(parsing: Array(text.utf8))
    }

    /// The metrics that an annotation lists, in the form of `v2`; none where it isn't such a list.
    private static func nestedMetrics(
        _ object: KubeObject,
        _ name: String,
        _ part: String,
        _ member: String
    ) -> [JSONValue] {
        let listed = (parsed(object, name)?.array ?? []).map(nested)
        return listed.allSatisfy { $0.object != nil } && fits(.array(listed), part, member) ? listed : []
    }

    /// Whether a value is of the type that a member of `v2` has.
    private static func fits(_ value: JSONValue, _ part: String, _ member: String) -> Bool {
        let type = ResourceType.horizontalPodAutoscalers
        return TypeSchema.builtIn(type)?.decodingFailure(in: [part: [member: value]], kind: type.kind) == nil
    }

    /// The members of a source, or of what is current, with their names in `v1`.
    private static let members = ["resource", "containerResource", "pods", "object", "external"]

    /// A metric of `v2`, with what it targets or shows as members of its source.
    private static func flattened(_ metric: JSONValue) -> JSONValue {
        var result = metric
        for member in members {
            guard var source = metric[member], source.object != nil else { continue }
            for (part, word) in [("target", "target"), ("current", "current")] {
                guard let values = source[part], values.object != nil, member != "object" || part == "current" else {
                    continue
                }
                source[part] = nil
                for (name, capital) in [
                    ("value", "Value"), ("averageValue", "AverageValue"), ("averageUtilization", "AverageUtilization"),
                ] {
                    if let value = values[name] { source[word + capital] = value }
                }
            }
            if member == "object" { flattenObject(&source, of: metric[member] ?? .emptyObject) }
            if let identity = source["metric"] {
                source["metric"] = nil
                source["metricName"] = identity["name"]
                source[member == "external" ? "metricSelector" : "selector"] = identity["selector"]
            }
            result[member] = source
        }
        return result
    }

    /// An Object metric's `target` is the object there, and its mean has no prefix.
    private static func flattenObject(_ source: inout JSONValue, of original: JSONValue) {
        if let mean = source["currentAverageValue"] {
            source["currentAverageValue"] = nil
            source["averageValue"] = mean
        }
        if let target = original["target"], target.object != nil {
            source["targetValue"] = target["value"] ?? "0"
            source["averageValue"] = target["averageValue"]
        }
        source["target"] = original["describedObject"]
        source["describedObject"] = nil
    }

    /// The reverse of `flattened`.
    private static func nested(_ metric: JSONValue) -> JSONValue {
        var result = metric
        for member in members {
            guard var source = metric[member], source.object != nil else { continue }
            if source["metricName"] != nil {
                var identity: JSONValue = ["name": source["metricName"] ?? ""]
                identity["selector"] = source["selector"] ?? source["metricSelector"]
                for name in ["metricName", "selector", "metricSelector"] { source[name] = nil }
                source["metric"] = identity
            }
            if member == "object" {
                source["describedObject"] = source["target"]
                source["target"] = nil
                let isCurrent = source["currentValue"] != nil
                if let mean = source["averageValue"] {
                    source["averageValue"] = nil
                    source[isCurrent ? "currentAverageValue" : "targetAverageValue"] = mean
                    if !isCurrent, source["targetValue"] == "0" { source["targetValue"] = nil }
                }
            }
            for word in ["target", "current"] {
                var values = JSONValue.emptyObject
                for (name, type) in [
                    ("Value", "Value"), ("AverageValue", "AverageValue"), ("AverageUtilization", "Utilization"),
                ] {
                    guard let value = source[word + name] else { continue }
                    source[word + name] = nil
                    values[name.prefix(1).lowercased() + name.dropFirst()] = value
                    if word == "target" { values["type"] = .string(type) }
                }
                if values.object?.isEmpty == false { source[word] = values }
            }
            result[member] = source
        }
        return result
    }
}
