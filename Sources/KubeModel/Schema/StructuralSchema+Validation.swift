// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension StructuralSchema {
    /// What in `value` breaks this schema, in the words of the API server; empty when nothing does.
    ///
    /// At the root `apiVersion`, `kind` and `metadata` are left to others. When the schema has validation rules and the
    /// value is too wrong to check them, the last cause says so, as the API server does.
    public func violations(in value: JSONValue) -> [APIStatus.Cause] {
        var checker = SchemaChecker()
        checker.check(value, against: self, at: "", isRoot: true)
        checker.checkLists(value, against: self, at: "")
        if checker.hasBlockingCause, hasRules {
            checker.causes.append(
                APIStatus.Cause(
                    reason: "FieldValueInvalid",
                    message:
                        "Invalid value: null: some validation rules were not checked because the object was invalid; "
                        + "correct the existing errors to complete validation",
                    field: "<nil>"
                )
            )
        }
        return checker.causes
    }
}

/// Collects causes while it walks a value and its schema.
struct SchemaChecker {
    var causes: [APIStatus.Cause] = []
    /// The most causes that are collected; a hostile object could otherwise make an answer of any size.
    private static let maximumCauses = 1000
    /// How many bytes the causes may still take; the one that goes beyond is the last.
    private var room = 1 << 20

    /// Whether a cause stops the API server from evaluating validation rules.
    var hasBlockingCause: Bool {
        let blocking: Set = [
            "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
            "FieldValueTypeInvalid",
        ]
        return causes.contains { blocking.contains($0.reason) }
    }

    private mutating func add(_ reason: String, _ message: @autoclosure () -> String, _ path: String) {
        add(APIStatus.Cause(reason: reason, message: message(), field: path.isEmpty ? "<nil>" : path))
    }

    private mutating func add(_ cause: @autoclosure () -> APIStatus.Cause) {
        guard causes.count < Self.maximumCauses, room > 0 else { return }
        let cause = cause()
        room -= cause.message.utf8.count + cause.field.utf8.count
        causes.append(cause)
    }

    private mutating func invalid(_ value: JSONValue, _ detail: @autoclosure () -> String, _ path: String) {
        add("FieldValueInvalid", "Invalid value: \(Self.text(of: value)): \(detail())", path)
    }

    /// What is wrong with a value by one of several schemas.
    private static func causes(_ value: JSONValue, _ schema: StructuralSchema, _ path: String) -> [APIStatus.Cause] {
        var checker = SchemaChecker()
        checker.check(value, against: schema, at: path, isRoot: false)
        return checker.causes
    }

    /// How the API server shows a value in a message.
    static func text(of value: JSONValue) -> String {
        if case .string(let text) = value { return quoted(text) }
        return value.jsonText
    }

    /// Go's `%q`.
    static func quoted(_ text: String) -> String { JSONValue.string(text).jsonText }

    mutating func check(_ value: JSONValue, against schema: StructuralSchema, at path: String, isRoot: Bool) {
        guard checkType(value, schema, path) else { return }
        if value == .null { return }
        checkEnumeration(value, schema, path)
        switch value {
        case .string(let text): checkString(text, schema, path)
        case .integer, .double: checkNumber(value, schema, path)
        case .array(let elements): checkArray(elements, schema, path)
        case .object(let members): checkObject(members, schema, path, isRoot: isRoot)
        case .bool, .null: break
        }
        checkCombinations(value, schema, path)
    }

    /// Whether the type fits; adds a cause where not.
    private mutating func checkType(_ value: JSONValue, _ schema: StructuralSchema, _ path: String) -> Bool {
        if value == .null {
            if schema.isNullable || (schema.type == nil && !schema.isIntOrString) { return true }
            wrongType(schema.isIntOrString ? "integer,string" : schema.type?.rawValue ?? "", "null", path)
            return false
        }
        if schema.isIntOrString {
            if case .string = value { return true }
            if value.integer != nil { return true }
            wrongType("integer,string", value.typeName, path)
            return false
        }
        guard let type = schema.type else { return true }
        let fits =
            switch type {
            case .object: value.object != nil
            case .array: value.array != nil
            case .string: value.string != nil
            case .boolean: value.bool != nil
            case .number: value.double != nil
            case .integer: value.integer != nil
            }
        if fits { return true }
        wrongType(type.rawValue, value.typeName, path)
        if type == .integer, case .double = value {
            // The API server checks the format of a number apart, and says so without a path.
            let format = schema.format.map { $0.isEmpty ? "default" : $0 } ?? "default"
            add(
                "FieldValueInvalid",
                "Invalid value: \"\": Checked value must be of type integer (\(format) format) in \(path)",
                ""
            )
        }
        return false
    }

