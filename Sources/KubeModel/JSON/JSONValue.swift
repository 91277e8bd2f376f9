// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A JSON value. Integers that fit 64 bits stay exact; other numbers are doubles.
public enum JSONValue: Sendable, Hashable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number without fraction and exponent within `Int64`.
    case integer(Int64)
    /// Any other number; always finite.
    case double(Double)
    /// A string.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object.
    case object(JSONObject)

    /// An object without a member.
    public static let emptyObject = JSONValue.object(JSONObject())

    /// Whether both are the same JSON: strings are compared as bytes, which JSON does and Swift's own `==` doesn't.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.double(let left), .double(let right)): left == right
        case (.string(let left), .string(let right)): ByteOrder.isSame(left, right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }

    /// Notes strings as bytes, as `==` compares them: of texts that Swift's own `==` takes for the same there can be many.
    public func hash(into hasher: inout Hasher) {
        switch self {
        case .null: hasher.combine(0)
        case .bool(let value): hasher.combine(value)
        case .integer(let value): hasher.combine(value)
        case .double(let value): hasher.combine(value)
        case .string(let value): ByteOrder.hash(value, into: &hasher)
        case .array(let elements):
            hasher.combine(elements.count)
            for element in elements { element.hash(into: &hasher) }
        case .object(let members): members.hash(into: &hasher)
        }
    }
}

extension JSONValue {
    /// The string, when it is one.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The boolean, when it is one.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The number as an integer, when it is one without loss (`3` and `3.0`, not `3.5`).
    public var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .double(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// The number as an `Int`, when it is one without loss.
    public var int: Int? { integer.flatMap { Int(exactly: $0) } }

    /// The number, when it is one; integers beyond 2^53 are rounded.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }

    /// The elements, when it is an array.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

    /// The members, when it is an object.
    public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// Whether it is `null`.
    public var isNull: Bool { self == .null }

    /// The value as it is read again once it was written: JSON doesn't tell `4.0` from `4`, so whole doubles are integers
    /// (below 2^53, as `encoded()` writes them).
    ///
    /// What is compared with something that was stored has to be in this form.
    public var asReadBack: JSONValue {
        switch self {
        case .double(let value):
            if let whole = Int64(exactly: value), whole.magnitude < 1 << 53, value.bitPattern != (-0.0).bitPattern {
                .integer(whole)
            } else {
                self
            }
        case .array(let elements): .array(elements.map(\.asReadBack))
        case .object(let members):
            .object(JSONObject(keys: members.keys, values: members.values.map(\.asReadBack)))
        case .null, .bool, .integer, .string: self
        }
    }

    /// Whether arrays and objects are nested deeper than `limit` in it; looks no further than that.
    public func isNested(deeperThan limit: Int) -> Bool {
        switch self {
        case .array(let elements): limit <= 0 || elements.contains { $0.isNested(deeperThan: limit - 1) }
        case .object(let members): limit <= 0 || members.values.contains { $0.isNested(deeperThan: limit - 1) }
        case .null, .bool, .integer, .double, .string: false
        }
    }

    /// The word JSON Schema has for the type: `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`.
    public var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    /// The member `key`; `nil` when there is none or this is no object.
    ///
    /// Setting a member of anything but an object replaces it by an object; setting `nil` removes the member.
    public subscript(key: String) -> JSONValue? {
        get { if case .object(let members) = self { members[key] } else { nil } }
        set {
            guard case .object(var members) = self else {
                if let newValue { self = .object([key: newValue]) }
                return
            }
            self = .null  // Gives up this value's reference, so that the members change in place.
            members[key] = newValue
            self = .object(members)
        }
    }

    /// The element `index`; `nil` when there is none or this is no array.
    public subscript(index: Int) -> JSONValue? {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }

    /// The value found by following member names; `nil` where one is missing.
    public func value(at path: some Collection<String>) -> JSONValue? {
        var value = self
        for key in path {
            guard let next = value[key] else { return nil }
            value = next
        }
        return value
    }

    /// The value found by following member names: `object.at("spec", "replicas")`.
    public func at(_ path: String...) -> JSONValue? { value(at: path) }

    /// Sets, or with `nil` removes, the value at a path of member names, and makes the objects on the way.
    public mutating func set(_ value: JSONValue?, at path: String...) { set(value, path: path[...]) }

    /// Sets, or with `nil` removes, the value at a path of member names, and makes the objects on the way.
    public mutating func set(_ value: JSONValue?, path: ArraySlice<String>) {
        guard let key = path.first else {
            self = value ?? .null
            return
        }
        if path.count == 1 {
            self[key] = value
            return
        }
        if value == nil && self[key] == nil { return }
        var child = self[key] ?? .emptyObject
        child.set(value, path: path.dropFirst())
        self[key] = child
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .double(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object; of two members with one name the later wins.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(pairs: elements)) }

    /// An integer.
    public init(_ value: Int) { self = .integer(Int64(value)) }
    /// A string, or nothing.
    public init?(_ value: String?) {
        guard let value else { return nil }
        self = .string(value)
    }
    /// An object of strings, as labels are.
    public init(_ strings: [String: String]) {
        self = .object(JSONObject(pairs: strings.map { ($0.key, .string($0.value)) }))
    }
}
