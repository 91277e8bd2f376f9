// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
import KubeModel

/// The columns of custom resources.
enum CustomColumns {
    /// The columns that a definition asks for; without any, name and age.
    static func columns(_ definitions: [JSONValue]) -> [TableColumn] {
        guard !definitions.isEmpty else {
            let path = ".metadata.creationTimestamp"
            return [TableColumns.name, column(["name": "Age", "type": "date", "jsonPath": .string(path)])]
        }
        return [TableColumns.name] + definitions.map(column)
    }

    private static func column(_ json: JSONValue) -> TableColumn {
        let path = json["jsonPath"]?.string ?? ""
        let type = json["type"]?.string ?? "string"
        let parsed = FieldPathQuery(path)
        var column = TableColumn(
            json["name"]?.string ?? "",
            type: type,
            format: json["format"]?.string ?? "",
            about: json["description"]?.string ?? "Custom resource definition column (in JSONPath format): \(path)"
        ) { object, now in
            guard let value = parsed?.first(in: object.json) else { return .null }
            return cell(value, type, now)
        }
        column.priority = json["priority"]?.int ?? 0
        return column
    }

    private static func cell(_ value: JSONValue, _ type: String, _ now: WallTime) -> JSONValue {
        switch type {
        case "integer": value.integer.map(JSONValue.integer) ?? .null
        case "number": value.double.map(JSONValue.double) ?? .null
        case "boolean": value.bool.map(JSONValue.bool) ?? .null
        case "date":
            .string(
                value.string.flatMap(WallTime.init(rfc3339:)) == nil
                    ? "<invalid>" : HumanDuration.since(value, now)
            )
        default: .string(value.string ?? value.jsonText)
        }
    }
}

/// A simple JSONPath: members, indices, `*` and filters on equality, as printer columns use.
struct FieldPathQuery: Sendable {
    private enum Step: Sendable {
        case member(String)
        case index(Int)
        case all
        case filter(path: [String], value: JSONValue)
    }

    private var steps: [Step] = []

    /// Parses `.status.conditions[?(@.type=="Ready")].status`; `nil` when it is more than this understands.
    init?(_ text: String) {
        var rest = text[...]
        if rest.hasPrefix("{"), rest.hasSuffix("}") { rest = rest.dropFirst().dropLast() }
        if rest.hasPrefix("$") { rest = rest.dropFirst() }
        while let first = rest.first {
            rest = rest.dropFirst()
            if first == "." {
                let name = Self.name(&rest)
                guard !name.isEmpty else { return nil }
                steps.append(name == "*" ? .all : .member(name))
            } else if first == "[" {
                guard let step = Self.bracket(&rest) else { return nil }
                steps.append(step)
            } else {
                return nil
            }
        }
    }

    /// The first value that is found.
    func first(in root: JSONValue) -> JSONValue? {
        var found = [root]
        for step in steps {
            found = found.flatMap { value -> [JSONValue] in
                switch step {
                case .member(let name): [value[name]].compactMap { $0 }
                case .index(let index): [value[index < 0 ? (value.array?.count ?? 0) + index : index]].compactMap { $0 }
                case .all: value.array ?? value.object?.values ?? []
                case .filter(let path, let wanted): (value.array ?? []).filter { $0.value(at: path) == wanted }
                }
            }
        }
        return found.first.flatMap { $0 == .null ? nil : $0 }
    }

    private static func name(_ rest: inout Substring) -> String {
        var name = ""
        while let character = rest.first, character != ".", character != "[" {
            rest = rest.dropFirst()
            if character == "\\", let next = rest.popFirst() { name.append(next) } else { name.append(character) }
        }
        return name
    }

    private static func bracket(_ rest: inout Substring) -> Step? {
        if rest.hasPrefix("?(@.") {
            guard let end = rest.range(ofText: ")]") else { return nil }
            let inner = rest[rest.index(rest.startIndex, offsetBy: 4)..<end.lowerBound]
            rest = rest[end.upperBound...]
            guard let mark = inner.range(ofText: "==") else { return nil }
            let path = inner[..<mark.lowerBound].split(separator: ".").map { String($0.filter { $0 != " " }) }
            let value = inner[mark.upperBound...].filter { $0 != " " }
            guard let literal = literal(String(value)) else { return nil }
            return .filter(path: path, value: literal)
        }
        guard let end = rest.firstIndex(of: "]") else { return nil }
        let inner = String(rest[..<end])
        rest = rest[rest.index(after: end)...]
        if inner == "*" { return .all }
        if let index = Int(inner) { return .index(index) }
        return literal(inner)?.string.map(Step.member)
    }

    private static func literal(_ text: String) -> JSONValue? {
        if let quote = text.first, quote == "'" || quote == "\"" {
            guard text.count >= 2, text.last == quote else { return nil }
            return .string(String(text.dropFirst().dropLast()))
        }
        return try? JSONValue(parsing: text)
    }
}

extension Substring {
    /// Where `text` first occurs.
    func range(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
