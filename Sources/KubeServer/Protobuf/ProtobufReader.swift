// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// Reads the wire format of Protocol Buffers, version 2, one field at a time.
struct ProtobufReader {
    /// One field as it stands on the wire.
    enum Field: Equatable {
        /// A variable-length integer.
        case number(UInt64)
        /// A text, bytes or a message.
        case bytes(ArraySlice<UInt8>)

        /// Whether it says nothing but the zero of its type.
        var isEmpty: Bool {
            switch self {
            case .number(let number): number == 0
            case .bytes(let bytes): bytes.isEmpty
            }
        }
    }

    private var rest: ArraySlice<UInt8>

    /// Reads `bytes`.
    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field with its number; `nil` at the end.
    /// - Throws: `ProtobufError` when the bytes end too early or use a wire type that Kubernetes doesn't.
    mutating func next() throws(ProtobufError) -> (number: Int, field: Field)? {
        guard !rest.isEmpty else { return nil }
        let tag = try varint()
        guard let number = Int(exactly: tag >> 3), number > 0 else { throw ProtobufError("a field has no number") }
        switch tag & 7 {
        case 0: return (number, .number(try varint()))
        case 2:
            guard let count = Int(exactly: try varint()), count <= rest.count else {
                throw ProtobufError("field \(number) is longer than its message")
            }
            defer { rest = rest.dropFirst(count) }
            return (number, .bytes(rest.prefix(count)))
        default: throw ProtobufError("field \(number) has wire type \(tag & 7), which no known kind uses")
        }
    }

    private mutating func varint() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst(), shift < 64 {
            value |= UInt64(byte & 127) << shift
            if byte < 128 { return value }
            shift += 7
        }
        throw ProtobufError("a number has no end")
    }
}

/// A message of Protocol Buffers can't be read.
struct ProtobufError: Error {
    /// Why.
    var message: String

    /// An error.
    init(_ message: String) { self.message = message }
}
