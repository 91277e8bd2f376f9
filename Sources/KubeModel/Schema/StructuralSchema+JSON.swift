// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a schema, and where.
public struct SchemaError: Error, Hashable, CustomStringConvertible {
    /// The path inside the schema: `properties[spec].properties[size].type`.
    public var path: String
    /// What is wrong, as a clause.
    public var message: String

    /// An error.
    public init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    /// One line: path, then message.
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

extension StructuralSchema {
    /// The deepest schema that is read; real ones stay below 40.
    private static let maximumDepth = 128

    /// Reads an `openAPIV3Schema`.
    ///
    /// Unknown keywords are dropped, as the API server drops them.
    /// - Throws: `SchemaError` where a keyword has the wrong type, or the nesting is too deep.
    public init(parsing json: JSONValue) throws {
        try self.init(json, path: "", depth: 0)
    }

    private init(_ json: JSONValue, path: String, depth: Int) throws {
        guard let members = json.object else { throw SchemaError(path: path, message: "must be an object") }
        guard depth < Self.maximumDepth else { throw SchemaError(path: path, message: "nested too deeply") }
        let reader = SchemaReader(members: members, path: path)
        let word = try reader.string("type") ?? ""
        if !word.isEmpty {
            guard let known = SchemaType(rawValue: word) else {
                throw SchemaError(path: reader.place("type"), message: "unknown type \"\(word)\"")
            }
            type = known
        }
        try readLimits(reader)
        try readExtensions(reader)
        func schema(_ json: JSONValue, _ place: String) throws -> StructuralSchema {
            try StructuralSchema(json, path: place, depth: depth + 1)
        }
        for (name, value) in try reader.object("properties") ?? [:] {
            properties[name] = try schema(value, "\(reader.place("properties"))[\(name)]")
        }
        items = try members["items"].map { try schema($0, reader.place("items")) }
        not = try members["not"].map { try schema($0, reader.place("not")) }
        switch members["additionalProperties"] {
        case nil, .bool(false): break
        case .bool(true): additionalProperties = StructuralSchema.anything
        case .some(let value): additionalProperties = try schema(value, reader.place("additionalProperties"))
        }
        func list(_ key: String) throws -> [StructuralSchema] {
            try (reader.array(key) ?? []).enumerated().map { try schema($1, "\(reader.place(key))[\($0)]") }
        }
        allOf = try list("allOf")
        anyOf = try list("anyOf")
        oneOf = try list("oneOf")
    }

    /// A schema that allows and keeps everything.
    public static var anything: StructuralSchema {
        var schema = StructuralSchema()
        schema.preservesUnknownFields = true
        return schema
    }

    private mutating func readLimits(_ reader: SchemaReader) throws {
        description = try reader.string("description")
        title = try reader.string("title")
        required = try reader.strings("required")
        enumeration = try reader.array("enum") ?? []
        minimum = try reader.number("minimum")
        maximum = try reader.number("maximum")
        exclusiveMinimum = try reader.flag("exclusiveMinimum")
        exclusiveMaximum = try reader.flag("exclusiveMaximum")
        multipleOf = try reader.number("multipleOf")
        minLength = try reader.count("minLength")
        maxLength = try reader.count("maxLength")
        minItems = try reader.count("minItems")
        maxItems = try reader.count("maxItems")
        minProperties = try reader.count("minProperties")
        maxProperties = try reader.count("maxProperties")
        uniqueItems = try reader.flag("uniqueItems")
        pattern = try reader.string("pattern")
        format = try reader.string("format")
        defaultValue = reader.members["default"]
        example = reader.members["example"]
        isNullable = try reader.flag("nullable")
    }

    private mutating func readExtensions(_ reader: SchemaReader) throws {
        isIntOrString = try reader.flag("x-kubernetes-int-or-string")
        preservesUnknownFields = try reader.flag("x-kubernetes-preserve-unknown-fields")
        isEmbeddedResource = try reader.flag("x-kubernetes-embedded-resource")
        listType = try reader.string("x-kubernetes-list-type")
        listMapKeys = try reader.strings("x-kubernetes-list-map-keys")
        mapType = try reader.string("x-kubernetes-map-type")
        rules = try reader.array("x-kubernetes-validations") ?? []
    }

