// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The common mistakes in custom resource definitions.
enum DefinitionValidation {
    private static let types = SchemaType.allCases.map(\.rawValue)
    /// The deepest schema that is looked into; reading one is bounded as well.
    private static let maximumDepth = 128

    static func check(_ object: JSONValue, _ causes: inout FieldCauses) {
        let spec = object["spec"] ?? .emptyObject
        let group = spec["group"]?.string ?? ""
        let plural = spec.at("names", "plural")?.string ?? ""
        let name = object.at("metadata", "name")?.string ?? ""
        if name != "\(plural).\(group)" {
            causes.invalid("metadata.name", .string(name), "must be spec.names.plural+\".\"+spec.group")
        }
        if group.isEmpty { causes.required("spec.group") }
        let scope = spec["scope"]?.string ?? ""
        if scope.isEmpty {
            causes.required("spec.scope")
        } else if scope != "Cluster", scope != "Namespaced" {
            causes.unsupported("spec.scope", scope, ["Cluster", "Namespaced"])
        }
        for part in ["plural", "kind"] where spec.at("names", part)?.string?.isEmpty ?? true {
            causes.required("spec.names.\(part)")
        }
        let versions = spec["versions"]?.array ?? []
        if versions.filter({ $0["storage"] == true }).count != 1 {
            causes.invalid(
                "spec.versions",
                spec["versions"] ?? .null,
                "must have exactly one version marked as storage version"
            )
        }
        let schemas = versions.map { $0.at("schema", "openAPIV3Schema") }
        // One schema for all versions is kept in one place, and messages name that place.
        let isShared = Set(schemas).count == 1
        for (index, schema) in schemas.enumerated() {
            let own = "spec.versions[\(index)].schema.openAPIV3Schema"
            guard let schema else {
                causes.required(own, "schemas are required")
                continue
            }
            if isShared, index > 0 { continue }
            checkRoot(schema, isShared ? "spec.validation.openAPIV3Schema" : own, &causes)
        }
    }

    private static func checkRoot(_ schema: JSONValue, _ path: String, _ causes: inout FieldCauses) {
        let type = schema["type"]?.string ?? ""
        if type.isEmpty {
            causes.required("\(path).type", "must not be empty at the root")
        } else if type != "object" {
            causes.invalid("\(path).type", .string(type), "must be object at the root")
        }
        check(below: schema, path, depth: 0, &causes)
    }

    private static func check(
        _ schema: JSONValue,
        _ path: String,
        missing words: String,
        depth: Int,
        _ causes: inout FieldCauses
    ) {
        let type = schema["type"]?.string ?? ""
        let isFree =
            schema["x-kubernetes-int-or-string"] == true || schema["x-kubernetes-preserve-unknown-fields"] == true
        if type.isEmpty {
            if !isFree { causes.required("\(path).type", "must not be empty for specified \(words)") }
        } else if !types.contains(type) {
            causes.unsupported("\(path).type", type, types)
        }
        check(below: schema, path, depth: depth, &causes)
    }

    private static func check(below schema: JSONValue, _ path: String, depth: Int, _ causes: inout FieldCauses) {
        guard depth < maximumDepth else { return }
        let properties = schema["properties"]?.object ?? JSONObject()
        for (name, property) in properties {
            let place = "\(path).properties[\(name.asPathStep)]"
            check(property, place, missing: "object fields", depth: depth + 1, &causes)
        }
        if let additional = schema["additionalProperties"], additional.object != nil {
            if !properties.isEmpty {
                causes.forbidden(
                    "\(path).additionalProperties",
                    "additionalProperties and properties are mutual exclusive"
                )
            }
            check(additional, "\(path).additionalProperties", missing: "object fields", depth: depth + 1, &causes)
        }
        if let items = schema["items"] {
            check(items, "\(path).items", missing: "array items", depth: depth + 1, &causes)
        } else if schema["type"] == "array" {
            causes.required("\(path).items", "must be specified")
        }
        if schema["x-kubernetes-list-type"] == "map" { checkKeys(schema, path, &causes) }
    }

    /// The keys of a list by key: properties of its items that every item has.
    private static func checkKeys(_ schema: JSONValue, _ path: String, _ causes: inout FieldCauses) {
        let place = "\(path).x-kubernetes-list-map-keys"
        let keys = (schema["x-kubernetes-list-map-keys"]?.array ?? []).compactMap(\.string)
        if keys.isEmpty { causes.required(place, "must not be empty if x-kubernetes-list-type is map") }
        guard let items = schema["items"] else { return }
        let required = Set((items["required"]?.array ?? []).compactMap(\.string))
        let why = "this property is in x-kubernetes-list-map-keys, so it"
        for key in keys {
            guard let property = items.at("properties", key) else {
                causes.invalid(
                    place,
                    .array(keys.map(JSONValue.string)),
                    "entries must all be names of item properties"
                )
                continue
            }
            let field = "\(path).items.properties[\(key)]"
            if !required.contains(key), property["default"] == nil {
                causes.required("\(field).default", "\(why) must have a default or be a required property")
            }
            if property["nullable"] == true { causes.forbidden("\(field).nullable", "\(why) cannot be nullable") }
        }
    }
}
