// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import KubeModel

/// Appends JSON text of tensors to bytes, with the shortest digits that read back as the same number.
struct TensorWriter {
    /// The text so far.
    private(set) var bytes: [UInt8] = []

    /// Appends text as it is.
    mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Appends a JSON value.
    mutating func append(_ value: JSONValue) { bytes.append(contentsOf: value.encoded()) }

    /// Appends the elements as one flat array.
    mutating func appendFlat(_ tensor: Tensor) {
        appendList(texts(of: tensor))
    }

    /// Appends nested arrays as deep as the shape; a labelled last dimension becomes objects.
    mutating func appendNested(_ tensor: Tensor) {
        let texts = texts(of: tensor)
        var position = 0
        appendNested(texts, shape: tensor.shape[...], labels: tensor.labels, position: &position)
    }

    /// One text an outermost row, nested as deep as the rest of the shape.
    static func rowTexts(of tensor: Tensor) -> [[UInt8]] {
        guard !tensor.shape.isEmpty else { return [] }
        let texts = TensorWriter().texts(of: tensor)
        var position = 0
        return (0..<tensor.rowCount).map { _ in
            var writer = TensorWriter()
            writer.appendNested(texts, shape: tensor.shape.dropFirst(), labels: tensor.labels, position: &position)
            return writer.bytes
        }
    }

    private mutating func appendNested(
        _ texts: [String],
        shape: ArraySlice<Int>,
        labels: [String]?,
        position: inout Int
    ) {
        guard let size = shape.first else {
            append(position < texts.count ? texts[position] : "null")
            position += 1
            return
        }
        let names = shape.count == 1 && labels?.count == size ? labels : nil
        append(names == nil ? "[" : "{")
        for index in 0..<size {
            if index > 0 { append(",") }
            if let names { append(JSONValue.string(names[index]).jsonText + ":") }
            appendNested(texts, shape: shape.dropFirst(), labels: labels, position: &position)
        }
        append(names == nil ? "]" : "}")
    }

    private mutating func appendList(_ texts: [String]) {
        append("[")
        for (index, text) in texts.enumerated() {
            if index > 0 { append(",") }
            append(text)
        }
        append("]")
    }

    /// One JSON text an element. JSON has no NaN and no infinity: they become `null`.
    private func texts(of tensor: Tensor) -> [String] {
        let bytes = tensor.bytes
        switch tensor.elementType {
        case .bool: return bytes.map { $0 == 0 ? "false" : "true" }
        case .uint8: return bytes.map { String($0) }
        case .int8: return bytes.map { String(Int8(bitPattern: $0)) }
        case .uint16: return bytes.elements(as: UInt16.self).map { String($0) }
        case .int16: return bytes.elements(as: Int16.self).map { String($0) }
        case .uint32: return bytes.elements(as: UInt32.self).map { String($0) }
        case .int32: return bytes.elements(as: Int32.self).map { String($0) }
        case .uint64: return bytes.elements(as: UInt64.self).map { String($0) }
        case .int64: return bytes.elements(as: Int64.self).map { String($0) }
        case .float16:
            #if !(os(macOS) && arch(x86_64))
                return bytes.elements(as: Float16.self).map { $0.isFinite ? Float($0).description : "null" }
            #else
                return []
            #endif
        case .float32: return bytes.elements(as: Float.self).map { $0.isFinite ? $0.description : "null" }
        case .float64: return bytes.elements(as: Double.self).map { $0.isFinite ? $0.description : "null" }
        case .string: return tensor.strings.map { JSONValue.string($0).jsonText }
        }
    }
}
