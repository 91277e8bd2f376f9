// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// A value that doesn't have the shape that was asked for, and where.
public struct JSONDecodingError: Error, Hashable, CustomStringConvertible {
    /// Where: `spec.scaling.targets[0].value`; empty for the whole value.
    public var path: String
    /// What is wrong: `expected an integer, found a string`.
    public var message: String

    /// An error.
    public init(path: String, message: String) {
        self.path = path
        self.message = message
    }

    init(path: [any CodingKey], _ message: String) {
        self.init(path: JSONDecodingError.text(of: path), message: message)
    }

    /// The path as Kubernetes writes it.
    static func text(of path: [any CodingKey]) -> String {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return text
    }

    /// One line.
    public var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

/// Decodes `Codable` types from a JSON value. `null` counts as missing for optional members.
public struct JSONValueDecoder: Sendable {
    /// There is nothing to set up.
    public init() {}

    /// Decodes a value.
    /// - Throws: `JSONDecodingError` with the path; what the type's own `init(from:)` throws.
    public func decode<T: Decodable>(_ type: T.Type, from json: JSONValue) throws -> T {
        do {
            return try JSONValueDecoding(json: json, codingPath: []).unwrap(type)
        } catch let error as DecodingError {
            throw Self.translate(error)
        }
    }

    /// Errors that a type's own decoding made, in our words.
    private static func translate(_ error: DecodingError) -> any Error {
        switch error {
        case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context):
            JSONDecodingError(path: context.codingPath, context.debugDescription)
        case .keyNotFound(let key, let context):
            JSONDecodingError(path: context.codingPath + [key], "is required")
        @unknown default: error
        }
    }
}

/// A member name or an index.
struct JSONKey: CodingKey {
    let stringValue: String
    let intValue: Int?

    init(stringValue: String) {
        self.stringValue = stringValue
        intValue = nil
    }

    init(intValue: Int) {
        stringValue = String(intValue)
        self.intValue = intValue
    }
}

/// A decoder at one place of the value.
struct JSONValueDecoding: Decoder, SingleValueDecodingContainer {
    let json: JSONValue
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func failure(_ expected: String) -> JSONDecodingError {
        JSONDecodingError(path: codingPath, "expected \(expected), found \(json.articledTypeName)")
    }

    func unwrap<T: Decodable>(_ type: T.Type) throws -> T {
        if type == JSONValue.self, let value = json as? T { return value }
        return try T(from: self)
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        guard case .object(let members) = json else { throw failure("an object") }
        return KeyedDecodingContainer(JSONKeyedDecoding<Key>(members: members, codingPath: codingPath))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
        guard case .array(let elements) = json else { throw failure("a list") }
        return JSONUnkeyedDecoding(elements: elements, codingPath: codingPath)
    }

    func singleValueContainer() throws -> any SingleValueDecodingContainer { self }

    func decodeNil() -> Bool { json.isNull }

    func decode(_ type: Bool.Type) throws -> Bool {
        guard let value = json.bool else { throw failure("true or false") }
        return value
    }

    func decode(_ type: String.Type) throws -> String {
        guard let value = json.string else { throw failure("a string") }
        return value
    }

    func decode(_ type: Double.Type) throws -> Double {
        guard let value = json.double else { throw failure("a number") }
        return value
    }

    func decode(_ type: Float.Type) throws -> Float { Float(try decode(Double.self)) }
    func decode(_ type: Int.Type) throws -> Int { try integer() }
    func decode(_ type: Int8.Type) throws -> Int8 { try integer() }
    func decode(_ type: Int16.Type) throws -> Int16 { try integer() }
    func decode(_ type: Int32.Type) throws -> Int32 { try integer() }
    func decode(_ type: Int64.Type) throws -> Int64 { try integer() }
    func decode(_ type: UInt.Type) throws -> UInt { try integer() }
    func decode(_ type: UInt8.Type) throws -> UInt8 { try integer() }
    func decode(_ type: UInt16.Type) throws -> UInt16 { try integer() }
    func decode(_ type: UInt32.Type) throws -> UInt32 { try integer() }
    func decode(_ type: UInt64.Type) throws -> UInt64 { try integer() }
    func decode<T: Decodable>(_ type: T.Type) throws -> T { try unwrap(type) }

    private func integer<Number: FixedWidthInteger>() throws -> Number {
        guard let value = json.integer else { throw failure("an integer") }
        guard let number = Number(exactly: value) else {
            throw JSONDecodingError(path: codingPath, "\(value) is out of range")
        }
        return number
    }
}

extension JSONValue {
    /// The type's name with its article, for messages.
    var articledTypeName: String {
        switch self {
        case .null: "null"
        case .integer: "an integer"
        case .array: "a list"
        case .object: "an object"
        default: "a \(typeName)"
        }
    }
}

extension JSONValue: Codable {
    /// Decodes any value; exact with `JSONValueDecoder`, which doesn't come here.
    public init(from decoder: any Decoder) throws {
        if let decoding = decoder as? JSONValueDecoding {
            self = decoding.json
            return
        }
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self), value.isFinite {
            self = .double(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            let members = try container.decode([String: JSONValue].self)
            self = .object(JSONObject(pairs: members.map { ($0.key, $0.value) }))
        }
    }

    /// Encodes the value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let members):
            try container.encode(Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }))
        }
    }
}
