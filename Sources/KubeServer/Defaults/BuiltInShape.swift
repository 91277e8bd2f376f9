// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// The parts of built-in objects that are written even when nobody set them: structs that Go holds by value.
enum BuiltInShape {
    /// The object that Go makes of an empty one: by-value structs, required lists as null.
    static func empty(_ shape: TypeShape) -> JSONValue { empty(shape, depth: 0) }

    private static func empty(_ shape: TypeShape, depth: Int) -> JSONValue {
        guard case .structure(let structure) = shape.content, depth < 12 else { return .emptyObject }
        var pairs: [(String, JSONValue)] = []
        for (name, field) in structure.fields {
            if field.isAlwaysPresent {
                pairs.append((name, empty(field.shape, depth: depth + 1)))
            } else if field.isRequired, case .list = field.shape.content, !structure.name.isEmpty {
                pairs.append((name, .null))
            }
        }
        return .object(JSONObject(pairs: pairs))
    }

    /// Whether Go leaves a member out: an empty map or list that may be absent.
    private static func isOmitted(_ member: JSONValue, _ field: TypeField) -> Bool {
        guard !field.isRequired, !field.isAlwaysPresent else { return false }
        switch (member, field.shape.content) {
        case (.null, _): return true
        case (.object(let members), .map): return members.isEmpty
        case (.array(let elements), .list): return elements.isEmpty
        default: return false
        }
    }

    /// `value` with the by-value structs that it lacks, and without empty maps and lists.
    static func completing(_ value: JSONValue, _ shape: TypeShape) -> JSONValue {
        switch (value, shape.content) {
        case (.object(var members), .structure(let structure)):
            for (name, field) in structure.fields {
                if let member = members[name], isOmitted(member, field) {
                    members[name] = nil
                } else if let member = members[name], member != .null {
                    members[name] = completing(member, field.shape)
                } else if field.isAlwaysPresent {
                    members[name] = completing(.emptyObject, field.shape)
                }
            }
            return .object(members)
        case (.object(let members), .map(let element)):
            return .object(members.mapValues { completing($0, element) })
        case (.array(let elements), .list(let element, _)):
            return .array(elements.map { completing($0, element) })
        default: return value
        }
    }
}