    /// The schema as JSON, as it stands in a custom resource definition; what isn't asked for is left out.
    public var json: JSONValue {
        var json = JSONObject()
        json["type"] = JSONValue(type?.rawValue)
        json["description"] = JSONValue(description)
        json["title"] = JSONValue(title)
        if !required.isEmpty { json["required"] = .array(required.map(JSONValue.string)) }
        if !enumeration.isEmpty { json["enum"] = .array(enumeration) }
        for (key, number) in [("minimum", minimum), ("maximum", maximum), ("multipleOf", multipleOf)] {
            json[key] = number.map(Self.number)
        }
        for (key, count) in [
            ("minLength", minLength), ("maxLength", maxLength), ("minItems", minItems), ("maxItems", maxItems),
            ("minProperties", minProperties), ("maxProperties", maxProperties),
        ] {
            json[key] = count.map { JSONValue($0) }
        }
        for (key, flag) in [
            ("exclusiveMinimum", exclusiveMinimum), ("exclusiveMaximum", exclusiveMaximum),
            ("uniqueItems", uniqueItems), ("nullable", isNullable), ("x-kubernetes-int-or-string", isIntOrString),
            ("x-kubernetes-preserve-unknown-fields", preservesUnknownFields),
            ("x-kubernetes-embedded-resource", isEmbeddedResource),
        ] where flag {
            json[key] = true
        }
        json["pattern"] = JSONValue(pattern)
        json["format"] = JSONValue(format)
        json["default"] = defaultValue
        json["example"] = example
        json["x-kubernetes-list-type"] = JSONValue(listType)
        json["x-kubernetes-map-type"] = JSONValue(mapType)
        if !listMapKeys.isEmpty { json["x-kubernetes-list-map-keys"] = .array(listMapKeys.map(JSONValue.string)) }
        if !rules.isEmpty { json["x-kubernetes-validations"] = .array(rules) }
        if !properties.isEmpty {
            json["properties"] = .object(JSONObject(pairs: properties.map { ($0.key, $0.value.json) }))
        }
        json["items"] = items?.json
        json["additionalProperties"] = additionalProperties?.json
        json["not"] = not?.json
        for (key, list) in [("allOf", allOf), ("anyOf", anyOf), ("oneOf", oneOf)] where !list.isEmpty {
            json[key] = .array(list.map(\.json))
        }
        return .object(json)
    }

    /// A limit as JSON: without a fraction where it has none.
    private static func number(_ value: Double) -> JSONValue {
        Int64(exactly: value).map(JSONValue.integer) ?? .double(value)
    }
}

/// Reads keywords of one schema object with their types.
private struct SchemaReader {
    let members: JSONObject
    let path: String

    func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func wrong(_ key: String, _ expected: String) -> SchemaError {
        SchemaError(path: place(key), message: "must be \(expected)")
    }

    /// The member, unless it is missing or null.
    private func value(_ key: String) -> JSONValue? { members[key].flatMap { $0.isNull ? nil : $0 } }

    func string(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.string else { throw wrong(key, "a string") }
        return text
    }

    func number(_ key: String) throws -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = value.double else { throw wrong(key, "a number") }
        return number
    }

    func count(_ key: String) throws -> Int? {
        guard let value = value(key) else { return nil }
        guard let number = value.int else { throw wrong(key, "an integer") }
        return number
    }

    func flag(_ key: String) throws -> Bool {
        guard let value = value(key) else { return false }
        guard let flag = value.bool else { throw wrong(key, "true or false") }
        return flag
    }

    func array(_ key: String) throws -> [JSONValue]? {
        guard let value = value(key) else { return nil }
        guard let elements = value.array else { throw wrong(key, "an array") }
        return elements
    }

    func strings(_ key: String) throws -> [String] {
        try (array(key) ?? []).map { element in
            guard let text = element.string else { throw wrong(key, "an array of strings") }
            return text
        }
    }

    func object(_ key: String) throws -> JSONObject? {
        guard let value = value(key) else { return nil }
        guard let members = value.object else { throw wrong(key, "an object") }
        return members
    }
}
