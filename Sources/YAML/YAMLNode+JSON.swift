// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

public import KubeModel

extension YAMLNode {
    /// The node as JSON, with the types that `kubectl` gives to scalars (sigs.k8s.io/yaml, see `YAMLScalar`).
    ///
    /// Merge keys (`<<`) are carried out as go-yaml 2 does: in the order of the entries, the later one wins, and of a list
    /// of mappings the earlier one. Keys that aren't strings become strings (`1.10: a` has the key `1.1`).
    /// - Throws: for values that JSON hasn't (`.nan`), tags that don't fit, keys that are null or collections, and for
    ///   two keys that become the same string.
    public func json() throws(YAMLError) -> JSONValue {
        switch content {
        case .scalar: return try scalarJSON()
        case .sequence(let items):
            var elements: [JSONValue] = []
            elements.reserveCapacity(items.count)
            for item in items { elements.append(try item.json()) }
            return .array(elements)
        case .mapping(let entries):
            var pairs: [(String, JSONValue)] = []
            pairs.reserveCapacity(entries.count)
            var places: [String: YAMLMark] = [:]
            for entry in entries {
                if entry.key.isMergeKey {
                    pairs.append(contentsOf: try entry.value.mergedMembers())
                    continue
                }
                let key = try entry.key.jsonKey()
                if let first = places.updateValue(entry.key.mark, forKey: key) {
                    throw YAMLError("the key \"\(key)\" is given twice, first at \(first)", at: entry.key.mark)
                }
                pairs.append((key, try entry.value.json()))
            }
            return .object(JSONObject(pairs: pairs))
        }
    }

    /// The scalar's value; a collection has none.
    func typedScalar() throws(YAMLError) -> YAMLScalar {
        guard case .scalar(let text) = content else { throw YAMLError("expected a scalar", at: mark) }
        switch tag {
        case nil: return style == .plain ? YAMLScalar.resolve(text) : .string(text)
        case YAMLTag.string: return .string(text)
        case YAMLTag.binary:
            guard let bytes = Base64.decoded(text) else {
                throw YAMLError("the value of !!binary isn't base64", at: mark)
            }
            return .string(String(decoding: bytes, as: UTF8.self))
        case .some(let tag)
        where [YAMLTag.bool, YAMLTag.integer, YAMLTag.float, YAMLTag.null, YAMLTag.timestamp]
            .contains(tag):
            let value = YAMLScalar.resolve(text, allowsTimestamp: tag == YAMLTag.timestamp)
            if value.tag == YAMLTag.short(tag) { return value }
            if tag == YAMLTag.float, case .integer(let integer) = value { return .float(Double(integer)) }
            throw YAMLError("cannot read \(value.tag) `\(text)` as \(YAMLTag.short(tag))", at: mark)
        case .some: return .string(text)
        }
    }

    private func scalarJSON() throws(YAMLError) -> JSONValue {
        switch try typedScalar() {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .integer(value)
        case .unsigned(let value): return .double(Double(value))
        case .float(let value):
            guard value.isFinite else {
                throw YAMLError("JSON has no number for `\(scalar ?? "")`; put it in quotes for a string", at: mark)
            }
            return ShortestDecimal(value).json
        case .timestamp(let text), .string(let text): return .string(text)
        }
    }

    /// The key of a JSON object that this node stands for, as `kubectl` makes it: `1.10` is `1.1`, `yes` is `true`.
    /// - Throws: when it is null or no scalar.
    public func jsonKey() throws(YAMLError) -> String {
        guard content.isScalar else {
            throw YAMLError("a key must be a scalar, not a sequence or mapping", at: mark)
        }
        switch try typedScalar() {
        case .null: throw YAMLError("a key can't be null; put it in quotes for a string", at: mark)
        case .bool(let value): return value ? "true" : "false"
        case .integer(let value): return String(value)
        case .unsigned: throw YAMLError("a key that is a number must fit 64 bits; put it in quotes", at: mark)
        case .float(let value):
            if value.isNaN { return ".nan" }
            let single = Float(value)
            if single.isInfinite { return single < 0 ? "-.inf" : ".inf" }
            return ShortestDecimal(single).keyText
        case .timestamp(let text), .string(let text): return text
        }
    }

    /// What a merge key with this value adds: a mapping's members, or those of each mapping of a list, last one first.
    private func mergedMembers() throws(YAMLError) -> [(String, JSONValue)] {
        let mappings = sequence.map { Array($0.reversed()) } ?? [self]
        var members: [(String, JSONValue)] = []
        for mapping in mappings {
            guard mapping.mapping != nil, case .object(let object) = try mapping.json() else {
                throw YAMLError("the value of << must be a mapping or a list of mappings", at: mapping.mark)
            }
            members.append(contentsOf: zip(object.keys, object.values))
        }
        return members
    }
}

extension YAMLNode.Content {
    fileprivate var isScalar: Bool { if case .scalar = self { true } else { false } }
}

extension JSONValue {
    /// The documents of a YAML text as JSON, with the types that `kubectl` gives to scalars; empty documents are left
    /// out.
    /// - Throws: `YAMLError` with the place.
    public static func documents(yaml text: String, limits: YAMLLimits = YAMLLimits()) throws(YAMLError) -> [JSONValue]
    {
        var values: [JSONValue] = []
        for document in try YAMLReader(limits: limits).documents(in: text) {
            let value = try document.json()
            if value != .null { values.append(value) }
        }
        return values
    }
}
