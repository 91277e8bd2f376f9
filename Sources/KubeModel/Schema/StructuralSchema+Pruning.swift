// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

extension StructuralSchema {
    /// `value` without the members that this schema doesn't know, and their paths (`spec.parts[0].unknown`), sorted.
    ///
    /// At the root, and in embedded resources, `apiVersion`, `kind` and `metadata` always stay.
    public func pruning(_ value: JSONValue) -> (value: JSONValue, unknownFields: [String]) {
        var unknown: [String] = []
        let pruned = prune(value, at: "", isResource: true, unknown: &unknown)
        return (pruned, unknown.sorted())
    }

    private func prune(_ value: JSONValue, at path: String, isResource: Bool, unknown: inout [String]) -> JSONValue {
        switch value {
        case .object(let members):
            var kept: [(String, JSONValue)] = []
            for (name, member) in members {
                let place = path.isEmpty ? name.asPathStep : "\(path).\(name.asPathStep)"
                if isResource, name == "apiVersion" || name == "kind" || name == "metadata" {
                    kept.append((name, member))
                } else if let schema = properties[name] ?? additionalProperties {
                    let isEmbedded = schema.isEmbeddedResource
                    kept.append((name, schema.prune(member, at: place, isResource: isEmbedded, unknown: &unknown)))
                } else if preservesUnknownFields {
                    kept.append((name, member))
                } else {
                    unknown.append(place)
                }
            }
            return .object(JSONObject(pairs: kept))
        case .array(let elements):
            guard let items else { return value }
            return .array(
                elements.enumerated().map { index, element in
                    let place = "\(path)[\(index)]"
                    return items.prune(element, at: place, isResource: items.isEmbeddedResource, unknown: &unknown)
                }
            )
        default: return value
        }
    }
}
