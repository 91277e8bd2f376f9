// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

/// What the API server refuses in built-in objects: the common mistakes, in its words.
///
/// Objects are expected to have their defaults. Not every rule of Kubernetes is here: what isn't checked is accepted.
public enum BuiltInValidation {
    /// A 422 answer that lists `causes`.
    public static func invalid(kind: String, group: String, name: String, causes: [APIStatus.Cause]) -> APIStatus {
        let qualified = group.isEmpty ? kind : "\(kind).\(group)"
        let lines = causes.map { $0.field.isEmpty ? $0.message : "\($0.field): \($0.message)" }
        let list = lines.count == 1 ? lines[0] : "[\(lines.joined(separator: ", "))]"
        return APIStatus(
            code: 422,
            reason: "Invalid",
            message: "\(qualified) \"\(name)\" is invalid: \(list)",
            name: name.isEmpty ? nil : name,
            group: group.isEmpty ? nil : group,
            kind: kind,
            causes: causes
        )
    }

    /// What is wrong with an object's name, labels, annotations, finalizers and owner references.
    public static func metadataViolations(_ object: JSONValue, type: ResourceType) -> [APIStatus.Cause] {
        var causes = FieldCauses()
        let metadata = object["metadata"] ?? .emptyObject
        let name = metadata["name"]?.string ?? ""
        let generated = metadata["generateName"]?.string ?? ""
        if !generated.isEmpty {
            // What comes after the prefix makes the end of the name right.
            let whole =
                generated.hasSuffix("-") || generated.hasSuffix(".") ? generated.dropLast() + "a" : generated[...]
            for problem in nameProblems(String(whole), type) {
                causes.invalid("metadata.generateName", .string(generated), problem)
            }
        }
        if name.isEmpty && generated.isEmpty {
            causes.required("metadata.name", "name or generateName is required")
        } else if !name.isEmpty {
            for problem in nameProblems(name, type) { causes.invalid("metadata.name", .string(name), problem) }
        }
        labels(metadata["labels"], "metadata.labels", &causes)
        for (key, _) in metadata["annotations"]?.object ?? JSONObject() {
            for problem in NameRules.keyProblems(key.lowercased()) {
                causes.invalid("metadata.annotations", .string(key), problem)
            }
        }
        for finalizer in metadata["finalizers"]?.array ?? [] {
            for problem in NameRules.keyProblems(finalizer.string ?? "") {
                causes.invalid("metadata.finalizers", finalizer, problem)
            }
        }
        var controllers = 0
        for (index, owner) in (metadata["ownerReferences"]?.array ?? []).enumerated() {
            for key in ["apiVersion", "kind", "name", "uid"] where owner[key]?.string?.isEmpty ?? true {
                let field = key == "apiVersion" ? "version" : key
                causes.invalid(
                    "metadata.ownerReferences[\(index)].\(key)",
                    owner[key] ?? "",
                    "\(field) must not be empty"
                )
            }
            if owner["controller"]?.bool ?? false { controllers += 1 }
        }
        if controllers > 1 {
            causes.invalid(
                "metadata.ownerReferences",
                metadata["ownerReferences"] ?? .null,
                "Only one reference can have Controller set to true"
            )
        }
        return causes.causes
    }

    private static func nameProblems(_ name: String, _ type: ResourceType) -> [String] {
        switch (type.group, type.kind) {
        case ("", "Namespace"): NameRules.labelProblems(name)
        case ("", "Service"): NameRules.serviceNameProblems(name)
        case ("rbac.authorization.k8s.io", _): NameRules.pathSegmentProblems(name)
        default: NameRules.subdomainProblems(name)
        }
    }

    /// Adds what is wrong with a map of labels.
    static func labels(_ labels: JSONValue?, _ path: String, _ causes: inout FieldCauses) {
        for (key, value) in labels?.object ?? JSONObject() {
            for problem in NameRules.keyProblems(key) { causes.invalid(path, .string(key), problem) }
            for problem in NameRules.labelValueProblems(value.string ?? "") { causes.invalid(path, value, problem) }
        }
    }

    /// What is wrong with a new object, its metadata included.
    public static func violations(creating object: JSONValue, type: ResourceType) -> [APIStatus.Cause] {
        var causes = FieldCauses()
        check(object, type, &causes)
        return metadataViolations(object, type: type) + causes.causes
    }

