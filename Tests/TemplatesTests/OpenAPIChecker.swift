// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import KubeModel

/// Checks objects against the OpenAPI v3 documents of a Kubernetes release: unknown fields, types, required fields.
struct OpenAPIChecker {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/kubernetes/openapi-v3")

    /// Whether the documents are there.
    static var arePresent: Bool { FileManager.default.fileExists(atPath: folder.path) }

    /// What is wrong with an object, each with its path.
    static func problems(of object: JSONValue) throws -> [String] {
        let parts = (object["apiVersion"]?.string ?? "").split(separator: "/").map(String.init)
        let path = parts.count == 1 ? "api__\(parts[0])" : "apis__\(parts.joined(separator: "__"))"
        let data = try Data(contentsOf: folder.appendingPathComponent("\(path)_openapi.json"))
        let schemas = try JSONValue(parsing: Array(data)).at("components", "schemas")?.object ?? [:]
        let wanted = (parts.count == 1 ? "" : parts[0], parts.last ?? "", object["kind"]?.string ?? "")
        let schema = schemas.values.first { schema in
            (schema["x-kubernetes-group-version-kind"]?.array ?? []).contains {
                ($0["group"]?.string ?? "", $0["version"]?.string ?? "", $0["kind"]?.string ?? "") == wanted
            }
        }
        guard let schema else { return ["no schema for \(wanted)"] }
        var checker = OpenAPIChecker(schemas: schemas)
        checker.check(object, schema, "")
        return checker.problems
    }

    private let schemas: JSONObject
    private var problems: [String] = []

    private init(schemas: JSONObject) { self.schemas = schemas }

    /// The schema with its reference followed (`$ref`, alone or in an `allOf` of one).
    private func resolved(_ schema: JSONValue) -> JSONValue {
        let reference = schema["$ref"]?.string ?? schema["allOf"]?[0]?["$ref"]?.string
        guard let name = reference?.split(separator: "/").last else { return schema }
        return schemas[String(name)] ?? .emptyObject
    }

    private mutating func check(_ value: JSONValue, _ schema: JSONValue, _ path: String) {
        let schema = resolved(schema)
        if let options = schema["oneOf"]?.array {
            if !options.contains(where: {
                $0["type"]?.string == value.typeName || (value.typeName == "integer" && $0["type"] == "number")
            }) {
                problems.append("\(path): \(value.typeName) is none of the allowed types")
            }
            return
        }
        guard let type = schema["type"]?.string else { return }
        guard value.typeName == type || (type == "number" && value.typeName == "integer") else {
            problems.append("\(path): \(value.typeName) instead of \(type)")
            return
        }
        if let allowed = schema["enum"]?.array, !allowed.contains(value) {
            problems.append("\(path): \(value.jsonText) isn't allowed")
        }
        let prefix = path.isEmpty ? "" : path + "."
        for name in schema["required"]?.array ?? [] where value[name.string ?? ""] == nil {
            problems.append("\(prefix)\(name.string ?? ""): required, but missing")
        }
        for (name, member) in value.object ?? [:] {
            if let next = schema["properties"]?[name] ?? schema["additionalProperties"] {
                check(member, next, prefix + name)
            } else if schema["properties"] != nil {
                problems.append("\(prefix)\(name): unknown field")
            }
        }
        for (index, element) in (value.array ?? []).enumerated() {
            if let items = schema["items"] { check(element, items, "\(path)[\(index)]") }
        }
    }
}
