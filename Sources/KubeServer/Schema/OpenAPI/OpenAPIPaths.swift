// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The paths of one resource.
struct OpenAPIPaths {
    let type: ResourceType
    let verbs: [String]
    let subresources: [String]
    let schemaName: String
    /// Whether a custom resource definition made it: such objects know no strategic merge, and kubectl asks the document
    /// which patch it may send.
    var isCustom = false

    /// Every path with its operations.
    var all: [(String, JSONValue)] {
        let root = type.group.isEmpty ? "/api/\(type.version)" : "/apis/\(type.group)/\(type.version)"
        let collection = type.isNamespaced ? "\(root)/namespaces/{namespace}/\(type.plural)" : "\(root)/\(type.plural)"
        var paths: [(String, JSONValue)] = []
        paths.append((collection, collectionOperations))
        if type.isNamespaced, verbs.contains("list") {
            let list = operation(
                "list",
                "listForAllNamespaces",
                answer: schemaName + "List",
                parameters: listParameters
            )
            paths.append(("\(root)/\(type.plural)", ["get": list]))
        }
        if !itemOperations.isEmpty { paths.append(("\(collection)/{name}", .object(itemOperations))) }
        for subresource in subresources {
            paths.append(("\(collection)/{name}/\(subresource)", subresourceOperations(subresource)))
        }
        return paths
    }

    private static let patchTypes = [
        "application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
    ]

    private var listParameters: [String] {
        [
            "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
            "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch",
        ]
    }

    private var writeParameters: [String] { ["dryRun", "fieldManager", "fieldValidation"] }

    private var deleteParameters: [String] {
        ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"]
    }

    private var collectionOperations: JSONValue {
        var operations: JSONValue = ["parameters": pathParameters(named: false)]
        if verbs.contains("list") {
            operations["get"] = operation("list", "list", answer: schemaName + "List", parameters: listParameters)
        }
        if verbs.contains("create") {
            operations["post"] = operation("post", "create", body: schemaName, parameters: writeParameters)
        }
        if verbs.contains("deletecollection") {
            operations["delete"] = operation(
                "deletecollection",
                "deleteCollection",
                answer: nil,
                parameters: deleteParameters + listParameters
            )
        }
        return operations
    }

    private var itemOperations: JSONObject {
        var operations = JSONObject()
        if verbs.contains("get") { operations["get"] = operation("get", "read", parameters: []) }
        if verbs.contains("update") {
            operations["put"] = operation("put", "replace", body: schemaName, parameters: writeParameters)
        }
        if verbs.contains("patch") {
            operations["patch"] = operation("patch", "patch", parameters: writeParameters + ["force"], isPatch: true)
        }
        if verbs.contains("delete") {
            operations["delete"] = operation("delete", "delete", answer: nil, parameters: deleteParameters)
        }
        if !operations.isEmpty { operations["parameters"] = pathParameters(named: true) }
        return operations
    }

    private func subresourceOperations(_ subresource: String) -> JSONValue {
        let schema = subresource == "scale" ? "io.k8s.api.autoscaling.v1.Scale" : schemaName
        var kind = type
        if subresource == "scale" { (kind.group, kind.version, kind.kind) = ("autoscaling", "v1", "Scale") }
        let name = subresource.prefix(1).uppercased() + subresource.dropFirst()
        return [
            "parameters": pathParameters(named: true),
            "get": operation("get", "read", suffix: name, kind: kind, answer: schema, parameters: []),
            "put": operation(
                "put",
                "replace",
                suffix: name,
                kind: kind,
                answer: schema,
                body: schema,
                parameters: writeParameters
            ),
            "patch": operation(
                "patch",
                "patch",
                suffix: name,
                kind: kind,
                answer: schema,
                parameters: writeParameters + ["force"],
                isPatch: true
            ),
        ]
    }

    /// One operation; the answer is of the resource's own type unless another is given.
    private func operation(
        _ action: String,
        _ verb: String,
        suffix: String = "",
        kind: ResourceType? = nil,
        answer: String? = "",
        body: String? = nil,
        parameters: [String],
        isPatch: Bool = false
    ) -> JSONValue {
        let kind = kind ?? type
        var json: JSONValue = [
            "operationId": .string(operationName(verb) + suffix), "x-kubernetes-action": .string(action),
            "x-kubernetes-group-version-kind": [
                "group": .string(kind.group), "version": .string(kind.version), "kind": .string(kind.kind),
            ],
            "tags": [.string(type.apiVersion.replacing("/", with: "_").replacing(".", with: "_"))],
        ]
        let name = answer.map { $0.isEmpty ? schemaName : $0 }
        json["responses"] = ["200": ["description": "OK", "content": Self.content(["application/json"], name)]]
        if !parameters.isEmpty { json["parameters"] = .array(parameters.map(Self.parameter)) }
        if let body { json["requestBody"] = ["content": Self.content(["*/*"], body), "required": true] }
        if isPatch {
            let types = Self.patchTypes + (isCustom ? [] : ["application/strategic-merge-patch+json"])
            json["requestBody"] = ["content": Self.content(types, nil), "required": true]
        }
        return json
    }

    private func operationName(_ verb: String) -> String {
        let group = type.group.isEmpty ? "core" : String(type.group.split(separator: ".").first ?? "")
        func capital(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
        return verb + capital(group) + capital(type.version) + (type.isNamespaced ? "Namespaced" : "") + type.kind
    }

    private static func content(_ types: [String], _ schema: String?) -> JSONValue {
        let body: JSONValue = [
            "schema": schema.map { ["$ref": .string(OpenAPISchemas.prefix + $0)] } ?? ["type": "object"]
        ]
        return .object(JSONObject(pairs: types.map { ($0, body) }))
    }

    private static func parameter(_ name: String) -> JSONValue {
        let type =
            switch name {
            case "force", "watch", "allowWatchBookmarks", "sendInitialEvents", "orphanDependents": "boolean"
            case "limit", "timeoutSeconds", "gracePeriodSeconds": "integer"
            default: "string"
            }
        return ["name": .string(name), "in": "query", "schema": ["type": .string(type), "uniqueItems": true]]
    }

    private func pathParameters(named: Bool) -> JSONValue {
        let names = (named ? ["name"] : []) + (type.isNamespaced ? ["namespace"] : [])
        return .array(
            names.map { name in
                [
                    "name": .string(name), "in": "path", "required": true,
                    "schema": ["type": "string", "uniqueItems": true],
                ]
            }
        )
    }
}
