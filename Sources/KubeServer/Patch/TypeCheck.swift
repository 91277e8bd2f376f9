// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// Finds what in an applied object its type doesn't allow, in the words of the API server's library.
struct TypeCheck {
    /// The most sentences; the API server has no bound.
    private static let maximumProblems = 100

    private var path: [PathElement] = []
    private var problems: [String] = []

    /// A sentence about everything that is wrong with `value`; `nil` when nothing is.
    static func problem(_ value: JSONValue, _ shape: TypeShape) -> String? {
        var check = TypeCheck()
        check.visit(value, shape)
        guard check.problems.count > 1 else { return check.problems.first }
        return "errors:\n" + check.problems.map { "  \($0)" }.joined(separator: "\n")
    }

    private mutating func report(_ text: String) {
        guard problems.count < Self.maximumProblems else { return }
        problems.append("\(path.map(\.text.asPathStep).joined()): \(text)")
    }

    private mutating func visit(_ value: JSONValue, _ shape: TypeShape, at step: PathElement) {
        path.append(step)
        visit(value, shape)
        path.removeLast()
    }

    private mutating func visit(_ value: JSONValue, _ shape: TypeShape) {
        switch (value, shape.content) {
        case (.null, _): break
        case (.object(let members), .structure), (.object(let members), .map): visit(members, shape)
        case (_, .structure), (_, .map): report("expected map, got \(Self.shown(value))")
        case (.array(let elements), .list): visit(elements, shape)
        case (_, .list): report("expected list, got \(Self.shown(value))")
        case (_, .scalar(let scalar)): visit(value, scalar)
        default: break
        }
    }

    private mutating func visit(_ members: JSONObject, _ shape: TypeShape) {
        for (name, member) in members {
            let step = PathElement.field(name)
            guard let next = shape.member(name) else {
                path.append(step)
                report("field not declared in schema")
                path.removeLast()
                return
            }
            visit(member, next, at: step)
        }
    }

    private mutating func visit(_ elements: [JSONValue], _ shape: TypeShape) {
        var seen: Set<PathElement> = []
        for (index, element) in elements.enumerated() {
            guard let identity = TypedValue.identity(of: element, at: index, in: shape) else {
                report("element \(index): \(Self.withoutIdentity(element, shape))")
                return
            }
            if shape.identity != .atomic, !seen.insert(identity).inserted {
                report("duplicate entries for key \(identity.text)")
            }
            visit(element, shape.element, at: identity)
        }
    }

    private mutating func visit(_ value: JSONValue, _ scalar: ScalarType) {
        let isScalar = value.object == nil && value.array == nil
        switch scalar {
        case .string, .bytes:
            if value.string == nil {
                report("expected string, got &value.valueUnstructured{Value:\(GoWording.syntax(value))}")
            }
        case .int32, .int64, .double:
            if value.double == nil {
                report("expected numeric (int or float), got \(GoWording.type(value))")
            }
        case .bool: if value.bool == nil { report("expected boolean, got \(Self.shown(value))") }
        case .quantity, .intOrString, .time, .microTime, .unchecked:
            if !isScalar { report("expected any scalar, got \(Self.shown(value))") }
        case .raw, .fields: break
        }
    }

    /// Why an element of a list has no identity.
    private static func withoutIdentity(_ element: JSONValue, _ shape: TypeShape) -> String {
        guard case .keys(let keys) = shape.identity else {
            return switch element {
            case .object: "associative list without keys has an element that's a map type"
            case .array: "not supported: associative list with lists as elements"
            default: "associative list without keys has an element that's an explicit null"
            }
        }
        guard !element.isNull else { return "associative list with keys may not have a null element" }
        guard element.object != nil else { return "associative list with keys may not have non-map elements" }
        let names = keys.map { JSONValue.string($0).jsonText }.joined(separator: " ")
        return
            "associative list with keys has an element that omits all key fields [\(names)] (and doesn't have default "
            + "values for any key fields)"
    }

    private static func shown(_ value: JSONValue) -> String { "&{\(GoWording.value(value))}" }
}
