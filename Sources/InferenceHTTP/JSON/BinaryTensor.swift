// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Inference

/// Raw tensor data, little-endian, row by row; a string is its length in four bytes and its UTF-8 bytes.
enum BinaryTensor {
    /// The bytes of a tensor.
    static func encode(_ tensor: Tensor) -> [UInt8] {
        guard tensor.elementType == .string else { return tensor.bytes }
        var bytes: [UInt8] = []
        for string in tensor.strings {
            bytes.append(raw: UInt32(clamping: string.utf8.count).littleEndian)
            bytes.append(contentsOf: string.utf8)
        }
        return bytes
    }

    /// A tensor from its bytes.
    /// - Throws: `InferenceError.invalidInput` that names `path`.
    static func decode(
        _ bytes: ArraySlice<UInt8>,
        type: ElementType,
        shape: [Int],
        path: String
    ) throws(InferenceError) -> Tensor {
        do {
            guard type == .string else { return try Tensor(elementType: type, shape: shape, bytes: Array(bytes)) }
            return try Tensor(shape: shape, strings: try strings(bytes))
        } catch {
            throw InferenceError(.invalidInput, "\(path): \(error.message)")
        }
    }

    private static func strings(_ bytes: ArraySlice<UInt8>) throws(InferenceError) -> [String] {
        var rest = bytes
        var strings: [String] = []
        while !rest.isEmpty {
            guard let length = Array(rest.prefix(4)).elements(as: UInt32.self).first,
                rest.count - 4 >= Int(UInt32(littleEndian: length))
            else { throw InferenceError(.invalidInput, "a string's length doesn't fit its data") }
            rest = rest.dropFirst(4)
            let text = rest.prefix(Int(UInt32(littleEndian: length)))
            guard let string = String(validating: text, as: UTF8.self) else {
                throw InferenceError(.invalidInput, "a string isn't valid UTF-8")
            }
            strings.append(string)
            rest = rest.dropFirst(text.count)
        }
        return strings
    }
}
