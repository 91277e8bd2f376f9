// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What is wrong with strategic merge patches, in the API server's words.
extension PatchError {
    /// Go's type for objects.
    static let goMap = "map[string]interface {}"

    /// A list of objects without a member that tells them apart can't be merged.
    static let withoutMergeKey = failed("cannot merge lists without merge key for struct")

    /// A value of another type than `expected`.
    static func badType(_ value: JSONValue, expected: String) -> PatchError {
        failed("expected a \(expected), but received a \(goType(of: value))")
    }

    /// An element that lacks the member that tells elements apart.
    static func noMergeKey(_ members: JSONObject, _ key: String) -> PatchError {
        failed("map: \(GoWording.value(.object(members))) does not contain declared merge key: \(key)")
    }

    /// A `$patch` that there isn't.
    static func unknownDirective(_ directive: JSONValue, in members: JSONObject) -> PatchError {
        let type = goType(of: directive)
        let word = directive.string ?? (directive.isNull ? type : "%!s(\(type)=\(GoWording.value(directive)))")
        return failed("unknown patch type: \(word) in map: \(GoWording.value(.object(members)))")
    }

    /// A directive for a field that the type doesn't have.
    static func unknownField(_ name: String, _ shape: TypeShape) -> PatchError {
        guard case .structure(let structure) = shape.content else {
            return failed("merging an object in json but data type is not struct, instead is: map")
        }
        let type = structure.name.split(separator: ".").last ?? ""
        return failed(
            "unable to find api field in struct \(type) for the json field \(JSONValue.string(name).jsonText)"
        )
    }

    private static func goType(of value: JSONValue) -> String {
        value.isNull ? "%!s(<nil>)" : GoWording.type(value)
    }
}
