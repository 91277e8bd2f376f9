// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// What validation found.
public struct ValidationFindings: Sendable, Hashable {
    /// What makes the object invalid.
    public var errors: [APIStatus.Cause] = []
    /// Fields without an effect, and other things to know; the object is accepted.
    public var warnings: [String] = []

    /// Nothing found.
    public init() {}

    /// Adds an error about a field's value.
    mutating func invalid(_ field: String, _ message: String) {
        errors.append(APIStatus.Cause(reason: "FieldValueInvalid", message: "Invalid value: \(message)", field: field))
    }
}

/// Validation of ModelDeployments: the schema, then what a schema can't say.
public enum ModelDeploymentValidation {
    /// Checks an object; defaults are filled in first, and unknown fields are warned about by the API server itself.
    public static func validate(_ json: JSONValue) -> ValidationFindings {
        var findings = ValidationFindings()
        let json = ModelDeployment.applyingDefaults(to: json)
        // Left out is the remark that rules in CEL were not checked; the checks below are these rules.
        findings.errors = ModelDeployment.schema.violations(in: json).filter {
            !($0.field == "<nil>" && $0.message.contains("rules were not checked"))
        }
        guard let spec = json["spec"], spec.object != nil else { return findings }
        checkName(json, &findings)
        checkScaling(spec["scaling"] ?? .emptyObject, hasReplicas: spec["replicas"] != nil, &findings)
        RolloutValidation.check(spec["rollout"] ?? .emptyObject, &findings)
        checkModel(spec, &findings)
        return findings
    }

    private static func checkName(_ json: JSONValue, _ findings: inout ValidationFindings) {
        let most = ModelDeployment.longestName
        if let name = json.at("metadata", "name")?.string, name.utf8.count > most || !isServiceName(name) {
            findings.invalid(
                "metadata.name",
                "\"\(name)\": must be at most \(most) characters without dots, lower case letters, digits and \"-\", and begin with a letter and "
                    + "end with a letter or digit, since a Service has this name"
            )
        }
    }

    /// Whether a Service may have this name, but for its length: `[a-z]([-a-z0-9]*[a-z0-9])?` (RFC 1035).
    private static func isServiceName(_ name: String) -> Bool {
        func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        guard let first = name.utf8.first, let last = name.utf8.last else { return false }
        return isLetter(first) && last != UInt8(ascii: "-")
            && name.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func checkScaling(
        _ scaling: JSONValue,
        hasReplicas: Bool,
        _ findings: inout ValidationFindings
    ) {
        let low = scaling["minReplicas"]?.int
        let high = scaling["maxReplicas"]?.int
        if findings.errors.isEmpty, let low, let high, low > high {
            findings.invalid("spec.scaling", "minReplicas (\(low)) must not be greater than maxReplicas (\(high))")
        }
        let engine = scaling["engine"]?.string ?? "Direct"
        let isHandsOff = scaling["paused"]?.bool == true || scaling["mode"]?.string == "Observe"
        if engine == "Direct", hasReplicas, !isHandsOff {
            findings.warnings.append(
                "spec.replicas has no effect with spec.scaling.engine Direct; set minReplicas and maxReplicas instead, or, to set "
                    + "the count yourself, engine External or paused"
            )
        }
        if engine == "HorizontalPodAutoscaler", scaling["objective"]?.object?.isEmpty == false {
            findings.warnings.append(
                "spec.scaling.objective has no effect with spec.scaling.engine HorizontalPodAutoscaler; use Direct"
            )
        }
        if engine == "External" {
            for field in ["targets", "objective", "behavior"] where scaling[field] != nil {
                findings.warnings.append(
                    "spec.scaling.\(field) has no effect with spec.scaling.engine External: spec.replicas decides"
                )
            }
        }
        ScalingValidation.check(scaling, engine: engine, &findings)
    }

    private static func checkModel(_ spec: JSONValue, _ findings: inout ValidationFindings) {
        let uri = spec.at("model", "uri")?.string ?? ""
        if uri.hasPrefix("http"), spec.at("model", "sha256") == nil {
            findings.warnings.append(
                "spec.model.sha256 is not set: a changed or damaged file at \(uri.prefix(200)) would be served unnoticed"
            )
        }
        let labels = spec.at("template", "metadata", "labels")?.object?.keys ?? []
        for label in labels where label == FleetAPI.modelLabel || label == FleetAPI.revisionLabel {
            findings.invalid(
                "spec.template.metadata.labels",
                "\"\(label)\": this label is the operator's; choose another name"
            )
        }
    }
}