    private mutating func wrongType(_ expected: String, _ actual: String, _ path: String) {
        let place = path.isEmpty ? "" : "\(path) "
        add(
            "FieldValueTypeInvalid",
            "Invalid value: \"\(actual)\": \(place)in body must be of type \(expected): \"\(actual)\"",
            path
        )
    }

    private mutating func checkEnumeration(_ value: JSONValue, _ schema: StructuralSchema, _ path: String) {
        guard !schema.enumeration.isEmpty, !schema.enumeration.contains(where: { Self.areEqual($0, value) }) else {
            return
        }
        func allowed() -> String {
            schema.enumeration.map { Self.quoted($0.string ?? $0.jsonText) }.joined(separator: ", ")
        }
        add(
            "FieldValueNotSupported",
            "Unsupported value: \(Self.text(of: value)): supported values: \(allowed())",
            path
        )
    }

    private mutating func checkString(_ text: String, _ schema: StructuralSchema, _ path: String) {
        let value = JSONValue.string(text)
        let length = text.unicodeScalars.count
        // Of these three the API server reports the first only.
        if let limit = schema.maxLength, length > limit {
            add("FieldValueTooLong", "Too long: may not be more than \(limit) bytes", path)
        } else if let limit = schema.minLength, length < limit {
            invalid(value, "\(path) in body should be at least \(limit) chars long", path)
        } else if let pattern = schema.pattern, let compiled = SearchPattern.compiled(pattern), !compiled.matches(text)
        {
            invalid(value, "\(path) in body should match '\(pattern)'", path)
        }
        if let format = schema.format, !StringFormat.accepts(text, as: format) {
            add(
                "FieldValueTypeInvalid",
                "Invalid value: \(Self.quoted(text)): \(path) in body must be of type \(format): \(Self.quoted(text))",
                path
            )
        }
    }

    private mutating func checkNumber(_ value: JSONValue, _ schema: StructuralSchema, _ path: String) {
        guard let number = value.double else { return }
        if let limit = schema.maximum, number > limit || (schema.exclusiveMaximum && number == limit) {
            let words = schema.exclusiveMaximum ? "less than" : "less than or equal to"
            invalid(value, "\(path) in body should be \(words) \(JSONValue.double(limit).jsonText)", path)
        }
        if let limit = schema.minimum, number < limit || (schema.exclusiveMinimum && number == limit) {
            let words = schema.exclusiveMinimum ? "greater than" : "greater than or equal to"
            invalid(value, "\(path) in body should be \(words) \(JSONValue.double(limit).jsonText)", path)
        }
        if let factor = schema.multipleOf, factor > 0, !Self.isMultiple(number, of: factor) {
            invalid(value, "\(path) in body should be a multiple of \(JSONValue.double(factor).jsonText)", path)
        }
        if schema.format == "int32", let integer = value.integer, Int32(exactly: integer) == nil {
            invalid(value, "Checked value must be of type integer with format int32 in \(path)", path)
        }
    }

    /// Whether a number is a multiple of another, give or take what a double can't say: 0.3 is one of 0.1.
    private static func isMultiple(_ number: Double, of factor: Double) -> Bool {
        let quotient = factor < 1 ? 1 / factor * number : number / factor
        return abs(quotient - quotient.rounded()) <= abs(quotient) * 1e-9
    }

    private mutating func checkArray(_ elements: [JSONValue], _ schema: StructuralSchema, _ path: String) {
        if let limit = schema.minItems, elements.count < limit {
            invalid(JSONValue(elements.count), "\(path) in body should have at least \(limit) items", path)
        }
        if let limit = schema.maxItems, elements.count > limit {
            add("FieldValueTooMany", "Too many: \(elements.count): must have at most \(Self.items(limit))", path)
        }
        if schema.uniqueItems, Set(elements).count < elements.count {
            invalid(.string(""), "\(path) in body shouldn't contain duplicates", path)
        }
        guard let items = schema.items else { return }
        for (index, element) in elements.enumerated() {
            check(element, against: items, at: "\(path)[\(index)]", isRoot: false)
        }
    }

