// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What a custom resource definition must look like, and what it starts with.
enum DefinitionRules {
    /// Keeps a definition until its objects are gone.
    static let cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io"

    /// The status of a new definition.
    static func initialStatus(_ definition: KubeObject) -> JSONValue {
        [
            "conditions": .null, "acceptedNames": ["plural": "", "kind": ""],
            "storedVersions": .array(storageVersions(definition)),
        ]
    }

    /// The names of the versions that objects are stored in: one, in a valid definition.
    static func storageVersions(_ definition: KubeObject) -> [JSONValue] {
        (definition["spec", "versions"]?.array ?? []).filter { $0["storage"]?.bool == true }.compactMap { $0["name"] }
    }

    /// The definition with the names that follow from others.
    static func defaulted(_ definition: KubeObject) -> KubeObject {
        var result = definition
        let kind = definition["spec", "names", "kind"]?.string ?? ""
        if (definition["spec", "names", "singular"]?.string ?? "").isEmpty {
            result["spec", "names", "singular"] = .string(kind.lowercased())
        }
        if (definition["spec", "names", "listKind"]?.string ?? "").isEmpty {
            result["spec", "names", "listKind"] = .string(kind + "List")
        }
        if definition["spec", "conversion"] == nil { result["spec", "conversion"] = ["strategy": "None"] }
        return result
    }

    /// What is wrong with a definition.
    static func violations(_ definition: KubeObject) -> [APIStatus.Cause] {
        var causes: [APIStatus.Cause] = []
        let group = definition["spec", "group"]?.string ?? ""
        let plural = definition["spec", "names", "plural"]?.string ?? ""
        if definition.name != "\(plural).\(group)" {
            causes.append(
                .invalid("metadata.name", .string(definition.name), "must be spec.names.plural+\".\"+spec.group")
            )
        }
        if group.isEmpty { causes.append(.required("spec.group")) }
        if !group.contains("."), !group.isEmpty {
            causes.append(.invalid("spec.group", .string(group), "should be a domain with at least one dot"))
        }
        for name in ["plural", "kind"] where (definition["spec", "names", name]?.string ?? "").isEmpty {
            causes.append(.required("spec.names.\(name)"))
        }
        let scope = definition["spec", "scope"]?.string ?? ""
        if scope.isEmpty {
            causes.append(.required("spec.scope"))
        } else if !["Cluster", "Namespaced"].contains(scope) {
            causes.append(.unsupported("spec.scope", .string(scope), supported: ["Cluster", "Namespaced"]))
        }
        if let strategy = definition["spec", "conversion", "strategy"]?.string, strategy != "None" {
            causes.append(
                .invalid(
                    "spec.conversion.strategy",
                    .string(strategy),
                    "this server converts with the strategy None only"
                )
            )
        }
        return causes + versionViolations(definition)
    }

    /// What a definition asks for that this server doesn't enforce, as sentences for the user.
    static func warnings(_ definition: KubeObject) -> [String] {
        (definition["spec", "versions"]?.array ?? []).flatMap { version -> [String] in
            guard let json = version.at("schema", "openAPIV3Schema"),
                let schema = try? StructuralSchema(parsing: json)
            else { return [] }
            return schema.unsupportedFeatures.map { "version \(version["name"]?.string ?? ""): \($0)" }
        }
    }

