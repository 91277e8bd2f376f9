// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

import KubeModel

/// What a field of a message holds, and how JSON writes it.
indirect enum ProtobufShape: Sendable {
    /// A text.
    case text
    /// A whole number.
    case integer
    /// A truth value.
    case boolean
    /// Bytes, which JSON writes in base64.
    case bytes
    /// A message with one text, as a quantity.
    case wrappedText
    /// A number or a text.
    case integerOrText
    /// A message with fields.
    case message([Int: Member])

    /// One field.
    struct Member: Sendable {
        /// Its name in JSON.
        var name: String
        /// What it holds.
        var shape: ProtobufShape
        /// One value, a list, or a map with texts as keys.
        var form = Form.one

        /// A field.
        init(_ name: String, _ shape: ProtobufShape, _ form: Form = .one) {
            self.name = name
            self.shape = shape
            self.form = form
        }
    }

    /// How often a field may occur.
    enum Form: Sendable {
        /// Once; a zero is the same as no value.
        case one
        /// Once; a zero is a value, as Go's pointers have it.
        case optional
        /// Any number of times.
        case list
        /// Any number of times, each a key with its value.
        case map
    }

    /// Messages nested deeper than this are refused.
    private static let maximumDepth = 32

    /// The JSON of a message.
    /// - Throws: `ProtobufError`, also for a field that isn't known and says something.
    func json(_ field: ProtobufReader.Field, depth: Int = 0) throws(ProtobufError) -> JSONValue {
        guard depth < Self.maximumDepth else { throw ProtobufError("messages are nested too deeply") }
        switch (self, field) {
        case (.integer, .number(let number)): return .integer(Int64(bitPattern: number))
        case (.boolean, .number(let number)): return .bool(number != 0)
        case (.text, .bytes(let bytes)): return .string(String(decoding: bytes, as: UTF8.self))
        case (.bytes, .bytes(let bytes)): return .string(Base64URL.standard(Array(bytes)))
        case (.wrappedText, .bytes(let bytes)):
            let inner = try ProtobufShape.message([1: Member("text", .text)]).members(bytes, depth)
            return inner["text"] ?? ""
        case (.integerOrText, .bytes(let bytes)):
            let shape = ProtobufShape.message([
                1: Member("type", .integer), 2: Member("number", .integer), 3: Member("text", .text),
            ])
            let inner = try shape.members(bytes, depth)
            return inner["type"]?.integer == 1 ? inner["text"] ?? "" : inner["number"] ?? 0
        case (.message, .bytes(let bytes)): return .object(try members(bytes, depth))
        default: throw ProtobufError("a field has another type than its message says")
        }
    }

    private func members(_ bytes: ArraySlice<UInt8>, _ depth: Int) throws(ProtobufError) -> JSONObject {
        guard case .message(let known) = self else { return JSONObject() }
        var result = JSONObject()
        // Lists and maps are built at the end, in one go.
        var lists: [String: [JSONValue]] = [:]
        var maps: [String: [(String, JSONValue)]] = [:]
        var reader = ProtobufReader(bytes)
        while let (number, field) = try reader.next() {
            guard let member = known[number] else {
                if field.isEmpty || ProtobufShape.saysNothing(field) { continue }
                throw ProtobufError("field \(number) is not known to this server")
            }
            switch member.form {
            case .one:
                let value = try member.shape.json(field, depth: depth + 1)
                if !Self.isZero(value) { result[member.name] = value }
            case .optional: result[member.name] = try member.shape.json(field, depth: depth + 1)
            case .list: lists[member.name, default: []].append(try member.shape.json(field, depth: depth + 1))
            case .map:
                let pair = ProtobufShape.message([
                    1: Member("key", .text, .optional), 2: Member("value", member.shape, .optional),
                ])
                let entry = try pair.json(field, depth: depth + 1)
                maps[member.name, default: []].append((entry["key"]?.string ?? "", entry["value"] ?? ""))
            }
        }
        for (name, elements) in lists { result[name] = .array(elements) }
        for (name, pairs) in maps { result[name] = .object(JSONObject(pairs: pairs)) }
        return result
    }

    /// Whether an unknown message holds nothing but zeros.
    private static func saysNothing(_ field: ProtobufReader.Field, depth: Int = 0) -> Bool {
        guard case .bytes(let bytes) = field, depth < maximumDepth else { return field.isEmpty }
        var reader = ProtobufReader(bytes)
        do {
            while let (_, inner) = try reader.next() {
                if !saysNothing(inner, depth: depth + 1) { return false }
            }
            return true
        } catch { return false }
    }

    private static func isZero(_ value: JSONValue) -> Bool {
        switch value {
        case .string(let text): text.isEmpty
        case .integer(let number): number == 0
        case .bool(let flag): !flag
        case .object(let members): members.isEmpty
        default: false
        }
    }
}