    /// What is wrong with `new` as the successor of `old`.
    public static func violations(updating old: JSONValue, to new: JSONValue, type: ResourceType) -> [APIStatus.Cause] {
        var causes = FieldCauses()
        for name in ["name", "namespace", "uid", "creationTimestamp"] {
            if let value = new.at("metadata", name) {
                if let before = old.at("metadata", name), before != value {
                    causes.invalid("metadata.\(name)", value, "field is immutable")
                }
            }
        }
        switch (type.group, type.kind) {
        case ("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "DaemonSet"), ("apps", "StatefulSet"):
            causes.immutable(old, new, "spec", "selector")
        case ("", "Service"): ServiceValidation.checkUpdate(old, new, &causes)
        case ("", "Pod"): PodValidation.checkUpdate(old, new, &causes)
        case ("", "Secret"):
            causes.immutable(old, new, "type")
            immutableData(old, new, ["data"], &causes)
        case ("", "ConfigMap"): immutableData(old, new, ["data", "binaryData"], &causes)
        case ("rbac.authorization.k8s.io", "RoleBinding"), ("rbac.authorization.k8s.io", "ClusterRoleBinding"):
            if let value = new["roleRef"], value != old["roleRef"] {
                causes.invalid("roleRef", value, "cannot change roleRef")
            }
        default: break
        }
        check(new, type, &causes)
        return metadataViolations(new, type: type) + causes.causes
    }

    private static func immutableData(
        _ old: JSONValue,
        _ new: JSONValue,
        _ names: [String],
        _ causes: inout FieldCauses
    ) {
        guard old["immutable"] == true else { return }
        if new["immutable"] != true { causes.forbidden("immutable", "field is immutable when `immutable` is set") }
        for name in names where old[name] != new[name] {
            causes.forbidden(name, "field is immutable when `immutable` is set")
        }
    }

    private static func check(_ object: JSONValue, _ type: ResourceType, _ causes: inout FieldCauses) {
        switch (type.group, type.kind) {
        case ("", "Pod"): PodValidation.check(object["spec"] ?? .emptyObject, "spec", isTemplate: false, &causes)
        case ("", "Service"): ServiceValidation.check(object, &causes)
        case ("", "ConfigMap"), ("", "Secret"): dataKeys(object, &causes)
        case ("apps", _): WorkloadValidation.check(object, type.kind, &causes)
        case ("autoscaling", "HorizontalPodAutoscaler"): WorkloadValidation.checkAutoscaler(object, &causes)
        case ("autoscaling", "Scale"): causes.nonNegative(object, "spec", "replicas")
        case ("apiregistration.k8s.io", "APIService"): APIServiceValidation.check(object, &causes)
        case ("coordination.k8s.io", "Lease"): lease(object, &causes)
        case ("apiextensions.k8s.io", "CustomResourceDefinition"): DefinitionValidation.check(object, &causes)
        case ("policy", "PodDisruptionBudget"):
            if object.at("spec", "minAvailable") != nil, object.at("spec", "maxUnavailable") != nil {
                causes.invalid(
                    "spec",
                    object["spec"] ?? .null,
                    "minAvailable and maxUnavailable cannot be both set"
                )
            }
        default: break
        }
    }

    private static func lease(_ object: JSONValue, _ causes: inout FieldCauses) {
        if let seconds = object.at("spec", "leaseDurationSeconds"), let number = seconds.integer, number <= 0 {
            causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
        }
        if let count = object.at("spec", "leaseTransitions"), let number = count.integer, number < 0 {
            causes.invalid("spec.leaseTransitions", count, "must be greater than or equal to 0")
        }
    }

    private static func dataKeys(_ object: JSONValue, _ causes: inout FieldCauses) {
        for part in ["data", "binaryData"] {
            for key in object[part]?.object?.keys ?? [] {
                let isValid = SearchPattern.compiled("^[-._a-zA-Z0-9]+$")?.matches(key) ?? true
                if !isValid || key == "." || key.hasPrefix("..") || key.utf8.count > 253 {
                    causes.invalid(
                        "\(part)[\(key)]",
                        .string(key),
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  "
                            + "or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                    )
                }
            }
        }
    }
}
