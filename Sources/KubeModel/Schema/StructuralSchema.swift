// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The types a schema may ask for.
public enum SchemaType: String, Sendable, Hashable, CaseIterable {
    /// A JSON object.
    case object
    /// A JSON array.
    case array
    /// A JSON string.
    case string
    /// A JSON number without a fraction.
    case integer
    /// A JSON number.
    case number
    /// `true` or `false`.
    case boolean
}

/// A structural schema (OpenAPI v3) as custom resource definitions hold it.
///
/// The names of the vendor extensions lose their `x-kubernetes-` prefix here. `init(parsing:)` and `json` convert.
public struct StructuralSchema: Sendable, Hashable {
    /// The type of the value; `nil` where any type goes (int-or-string, preserved fields).
    public var type: SchemaType?
    /// Words for people, shown by `kubectl explain`.
    public var description: String?
    /// The schemas of the members by name.
    public var properties: [String: StructuralSchema] = [:]
    /// The names of members that must be present.
    public var required: [String] = []
    /// The values that are allowed; empty for any.
    public var enumeration: [JSONValue] = []
    /// The smallest number allowed.
    public var minimum: Double?
    /// The largest number allowed.
    public var maximum: Double?
    /// Whether `minimum` itself is refused.
    public var exclusiveMinimum = false
    /// Whether `maximum` itself is refused.
    public var exclusiveMaximum = false
    /// A number that the value must be a multiple of.
    public var multipleOf: Double?
    /// The shortest string allowed, in characters.
    public var minLength: Int?
    /// The longest string allowed, in characters.
    public var maxLength: Int?
    /// The smallest array allowed.
    public var minItems: Int?
    /// The largest array allowed.
    public var maxItems: Int?
    /// The smallest object allowed.
    public var minProperties: Int?
    /// The largest object allowed.
    public var maxProperties: Int?
    /// Whether the elements of an array must differ.
    public var uniqueItems = false
    /// A regular expression (RE2 syntax) that the string must contain a match of.
    public var pattern: String?
    /// A name such as `date-time`, `int32` or `byte`.
    public var format: String?
    /// The value used where none is given.
    public var defaultValue: JSONValue?
    /// A value shown in documentation.
    public var example: JSONValue?
    /// A short name shown in documentation.
    public var title: String?
    /// Whether `null` is a value of its own here.
    public var isNullable = false
    /// Whether an integer or a string is allowed.
    public var isIntOrString = false
    /// Whether members without a schema are kept.
    public var preservesUnknownFields = false
    /// Whether the value is a whole object with `apiVersion`, `kind` and `metadata`.
    public var isEmbeddedResource = false
    /// `atomic`, `set` or `map`; `nil` means atomic.
    public var listType: String?
    /// The members that identify an element of a list of type `map`.
    public var listMapKeys: [String] = []
    /// `granular` or `atomic`; `nil` means granular.
    public var mapType: String?
    /// `x-kubernetes-validations`: kept, not evaluated.
    public var rules: [JSONValue] = []
    /// Schemas that must all hold.
    public var allOf: [StructuralSchema] = []
    /// Schemas of which one at least must hold; empty for no such rule.
    public var anyOf: [StructuralSchema] = []
    /// Schemas of which exactly one must hold; empty for no such rule.
    public var oneOf: [StructuralSchema] = []

    private var itemsBox: [StructuralSchema] = []
    private var additionalBox: [StructuralSchema] = []
    private var notBox: [StructuralSchema] = []

    /// A schema of a type, with nothing else asked for.
    public init(type: SchemaType? = nil, description: String? = nil) {
        self.type = type
        self.description = description
    }

    /// The schema of an array's elements.
    public var items: StructuralSchema? {
        get { itemsBox.first }
        set { itemsBox = newValue.map { [$0] } ?? [] }
    }

    /// The schema of the members that `properties` doesn't name: what makes the object a map.
    public var additionalProperties: StructuralSchema? {
        get { additionalBox.first }
        set { additionalBox = newValue.map { [$0] } ?? [] }
    }

    /// A schema that must not hold.
    public var not: StructuralSchema? {
        get { notBox.first }
        set { notBox = newValue.map { [$0] } ?? [] }
    }
}

extension StructuralSchema {
    /// The direct children that hold values: properties in the order of their names, items, additional properties.
    var children: [StructuralSchema] {
        properties.sorted { $0.key < $1.key }.map(\.value) + itemsBox + additionalBox
    }

    /// Whether this schema or one below it has validation rules.
    public var hasRules: Bool { !rules.isEmpty || children.contains(where: \.hasRules) }

    /// What this schema asks for that isn't enforced, one clause each, of the first 100; for a warning.
    public var unsupportedFeatures: [String] {
        var features: [String] = []
        collectUnsupported(at: "", into: &features)
        return features
    }

    private func collectUnsupported(at path: String, into features: inout [String]) {
        guard features.count < 100 else { return }
        let place = path.isEmpty ? "the root" : path
        if !rules.isEmpty { features.append("x-kubernetes-validations at \(place) are kept but not evaluated") }
        if let pattern, SearchPattern.compiled(pattern) == nil {
            features.append("the pattern at \(place) can't be compiled and is not checked")
        }
        for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
            let step = name.asPathStep
            schema.collectUnsupported(at: path.isEmpty ? step : "\(path).\(step)", into: &features)
        }
        items?.collectUnsupported(at: "\(path)[]", into: &features)
        additionalProperties?.collectUnsupported(at: "\(path)[*]", into: &features)
    }
}