    private static func versionViolations(_ definition: KubeObject) -> [APIStatus.Cause] {
        let versions = definition["spec", "versions"]?.array ?? []
        guard !versions.isEmpty else { return [.required("spec.versions", "must have at least one version")] }
        var causes: [APIStatus.Cause] = []
        if storageVersions(definition).count != 1 {
            causes.append(
                .invalid(
                    "spec.versions",
                    .array(versions.compactMap { $0["name"] }),
                    "must have exactly one version marked as storage version"
                )
            )
        }
        for (index, version) in versions.enumerated() {
            // The server keeps the schema of a single version at the top, and so its messages name it.
            let path =
                versions.count == 1
                ? "spec.validation.openAPIV3Schema"
                : "spec.versions[\(index)].schema.openAPIV3Schema"
            guard let schema = version.at("schema", "openAPIV3Schema") else {
                causes.append(.required("spec.versions[\(index)].schema.openAPIV3Schema", "schemas are required"))
                continue
            }
            var found = SchemaRules.violations(schema, path: path)
            if found.isEmpty { found = SchemaRules.badPatterns(schema, path: path) }
            if found.isEmpty {
                do { _ = try StructuralSchema(parsing: schema) } catch {
                    found.append(APIStatus.Cause(reason: "FieldValueInvalid", message: "\(error)", field: path))
                }
            }
            causes += found
        }
        return causes
    }
}

/// What makes a schema structural, as far as it can be said of each node.
enum SchemaRules {
    private static let types = ["array", "boolean", "integer", "number", "object", "string"]
    /// Schemas nested deeper than this are refused.
    private static let maximumDepth = 100

    /// What is wrong with a schema, in the order of its nodes.
    static func violations(_ root: JSONValue, path: String) -> [APIStatus.Cause] {
        var causes: [APIStatus.Cause] = []
        visit(root, path: path, missing: "must not be empty at the root", depth: 0, into: &causes)
        return causes
    }

    /// The patterns that are no regular expressions, wherever they stand.
    static func badPatterns(_ node: JSONValue, path: String, depth: Int = 0) -> [APIStatus.Cause] {
        guard depth < maximumDepth else { return [] }
        var causes: [APIStatus.Cause] = []
        if let pattern = node["pattern"]?.string, SearchPattern.isInvalid(pattern) {
            causes.append(
                .invalid(
                    path + ".pattern",
                    .string(pattern),
                    "must be a valid regular expression, but isn't: error parsing regexp"
                )
            )
        }
        for (name, child) in node["properties"]?.object ?? JSONObject() {
            causes += badPatterns(child, path: "\(path).properties[\(name.asPathStep)]", depth: depth + 1)
        }
        for name in ["items", "additionalProperties", "not"] {
            if let child = node[name] { causes += badPatterns(child, path: "\(path).\(name)", depth: depth + 1) }
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            for (index, child) in (node[name]?.array ?? []).enumerated() {
                causes += badPatterns(child, path: "\(path).\(name)[\(index)]", depth: depth + 1)
            }
        }
        return Array(causes.prefix(FieldCauses.maximum))
    }

    private static func visit(
        _ node: JSONValue,
        path: String,
        missing: String,
        depth: Int,
        into causes: inout [APIStatus.Cause]
    ) {
        guard causes.count < FieldCauses.maximum else { return }
        guard depth < maximumDepth else {
            causes.append(.invalid(path, "", "is nested more than \(maximumDepth) levels deep"))
            return
        }
        let type = node["type"]?.string ?? ""
        let isFree =
            node["x-kubernetes-int-or-string"]?.bool == true
            || node["x-kubernetes-preserve-unknown-fields"]?.bool == true
        if type.isEmpty {
            if !isFree || depth == 0 { causes.append(.required(path + ".type", missing)) }
        } else if !types.contains(type) {
            causes.append(.unsupported(path + ".type", .string(type), supported: types))
        }
        if type == "array", node["items"] == nil { causes.append(.required(path + ".items", "must be specified")) }
        for (name, child) in node["properties"]?.object ?? JSONObject() {
            visit(
                child,
                path: "\(path).properties[\(name.asPathStep)]",
                missing: "must not be empty for specified object fields",
                depth: depth + 1,
                into: &causes
            )
        }
        if let items = node["items"], items.object != nil {
            visit(
                items,
                path: path + ".items",
                missing: "must not be empty for specified array items",
                depth: depth + 1,
                into: &causes
            )
        }
        if let child = node["additionalProperties"], child.object != nil {
            visit(
                child,
                path: path + ".additionalProperties",
                missing: "must not be empty for specified object fields",
                depth: depth + 1,
                into: &causes
            )
        }
    }
}
