// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The defaults of a schema, made ready to be filled into many values.
///
/// | member | nullable | has default | result |
/// | --- | --- | --- | --- |
/// | missing | any | yes | the default |
/// | null | no | yes | the default |
/// | null | no | no | removed |
/// | null | yes | any | kept |
///
/// Elements of arrays and entries of maps are never added or removed, only completed.
public final class SchemaDefaults: Sendable {
    private struct Member: Sendable {
        var name = ""
        var isNullable: Bool
        /// The default, itself completed.
        var fallback: JSONValue?
        /// What is below; `nil` where nothing can be.
        var inner: SchemaDefaults?

        init?(_ schema: StructuralSchema?, name: String = "") {
            guard let schema else { return nil }
            self.name = name
            isNullable = schema.isNullable
            let inner = SchemaDefaults(schema)
            self.inner = inner.isIdle ? nil : inner
            fallback = schema.defaultValue.map(inner.completing)
        }
    }

    private let properties: [Member]
    private let names: Set<String>
    private let entries: Member?
    private let items: Member?

    /// The defaults of `schema` and of everything below it.
    public init(_ schema: StructuralSchema) {
        properties = schema.properties.compactMap { Member($0.value, name: $0.key) }.sorted { $0.name < $1.name }
        entries = Member(schema.additionalProperties)
        names = entries == nil ? [] : Set(properties.map(\.name))
        items = Member(schema.items)
    }

    /// `value` with the defaults filled in.
    public func completing(_ value: JSONValue) -> JSONValue { completed(value) ?? value }

    /// Whether there is nothing that it could do.
    private var isIdle: Bool { properties.isEmpty && entries == nil && items == nil }

    /// The completed value; `nil` where that is the value itself, which then needs no copy.
    private func completed(_ value: JSONValue) -> JSONValue? {
        switch value {
        case .object(let members): completed(members).map(JSONValue.object)
        case .array(let elements): completed(elements).map(JSONValue.array)
        default: nil
        }
    }

    private func completed(_ members: JSONObject) -> JSONObject? {
        var result: JSONObject?
        func set(_ name: String, _ value: JSONValue?) {
            var changed = result ?? members
            result = nil
            changed[name] = value
            result = changed
        }
        for property in properties {
            switch members[property.name] {
            case .none: if let fallback = property.fallback { set(property.name, fallback) }
            case .some(.null): if !property.isNullable { set(property.name, property.fallback) }
            case .some(let current):
                if let value = property.inner?.completed(current) { set(property.name, value) }
            }
        }
        guard let entries else { return result }
        for (name, current) in members where !names.contains(name) {
            if current == .null, !entries.isNullable {
                set(name, entries.fallback)
            } else if let value = entries.inner?.completed(current) {
                set(name, value)
            }
        }
        return result
    }

    private func completed(_ elements: [JSONValue]) -> [JSONValue]? {
        guard let items else { return nil }
        var result: [JSONValue]?
        for (index, element) in elements.enumerated() {
            let value: JSONValue?
            if element == .null, !items.isNullable, let fallback = items.fallback {
                value = fallback
            } else {
                value = items.inner?.completed(element)
            }
            guard let value else { continue }
            var changed = result ?? elements
            result = nil
            changed[index] = value
            result = changed
        }
        return result
    }
}

extension StructuralSchema {
    /// `value` with the defaults of this schema filled in; for many values make a `SchemaDefaults` once.
    public func applyingDefaults(to value: JSONValue) -> JSONValue { SchemaDefaults(self).completing(value) }
}
