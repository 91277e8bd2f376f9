// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// The type of a tensor's elements; the raw values are the Open Inference Protocol's names.
public enum ElementType: String, Sendable, Hashable, CaseIterable {
    /// One byte, 0 or 1.
    case bool = "BOOL"
    /// Unsigned, 8 bits.
    case uint8 = "UINT8"
    /// Unsigned, 16 bits.
    case uint16 = "UINT16"
    /// Unsigned, 32 bits.
    case uint32 = "UINT32"
    /// Unsigned, 64 bits.
    case uint64 = "UINT64"
    /// Signed, 8 bits.
    case int8 = "INT8"
    /// Signed, 16 bits.
    case int16 = "INT16"
    /// Signed, 32 bits.
    case int32 = "INT32"
    /// Signed, 64 bits.
    case int64 = "INT64"
    /// IEEE 754, 16 bits.
    case float16 = "FP16"
    /// IEEE 754, 32 bits.
    case float32 = "FP32"
    /// IEEE 754, 64 bits.
    case float64 = "FP64"
    /// Text of any length.
    case string = "BYTES"

    /// The size of one element in bytes; `nil` for text.
    public var byteWidth: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .string: nil
        }
    }
}
