// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Encodes `Codable` types to a JSON value. Optional members that are `nil` are left out.
public struct JSONValueEncoder: Sendable {
    /// There is nothing to set up.
    public init() {}

    /// Encodes a value.
    /// - Throws: `EncodingError` for a number that JSON can't hold; what the type's own `encode(to:)` throws.
    public func encode(_ value: some Encodable) throws -> JSONValue {
        try JSONNode.value(of: value, codingPath: [])
    }
}

/// A place of the value that is being written; containers share it.
final class JSONNode {
    private enum Content {
        case empty
        case value(JSONValue)
        case list([JSONNode])
        case members([(String, JSONNode)])
    }

    private var content: Content = .empty

    /// The value when everything is written; an encoder that wrote nothing gives an empty object.
    var json: JSONValue {
        switch content {
        case .empty: .emptyObject
        case .value(let value): value
        case .list(let nodes): .array(nodes.map(\.json))
        case .members(let members): .object(JSONObject(pairs: members.map { ($0.0, $0.1.json) }))
        }
    }

    var count: Int { if case .list(let nodes) = content { nodes.count } else { 0 } }

    func set(_ value: JSONValue) { content = .value(value) }

    func becomeObject() {
        if case .members = content { return }
        content = .members([])
    }

    func becomeList() {
        if case .list = content { return }
        content = .list([])
    }

    func member(_ key: String) -> JSONNode {
        let node = JSONNode()
        if case .members(var members) = content {
            content = .empty  // Gives up this reference, so that the list grows in place.
            members.append((key, node))
            content = .members(members)
        }
        return node
    }

    func element() -> JSONNode {
        let node = JSONNode()
        if case .list(var nodes) = content {
            content = .empty
            nodes.append(node)
            content = .list(nodes)
        }
        return node
    }

    static func value(of value: some Encodable, codingPath: [any CodingKey]) throws -> JSONValue {
        if let json = value as? JSONValue { return json }
        let node = JSONNode()
        try value.encode(to: JSONValueEncoding(node: node, codingPath: codingPath))
        return node.json
    }
}

/// An encoder at one place of the value.
struct JSONValueEncoding: Encoder, SingleValueEncodingContainer {
    let node: JSONNode
    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        node.becomeObject()
        return KeyedEncodingContainer(JSONKeyedEncoding<Key>(node: node, codingPath: codingPath))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        node.becomeList()
        return JSONUnkeyedEncoding(node: node, codingPath: codingPath)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() throws { node.set(.null) }
    func encode(_ value: Bool) throws { node.set(.bool(value)) }
    func encode(_ value: String) throws { node.set(.string(value)) }
    func encode(_ value: Float) throws { try encode(Double(value)) }
    func encode(_ value: Int) throws { try integer(value) }
    func encode(_ value: Int8) throws { try integer(value) }
    func encode(_ value: Int16) throws { try integer(value) }
    func encode(_ value: Int32) throws { try integer(value) }
    func encode(_ value: Int64) throws { try integer(value) }
    func encode(_ value: UInt) throws { try integer(value) }
    func encode(_ value: UInt8) throws { try integer(value) }
    func encode(_ value: UInt16) throws { try integer(value) }
    func encode(_ value: UInt32) throws { try integer(value) }
    func encode(_ value: UInt64) throws { try integer(value) }

    func encode(_ value: Double) throws {
        guard value.isFinite else {
            throw EncodingError.invalidValue(
                value,
                EncodingError.Context(codingPath: codingPath, debugDescription: "JSON has no \(value)")
            )
        }
        node.set(.double(value))
    }

    func encode(_ value: some Encodable) throws { node.set(try JSONNode.value(of: value, codingPath: codingPath)) }

    /// An integer beyond `Int64` becomes the nearest double.
    private func integer(_ value: some FixedWidthInteger) throws {
        node.set(Int64(exactly: value).map(JSONValue.integer) ?? .double(Double(value)))
    }
}

/// The members of an object that is being written.
struct JSONKeyedEncoding<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: JSONNode
    let codingPath: [any CodingKey]

    private func member(_ key: any CodingKey) -> JSONValueEncoding {
        JSONValueEncoding(node: node.member(key.stringValue), codingPath: codingPath + [key])
    }

    func encodeNil(forKey key: Key) throws { try member(key).encodeNil() }
    func encode(_ value: some Encodable, forKey key: Key) throws { try member(key).encode(value) }

    func nestedContainer<Nested: CodingKey>(
        keyedBy type: Nested.Type,
        forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        member(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { member(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { member(JSONKey(stringValue: "super")) }
    func superEncoder(forKey key: Key) -> any Encoder { member(key) }
}

/// The elements of a list that is being written.
struct JSONUnkeyedEncoding: UnkeyedEncodingContainer {
    let node: JSONNode
    let codingPath: [any CodingKey]

    var count: Int { node.count }

    private func element() -> JSONValueEncoding {
        JSONValueEncoding(node: node.element(), codingPath: codingPath + [JSONKey(intValue: count)])
    }

    func encodeNil() throws { try element().encodeNil() }
    func encode(_ value: some Encodable) throws { try element().encode(value) }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        element().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { element().unkeyedContainer() }
    func superEncoder() -> any Encoder { element() }
}
