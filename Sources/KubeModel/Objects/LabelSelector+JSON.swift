// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension LabelSelector {
    /// Reads a `metav1.LabelSelector`; `null` matches nothing, `{}` everything.
    /// - Throws: `SelectorError` for an unknown operator or values that don't fit it.
    public init(_ json: JSONValue) throws(SelectorError) {
        guard case .object(let members) = json else {
            guard json.isNull else { throw SelectorError("a label selector must be an object") }
            self = .nothing
            return
        }
        self.init(requirements: [])
        if case .object(let labels)? = members["matchLabels"] {
            for (key, value) in labels {
                guard let text = value.string else { throw SelectorError("matchLabels.\(key) must be a string") }
                requirements.append(Requirement(key, .isIn, [text]))
            }
        }
        for expression in members["matchExpressions"]?.array ?? [] {
            requirements.append(try Self.requirement(expression))
        }
    }

    /// The selector as a `metav1.LabelSelector`; comparisons that it can't hold (`Gt`, `Lt`) are left out.
    public var json: JSONValue {
        if matchesNothing { return .null }
        var labels = JSONObject()
        var expressions: [JSONValue] = []
        for requirement in requirements {
            switch requirement.comparison {
            case .isIn where requirement.values.count == 1 && labels[requirement.key] == nil:
                labels[requirement.key] = .string(requirement.values[0])
            case .isIn, .isNotIn, .exists, .doesNotExist:
                var json: JSONValue = [
                    "key": .string(requirement.key), "operator": .string(requirement.comparison.rawValue),
                ]
                if !requirement.values.isEmpty { json["values"] = .array(requirement.values.map(JSONValue.string)) }
                expressions.append(json)
            case .isGreaterThan, .isLessThan: break
            }
        }
        var json = JSONObject()
        if !labels.isEmpty { json["matchLabels"] = .object(labels) }
        if !expressions.isEmpty { json["matchExpressions"] = .array(expressions) }
        return .object(json)
    }

    private static func requirement(_ json: JSONValue) throws(SelectorError) -> Requirement {
        guard let key = json["key"]?.string, !key.isEmpty else {
            throw SelectorError("a match expression needs a key")
        }
        let name = json["operator"]?.string ?? ""
        let values = (json["values"]?.array ?? []).compactMap(\.string)
        switch name {
        case "In", "NotIn":
            guard !values.isEmpty else { throw SelectorError("\(key): values must not be empty with \(name)") }
        case "Exists", "DoesNotExist":
            guard values.isEmpty else { throw SelectorError("\(key): values must be empty with \(name)") }
        default: throw SelectorError("\(key): \"\(name)\" is not a valid label selector operator")
        }
        return Requirement(key, Operator(rawValue: name) ?? .exists, values)
    }
}
