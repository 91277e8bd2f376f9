// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

extension StructuralSchema {
    /// An object with known properties.
    static func object(
        _ description: String,
        required: [String] = [],
        _ properties: [String: StructuralSchema] = [:]
    ) -> StructuralSchema {
        var schema = StructuralSchema(type: .object, description: description)
        schema.properties = properties
        schema.required = required
        return schema
    }

    /// A string.
    static func string(
        _ description: String,
        pattern: String? = nil,
        minLength: Int? = nil,
        maxLength: Int? = nil,
        default value: String? = nil,
        of values: [String] = []
    ) -> StructuralSchema {
        var schema = StructuralSchema(type: .string, description: description)
        schema.pattern = pattern
        schema.minLength = minLength
        schema.maxLength = maxLength
        schema.defaultValue = JSONValue(value)
        schema.enumeration = values.map(JSONValue.string)
        return schema
    }

    /// A whole number of 32 bits.
    static func integer(
        _ description: String,
        from minimum: Double? = nil,
        to maximum: Double? = nil,
        default value: Int? = nil
    ) -> StructuralSchema {
        var schema = StructuralSchema(type: .integer, description: description)
        schema.format = "int32"
        schema.minimum = minimum
        schema.maximum = maximum
        schema.defaultValue = value.map { JSONValue($0) }
        return schema
    }

    /// A number.
    ///
    /// An API server compares a whole number with the whole part of a bound, so that 0 passes for 0.001 or more: such a bound is a rule
    /// as well.
    static func number(_ description: String, from minimum: Double? = nil, to maximum: Double? = nil)
        -> StructuralSchema
    {
        var schema = StructuralSchema(type: .number, description: description)
        schema.minimum = minimum
        schema.maximum = maximum
        guard let minimum, minimum != minimum.rounded() else { return schema }
        return schema.rule("self >= \(minimum)", "must be \(minimum) or more")
    }

    /// A boolean, false by default.
    static func boolean(_ description: String) -> StructuralSchema {
        StructuralSchema(type: .boolean, description: description)
    }

    /// A list.
    static func list(
        _ description: String,
        of items: StructuralSchema,
        limit: Int,
        keys: [String] = []
    ) -> StructuralSchema {
        var schema = StructuralSchema(type: .array, description: description)
        schema.items = items
        schema.maxItems = limit
        schema.listType = keys.isEmpty ? "atomic" : "map"
        schema.listMapKeys = keys
        return schema
    }

    /// A map from strings to strings.
    static func strings(_ description: String) -> StructuralSchema {
        var schema = StructuralSchema(type: .object, description: description)
        schema.additionalProperties = StructuralSchema(type: .string)
        return schema
    }

    /// A map from resource names to quantities.
    static func quantities(_ description: String) -> StructuralSchema {
        var quantity = StructuralSchema()
        quantity.isIntOrString = true
        quantity.anyOf = [StructuralSchema(type: .integer), StructuralSchema(type: .string)]
        quantity.pattern =
            #"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"#
        var schema = StructuralSchema(type: .object, description: description)
        schema.additionalProperties = quantity
        return schema
    }

    /// An object that passes through unchecked to another kind.
    static func open(_ description: String) -> StructuralSchema {
        var schema = StructuralSchema(type: .object, description: description)
        schema.preservesUnknownFields = true
        return schema
    }

    /// Adds a rule in CEL for the API server; Swift's validation repeats it.
    func rule(_ expression: String, _ message: String) -> StructuralSchema {
        var schema = self
        schema.rules.append(["rule": .string(expression), "message": .string(message)])
        return schema
    }

    /// The same with a default.
    func defaulting(to value: JSONValue) -> StructuralSchema {
        var schema = self
        schema.defaultValue = value
        return schema
    }
}

/// Schemas and definitions that both kinds need.
enum SharedSchema {
    /// `status.conditions`
    static let conditions = StructuralSchema.list(
        "What is true now, one entry a condition type.",
        of: .object(
            "One aspect of the object's state.",
            required: ["type", "status", "lastTransitionTime", "reason", "message"],
            [
                "type": .string("The condition's name.", maxLength: 316),
                "status": .string("Whether it is true.", of: ["True", "False", "Unknown"]),
                "reason": .string("One word for machines.", maxLength: 1024),
                "message": .string("A sentence for people.", maxLength: 32_768),
                "lastTransitionTime": time("When the status changed last."),
                "observedGeneration": generation("The generation that the condition was computed for."),
            ]
        ),
        limit: 16,
        keys: ["type"]
    )

    /// A time.
    static func time(_ description: String) -> StructuralSchema {
        var schema = StructuralSchema.string(description)
        schema.format = "date-time"
        return schema
    }

    /// A generation.
    static func generation(_ description: String) -> StructuralSchema {
        var schema = StructuralSchema(type: .integer, description: description)
        schema.format = "int64"
        schema.minimum = 0
        return schema
    }

    /// A definition of one of our kinds.
    /// - Parameter name: what its objects may be called, where not every name will do.
    static func definition(
        _ type: ResourceType,
        shortName: String,
        columns: [JSONValue],
        subresources: JSONValue,
        schema: StructuralSchema,
        name: StructuralSchema? = nil
    ) -> KubeObject {
        var root = schema
        root.properties["apiVersion"] = .string("The version of this object's format, `modelfleet.dev/v1alpha1`.")
        root.properties["kind"] = .string("The kind of this object, `\(type.kind)`.")
        var metadata = StructuralSchema(type: .object)
        metadata.properties["name"] = name
        root.properties["metadata"] = metadata
        let singular = type.kind.lowercased()
        return KubeObject([
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": ["name": .string(type.qualifiedName)],
            "spec": [
                "group": .string(type.group), "scope": .string(type.isNamespaced ? "Namespaced" : "Cluster"),
                "names": [
                    "kind": .string(type.kind), "listKind": .string(type.kind + "List"), "plural": .string(type.plural),
                    "singular": .string(singular), "shortNames": [.string(shortName)], "categories": ["modelfleet"],
                ],
                "versions": [
                    [
                        "name": .string(type.version), "served": true, "storage": true,
                        "additionalPrinterColumns": .array(columns), "subresources": subresources,
                        "schema": ["openAPIV3Schema": root.json],
                    ]
                ],
            ],
        ])
    }

    /// A printer column.
    static func column(_ name: String, _ type: String, _ path: String, _ description: String, wide: Bool = false)
        -> JSONValue
    {
        var column: JSONValue = [
            "name": .string(name), "type": .string(type), "jsonPath": .string(path),
            "description": .string(description),
        ]
        if wide { column["priority"] = 1 }
        return column
    }
}
