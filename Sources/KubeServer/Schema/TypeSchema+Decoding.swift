// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import Ambient
public import KubeModel

extension TypeSchema {
    /// The most unknown fields that are named, as in the API server's decoder.
    private static let maximumUnknownFields = 100

    /// `object` without the fields that its type doesn't have, and the paths of the first 100 of them
    /// (`spec.template.spec.foo`), in order.
    public func pruning(_ object: JSONValue) -> (value: JSONValue, unknownFields: [String]) {
        var unknown: [String] = []
        let value = Self.prune(object, root, at: "", unknown: &unknown)
        return (value, unknown)
    }

    private static func prune(
        _ value: JSONValue,
        _ shape: TypeShape,
        at path: String,
        unknown: inout [String]
    ) -> JSONValue {
        switch (value, shape.content) {
        case (.object(let members), .structure), (.object(let members), .map):
            var kept: [(String, JSONValue)] = []
            for (name, member) in members {
                let step = name.asPathStep
                let place = path.isEmpty ? step : "\(path).\(step)"
                if let next = shape.member(name) {
                    kept.append((name, prune(member, next, at: place, unknown: &unknown)))
                } else if unknown.count < maximumUnknownFields {
                    unknown.append(place)
                }
            }
            return .object(JSONObject(pairs: kept))
        case (.array(let elements), .list(let element, _)):
            return .array(
                elements.enumerated().map { index, value in
                    prune(value, element, at: "\(path)[\(index)]", unknown: &unknown)
                }
            )
        default: return value
        }
    }

    /// Why the API server can't decode `object` as this built-in type; `nil` when it can.
    ///
    /// In the words of Go's decoder: `json: cannot unmarshal number into Go struct field ConfigMap.data of type string`.
    public func decodingFailure(in object: JSONValue, kind: String) -> String? {
        guard isStrategic else { return nil }
        return Self.failure(object, root, structure: kind, path: "")
    }

    /// Why the API server can't decode the metadata of `object`, of any kind; `nil` when it can.
    static func metadataFailure(in object: JSONValue) -> String? {
        guard let metadata = object["metadata"] else { return nil }
        return failure(metadata, .reference(BuiltInTypes.objectMeta), structure: "ObjectMeta", path: "")
    }

    private static func failure(_ value: JSONValue, _ shape: TypeShape, structure: String, path: String) -> String? {
        if value == .null { return nil }
        func mismatch(_ goType: String) -> String {
            let place = path.isEmpty ? "Go value" : "Go struct field \(structure).\(path)"
            let word = value.typeName == "boolean" ? "bool" : value.typeName == "integer" ? "number" : value.typeName
            return "json: cannot unmarshal \(word) into \(place) of type \(goType)"
        }
        switch shape.content {
        case .structure(let type):
            guard let members = value.object else { return mismatch(goName(type.name)) }
            for (name, member) in members {
                guard let next = shape.member(name) else { continue }
                let place = path.isEmpty ? name.asPathStep : "\(path).\(name.asPathStep)"
                if let failure = failure(member, next, structure: structure, path: place) { return failure }
            }
        case .map(let element):
            guard let members = value.object else { return mismatch("map[string]string") }
            for (_, member) in members {
                if let failure = failure(member, element, structure: structure, path: path) { return failure }
            }
        case .list(let element, _):
            guard let elements = value.array else { return mismatch("[]\(elementName(element))") }
            for member in elements {
                if let failure = failure(member, element, structure: structure, path: path) { return failure }
            }
        case .scalar(let scalar): return scalarFailure(value, scalar, mismatch)
        default: return nil
        }
        return nil
    }

    private static func goName(_ name: String) -> String {
        name.split(separator: ".").suffix(2).joined(separator: ".")
    }

    private static func elementName(_ shape: TypeShape) -> String {
        switch shape.content {
        case .scalar(let scalar): scalar.rawValue
        case .structure(let structure): goName(structure.name)
        default: "interface {}"
        }
    }

    private static func scalarFailure(
        _ value: JSONValue,
        _ scalar: ScalarType,
        _ mismatch: (String) -> String
    ) -> String? {
        switch scalar {
        case .string: return value.string == nil ? mismatch("string") : nil
        case .bool: return value.bool == nil ? mismatch("bool") : nil
        case .int32: return value.integer.flatMap { Int32(exactly: $0) } == nil ? mismatch("int32") : nil
        case .int64: return value.integer == nil ? mismatch("int64") : nil
        case .double: return value.double == nil ? mismatch("float64") : nil
        case .time, .microTime:
            guard let text = value.string else { return mismatch("string") }
            guard !WallTime.isRFC3339(text) else { return nil }
            let layout = scalar == .time ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00"
            return "parsing time \"\(text)\" as \"\(layout)\": cannot parse \"\(text)\" as \"2006\""
        case .bytes:
            guard let text = value.string else { return mismatch("[]uint8") }
            return Base64.firstBadByte(in: text).map { "illegal base64 data at input byte \($0)" }
        case .intOrString:
            if value.string != nil || value.integer != nil { return nil }
            return "json: cannot unmarshal \(value.jsonText) into Go value of type intstr.IntOrString"
        case .quantity:
            if value.double != nil { return nil }
            guard let text = value.string, Quantity(text) != nil else {
                return "quantities must match the regular expression "
                    + "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            return nil
        case .raw, .fields, .unchecked: return nil
        }
    }
}

/// The alphabet of base64.
enum Base64 {
    /// The offset of the first byte that makes `text` no base64 (with padding); `nil` when it is fine.
    static func firstBadByte(in text: String) -> Int? {
        let bytes = Array(text.utf8).filter { $0 != 0x0a && $0 != 0x0d }
        let padding = min(2, bytes.reversed().prefix { $0 == UInt8(ascii: "=") }.count)
        let digits = bytes.dropLast(padding)
        if let bad = digits.firstIndex(where: { !isDigit($0) }) { return bad }
        return bytes.count.isMultiple(of: 4) ? nil : digits.count / 4 * 4
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
