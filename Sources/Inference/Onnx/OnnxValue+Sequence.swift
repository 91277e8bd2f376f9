// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import COnnxRuntime

extension OnnxValue {
    /// The value as one tensor: a sequence of maps becomes a table with a column a class, a sequence of tensors of one
    /// shape is stacked.
    func asTensor() throws(InferenceError) -> Tensor {
        guard try kind() == Int32(ORT_KIND_SEQUENCE) else { return try tensor() }
        let count = try count()
        guard count > 0 else {
            return try Tensor(elementType: .float32, shape: [0, 0], bytes: [])
        }
        let isMap = try element(0).kind() == Int32(ORT_KIND_MAP)
        return isMap ? try table(count) : try stack(count)
    }

    /// Rows of a sequence of maps, with the keys as labels: those of the first row, in its order.
    private func table(_ count: Int) throws(InferenceError) -> Tensor {
        var labels: [String] = []
        var type = ElementType.float32
        var bytes: [UInt8] = []
        for index in 0..<count {
            let map = try element(index)
            let keys = try map.element(0).tensor().keyTexts
            let values = try map.element(1).tensor()
            guard let width = values.elementType.byteWidth, values.elementCount == keys.count else {
                throw InferenceError(.runFailed, "an output's map has values that aren't numbers")
            }
            if index == 0 {
                labels = keys
                type = values.elementType
            }
            guard values.elementType == type, keys.count == labels.count else {
                throw InferenceError(.runFailed, "an output's maps differ in their keys")
            }
            if keys == labels {
                bytes += values.bytes
                continue
            }
            for label in labels {
                guard let position = keys.firstIndex(of: label) else {
                    throw InferenceError(.runFailed, "an output's maps differ in their keys")
                }
                bytes += values.bytes[position * width..<(position + 1) * width]
            }
        }
        var table = try Tensor(elementType: type, shape: [count, labels.count], bytes: bytes)
        table.labels = labels
        return table
    }

    private func stack(_ count: Int) throws(InferenceError) -> Tensor {
        var parts: [Tensor] = []
        for index in 0..<count {
            let part = try element(index).tensor()
            let shape = [1] + part.shape
            parts.append(
                part.elementType == .string
                    ? try Tensor(shape: shape, strings: part.strings)
                    : try Tensor(elementType: part.elementType, shape: shape, bytes: part.bytes)
            )
        }
        do { return try Tensor.joining(parts) } catch {
            throw InferenceError(.runFailed, "an output is a sequence of tensors of different shapes")
        }
    }
}

extension Tensor {
    /// A map's keys as text.
    fileprivate var keyTexts: [String] {
        switch elementType {
        case .string: strings
        case .int64: bytes.elements(as: Int64.self).map(String.init)
        default: []
        }
    }
}