    private static func items(_ count: Int) -> String { count == 1 ? "1 item" : "\(count) items" }

    private mutating func checkObject(
        _ members: JSONObject,
        _ schema: StructuralSchema,
        _ path: String,
        isRoot: Bool
    ) {
        func place(_ name: String) -> String { path.isEmpty ? name.asPathStep : "\(path).\(name.asPathStep)" }
        if let limit = schema.minProperties, members.count < limit {
            invalid(JSONValue(members.count), "\(path) in body should have at least \(limit) properties", path)
        }
        if let limit = schema.maxProperties, members.count > limit {
            add("FieldValueTooMany", "Too many: \(members.count): must have at most \(Self.items(limit))", path)
        }
        let isResource = isRoot || schema.isEmbeddedResource
        if schema.isEmbeddedResource {
            for name in ["apiVersion", "kind"] where members[name]?.string?.isEmpty ?? true {
                add("FieldValueRequired", "Required value: must not be empty", place(name))
            }
        }
        for name in schema.required where members[name] == nil {
            if isResource, name == "metadata" || name == "apiVersion" || name == "kind" { continue }
            add("FieldValueRequired", "Required value", place(name))
        }
        for (name, member) in members {
            if isResource, name == "metadata" || name == "apiVersion" || name == "kind" { continue }
            guard let child = schema.properties[name] ?? schema.additionalProperties else { continue }
            check(member, against: child, at: place(name), isRoot: false)
        }
    }

    private mutating func checkCombinations(_ value: JSONValue, _ schema: StructuralSchema, _ path: String) {
        let name = Self.quoted(path)
        func causes(_ schema: StructuralSchema) -> [APIStatus.Cause] { Self.causes(value, schema, path) }
        func compositeFailure(_ words: String) { add("FieldValueInvalid", "Invalid value: \"\": \(name) \(words)", "") }
        if let first = schema.anyOf.first {
            let found = causes(first)
            if !found.isEmpty, !schema.anyOf.dropFirst().contains(where: { causes($0).isEmpty }) {
                compositeFailure("must validate at least one schema (anyOf)")
                for cause in found { add(cause) }
            }
        }
        if !schema.oneOf.isEmpty {
            let count = schema.oneOf.count { causes($0).isEmpty }
            if count != 1 {
                let found = count == 0 ? "Found none valid" : "Found \(count) valid alternatives"
                compositeFailure("must validate one and only one schema (oneOf). \(found)")
            }
        }
        let found = schema.allOf.flatMap(causes)
        if !found.isEmpty {
            compositeFailure("must validate all the schemas (allOf)")
            for cause in found { add(cause) }
        }
        if let not = schema.not, causes(not).isEmpty { compositeFailure("must not validate the schema (not)") }
    }

    /// Equal as JSON Schema has it: `1` and `1.0` are one number.
    static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        if left == right { return true }
        switch (left, right) {
        case (.integer, .double), (.double, .integer): return left.double == right.double
        default: return false
        }
    }
}

extension SchemaChecker {
    /// Adds a cause for each element of a set or map list that repeats an earlier one.
    mutating func checkLists(_ value: JSONValue, against schema: StructuralSchema, at path: String) {
        switch value {
        case .object(let members):
            for (name, member) in members {
                guard let child = schema.properties[name] ?? schema.additionalProperties else { continue }
                let step = name.asPathStep
                checkLists(member, against: child, at: path.isEmpty ? step : "\(path).\(step)")
            }
        case .array(let elements):
            var seen: Set<JSONValue> = []
            for (index, element) in elements.enumerated() {
                let place = "\(path)[\(index)]"
                let key: JSONValue
                switch schema.listType {
                case "set": key = element
                case "map": key = Self.key(of: element, schema)
                default: continue
                }
                if !seen.insert(key).inserted {
                    add("FieldValueDuplicate", "Duplicate value: \(Self.text(of: key))", place)
                }
            }
            guard let items = schema.items else { return }
            for (index, element) in elements.enumerated() {
                checkLists(element, against: items, at: "\(path)[\(index)]")
            }
        default: return
        }
    }

    private static func key(of element: JSONValue, _ schema: StructuralSchema) -> JSONValue {
        .object(
            JSONObject(
                pairs: schema.listMapKeys.compactMap { key in
                    (element[key] ?? schema.items?.properties[key]?.defaultValue).map { (key, $0) }
                }
            )
        )
    }
}
