// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension StructuralSchema {
    /// `value` with the defaults of this schema filled in.
    ///
    /// | member | nullable | has default | result |
    /// | --- | --- | --- | --- |
    /// | missing | any | yes | the default |
    /// | null | no | yes | the default |
    /// | null | no | no | removed |
    /// | null | yes | any | kept |
    ///
    /// Elements of arrays and entries of maps are never added or removed, only completed.
    public func applyingDefaults(to value: JSONValue) -> JSONValue {
        switch value {
        case .object(var members):
            for (name, schema) in properties.sorted(by: { $0.key < $1.key }) {
                let current = members[name]
                if current == nil || (current == .null && !schema.isNullable) {
                    if let fallback = schema.defaultValue {
                        members[name] = schema.applyingDefaults(to: fallback)
                    } else if current != nil {
                        members[name] = nil
                    }
                } else if let current {
                    members[name] = schema.applyingDefaults(to: current)
                }
            }
            if let additionalProperties {
                for key in members.keys where properties[key] == nil {
                    guard let entry = members[key] else { continue }
                    if entry == .null && !additionalProperties.isNullable {
                        members[key] = additionalProperties.defaultValue.map(additionalProperties.applyingDefaults)
                    } else {
                        members[key] = additionalProperties.applyingDefaults(to: entry)
                    }
                }
            }
            return .object(members)
        case .array(let elements):
            guard let items else { return value }
            return .array(
                elements.map { element in
                    if element == .null && !items.isNullable, let fallback = items.defaultValue {
                        return items.applyingDefaults(to: fallback)
                    }
                    return items.applyingDefaults(to: element)
                }
            )
        default: return value
        }
    }
}
