// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import KubeModel

/// Reading of request bodies with messages that name the field.
enum JSONReading {
    /// The object that a body holds.
    static func object(_ bytes: ArraySlice<UInt8>, limits: InferenceLimits) throws(InferenceError) -> JSONValue {
        let value: JSONValue
        do {
            value = try JSONValue(
                parsing: Array(bytes),
                limits: JSONLimits(depth: limits.depth, bytes: limits.bodyBytes)
            )
        } catch {
            throw InferenceError(.invalidInput, "the body is no JSON: \(error)")
        }
        guard value.object != nil else { throw wrong("the body", "a JSON object", value) }
        return value
    }

    /// An optional array of objects.
    static func list(_ value: JSONValue?, _ path: String) throws(InferenceError) -> [JSONValue] {
        guard let value else { return [] }
        guard let list = value.array else { throw wrong(path, "an array", value) }
        for (index, element) in list.enumerated() where element.object == nil {
            throw wrong("\(path)[\(index)]", "an object", element)
        }
        return list
    }

    /// Sizes, each 0 or more; `nil` for anything else.
    static func shape(_ value: JSONValue?) -> [Int]? {
        guard let elements = value?.array else { return nil }
        var shape: [Int] = []
        for element in elements {
            guard let size = element.int, size >= 0 else { return nil }
            shape.append(size)
        }
        return shape
    }

    /// An error for a value of the wrong type.
    static func wrong(_ path: String, _ expected: String, _ value: JSONValue) -> InferenceError {
        InferenceError(.invalidInput, "\(path): expected \(expected), found \(value.typeName)")
    }
}
