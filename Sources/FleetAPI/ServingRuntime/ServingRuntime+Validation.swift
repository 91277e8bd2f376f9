// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// Validation of ServingRuntimes: the schema, then what a schema can't say.
public enum ServingRuntimeValidation {
    /// Checks an object.
    public static func validate(_ json: JSONValue) -> ValidationFindings {
        var findings = ValidationFindings()
        let json = ServingRuntime.defaults.completing(json)
        findings.errors = ServingRuntime.schema.violations(in: json)
        guard let spec = json["spec"], spec.object != nil else { return findings }
        for signal in ["queueLength", "inFlight", "latency"] where spec.at("metrics", signal) == nil {
            findings.warnings.append("spec.metrics.\(signal) is not set: models on this runtime can't scale by it")
        }
        return findings
    }
}
