// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import KubeModel

/// JSON as bytes that are quick to read: a mark for each value, lengths before texts and collections.
///
/// | mark | then |
/// | --- | --- |
/// | null, false, true | nothing |
/// | integer | the number, zigzag, in groups of seven bits |
/// | double | eight bytes, the lowest first |
/// | string | length, UTF-8 |
/// | array | count, values |
/// | object | count, then name (length, UTF-8) and value, sorted by name |
/// | version | nothing: the resource version, which is stored beside the bytes |
///
/// The bytes are this process's own. Reading is total all the same: cut bytes read as `null`.
enum CompactJSON {
    /// The first byte of a value.
    enum Mark {
        static let null: UInt8 = 0
        static let no: UInt8 = 1
        static let yes: UInt8 = 2
        static let integer: UInt8 = 3
        static let double: UInt8 = 4
        static let string: UInt8 = 5
        static let array: UInt8 = 6
        static let object: UInt8 = 7
        static let version: UInt8 = 8
    }

    /// The part of `value` that `rule` keeps.
    static func encode(_ value: JSONValue, keeping rule: ObjectProjection.Rule = .keep) -> [UInt8] {
        var writer = CompactWriter()
        writer.write(value, keeping: rule)
        return writer.bytes
    }

    /// The part of the value of `bytes` that `rule` keeps; `version` stands in for the resource version.
    static func decode(
        _ bytes: [UInt8],
        version: String,
        keeping rule: ObjectProjection.Rule = .keep
    ) -> JSONValue {
        var reader = CompactReader(bytes: bytes, version: version)
        return reader.value(keeping: rule)
    }

    /// The value at a path of member names, without reading the rest; `nil` where one is missing.
    static func value(at path: [String], in bytes: [UInt8], version: String) -> JSONValue? {
        var reader = CompactReader(bytes: bytes, version: version)
        for name in path { guard reader.enter(name) else { return nil } }
        return reader.value()
    }
}

/// Appends values.
struct CompactWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ value: JSONValue, keeping rule: ObjectProjection.Rule) {
        if rule == .version { return bytes.append(CompactJSON.Mark.version) }
        switch value {
        case .null: bytes.append(CompactJSON.Mark.null)
        case .bool(let value): bytes.append(value ? CompactJSON.Mark.yes : CompactJSON.Mark.no)
        case .integer(let value):
            bytes.append(CompactJSON.Mark.integer)
            bytes.appendVarint(UInt64(bitPattern: value << 1 ^ value >> 63))
        case .double(let value):
            bytes.append(CompactJSON.Mark.double)
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
            }
        case .string(let text):
            bytes.append(CompactJSON.Mark.string)
            write(text)
        case .array(let elements):
            bytes.append(CompactJSON.Mark.array)
            bytes.appendVarint(UInt64(elements.count))
            for element in elements { write(element, keeping: rule) }
        case .object(let members): write(members, keeping: rule)
        }
    }

    private mutating func write(_ members: JSONObject, keeping rule: ObjectProjection.Rule) {
        bytes.append(CompactJSON.Mark.object)
        guard case .members(let rules) = rule else {
            bytes.appendVarint(UInt64(members.count))
            for (name, value) in members {
                write(name)
                write(value, keeping: .keep)
            }
            return
        }
        let kept = members.keys.map { rules.rule(for: $0) }
        bytes.appendVarint(UInt64(kept.count { $0 != .drop }))
        for (index, rule) in kept.enumerated() where rule != .drop {
            write(members.keys[index])
            write(members.values[index], keeping: rule)
        }
    }

    private mutating func write(_ text: String) {
        bytes.appendVarint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }
}

/// Reads values from the front.
struct CompactReader {
    private let bytes: [UInt8]
    private let version: String
    private var position = 0

    init(bytes: [UInt8], version: String) {
        self.bytes = bytes
        self.version = version
    }

    /// The next value.
    mutating func value() -> JSONValue {
        switch byte() {
        case CompactJSON.Mark.no: return .bool(false)
        case CompactJSON.Mark.yes: return .bool(true)
        case CompactJSON.Mark.integer: return .integer(integer())
        case CompactJSON.Mark.double:
            var bits: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 8) { bits |= UInt64(byte()) << shift }
            return .double(Double(bitPattern: bits))
        case CompactJSON.Mark.string: return .string(text())
        case CompactJSON.Mark.array:
            let count = count()
            var elements: [JSONValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(value()) }
            return .array(elements)
        case CompactJSON.Mark.object:
            let count = count()
            var names: [String] = []
            var values: [JSONValue] = []
            names.reserveCapacity(count)
            values.reserveCapacity(count)
            for _ in 0..<count {
                names.append(text())
                values.append(value())
            }
            return .object(JSONObject(keys: names, values: values))
        case CompactJSON.Mark.version: return .string(version)
        default: return .null
        }
    }

    /// The part of the next value that `rule` keeps; what it drops is passed over unread.
    mutating func value(keeping rule: ObjectProjection.Rule) -> JSONValue {
        guard case .members(let rules) = rule, position < bytes.count else { return value() }
        switch bytes[position] {
        case CompactJSON.Mark.array:
            position += 1
            var elements: [JSONValue] = []
            for _ in 0..<count() { elements.append(value(keeping: rule)) }
            return .array(elements)
        case CompactJSON.Mark.object:
            position += 1
            var names: [String] = []
            var values: [JSONValue] = []
            for _ in 0..<count() {
                let name = text()
                let rule = rules.rule(for: name)
                guard rule != .drop else {
                    skip()
                    continue
                }
                names.append(name)
                values.append(value(keeping: rule))
            }
            return .object(JSONObject(keys: names, values: values))
        default: return value()
        }
    }

    /// Goes to the member `name` of the next value; `false` where there is none.
    mutating func enter(_ name: String) -> Bool {
        guard byte() == CompactJSON.Mark.object else { return false }
        for _ in 0..<count() {
            let length = count()
            let isMatch = length == name.utf8.count && bytes[position..<position + length].elementsEqual(name.utf8)
            position += length
            if isMatch { return true }
            skip()
        }
        return false
    }

    private mutating func skip() {
        switch byte() {
        case CompactJSON.Mark.integer: _ = varint()
        case CompactJSON.Mark.double: position = min(bytes.count, position + 8)
        case CompactJSON.Mark.string: position += count()
        case CompactJSON.Mark.array: for _ in 0..<count() { skip() }
        case CompactJSON.Mark.object:
            for _ in 0..<count() {
                position += count()
                skip()
            }
        default: break
        }
    }

    private mutating func byte() -> UInt8 {
        guard position < bytes.count else { return CompactJSON.Mark.null }
        defer { position += 1 }
        return bytes[position]
    }

    private mutating func varint() -> UInt64 { bytes.varint(at: &position) }

    private mutating func integer() -> Int64 {
        let number = varint()
        return Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
    }

    /// A length or a count; never more than the bytes that are left.
    private mutating func count() -> Int { Int(min(varint(), UInt64(bytes.count - position))) }

    private mutating func text() -> String {
        let length = count()
        defer { position += length }
        return String(decoding: bytes[position..<position + length], as: UTF8.self)
    }
}

extension [UInt8] {
    /// Appends a number in groups of seven bits, the lowest first.
    mutating func appendVarint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(rest))
    }

    /// Reads such a number and moves `position` behind it; ends with the bytes.
    func varint(at position: inout Int) -> UInt64 {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while position < count, shift < 64 {
            let byte = self[position]
            position += 1
            number |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        return number
    }
}
