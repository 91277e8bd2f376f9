// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

extension ElementType {
    /// The runtime's number of the type.
    var onnxCode: Int32 {
        let code =
            switch self {
            case .bool: ORT_ELEMENT_BOOL
            case .uint8: ORT_ELEMENT_UINT8
            case .uint16: ORT_ELEMENT_UINT16
            case .uint32: ORT_ELEMENT_UINT32
            case .uint64: ORT_ELEMENT_UINT64
            case .int8: ORT_ELEMENT_INT8
            case .int16: ORT_ELEMENT_INT16
            case .int32: ORT_ELEMENT_INT32
            case .int64: ORT_ELEMENT_INT64
            case .float16: ORT_ELEMENT_FLOAT16
            case .float32: ORT_ELEMENT_FLOAT
            case .float64: ORT_ELEMENT_DOUBLE
            case .string: ORT_ELEMENT_STRING
            }
        return Int32(code)
    }

    /// The type with the runtime's number; `nil` for a type that has no name in the Open Inference Protocol.
    init?(onnxCode: Int32) {
        guard let type = Self.allCases.first(where: { $0.onnxCode == onnxCode }) else { return nil }
        self = type
    }
}
