// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Inference
internal import KubeModel

/// Makes tensors from JSON arrays, flat or nested.
struct TensorDecoder {
    /// The name of the field for messages, such as `inputs[0].data`.
    var path: String
    /// The type of the elements.
    var type: ElementType

    /// A tensor of `shape`; `data` is one flat list, or nested as deep as the shape.
    func tensor(_ data: JSONValue, shape: [Int]) throws(InferenceError) -> Tensor {
        guard let count = Tensor.elementCount(of: shape) else {
            throw failure("", "the shape \(shape) is not possible")
        }
        var sink = Sink(type: type)
        if case .array(let elements) = data, shape.count != 1, !elements.contains(where: { $0.array != nil }) {
            guard elements.count == count else {
                throw failure("", "expected \(count) elements for shape \(shape), found \(elements.count)")
            }
            try append(elements, to: &sink)
        } else {
            try appendNested(data, shape: shape[...], place: "", to: &sink)
        }
        return try sink.tensor(shape: shape)
    }

    /// A tensor whose shape is that of the nested arrays.
    func tensor(nested data: JSONValue) throws(InferenceError) -> Tensor {
        var shape: [Int] = []
        var level: JSONValue? = data
        while case .array(let elements)? = level {
            shape.append(elements.count)
            level = elements.first
        }
        return try tensor(data, shape: shape)
    }

    private func appendNested(
        _ data: JSONValue,
        shape: ArraySlice<Int>,
        place: String,
        to sink: inout Sink
    ) throws(InferenceError) {
        guard let size = shape.first else {
            guard sink.append(data) else { throw unfit(data, place) }
            return
        }
        guard case .array(let elements) = data else {
            throw failure(place, "expected an array of \(size), found \(describe(data))")
        }
        guard elements.count == size else {
            throw failure(place, "expected \(size) elements, found \(elements.count)")
        }
        if shape.count == 1 { return try append(elements, place: place, to: &sink) }
        for (index, element) in elements.enumerated() {
            try appendNested(element, shape: shape.dropFirst(), place: "\(place)[\(index)]", to: &sink)
        }
    }

    private func append(
        _ elements: [JSONValue],
        place: String = "",
        to sink: inout Sink
    ) throws(InferenceError) {
        for (index, element) in elements.enumerated() where !sink.append(element) {
            throw unfit(element, "\(place)[\(index)]")
        }
    }

    private func unfit(_ value: JSONValue, _ place: String) -> InferenceError {
        failure(place, "\(describe(value)) is no \(type.rawValue); expected \(type.expectation)")
    }

    private func describe(_ value: JSONValue) -> String {
        switch value {
        case .array: "an array"
        case .object: "an object"
        case .string(let text): text.utf8.count <= 40 ? "\"\(text)\"" : "a string"
        default: value.jsonText
        }
    }

    private func failure(_ place: String, _ reason: String) -> InferenceError {
        InferenceError(.invalidInput, "\(path)\(place): \(reason)")
    }
}

extension TensorDecoder {
    /// Collects elements of one type.
    private struct Sink {
        let type: ElementType
        var bytes: [UInt8] = []
        var strings: [String] = []

        init(type: ElementType) { self.type = type }

        func tensor(shape: [Int]) throws(InferenceError) -> Tensor {
            type == .string
                ? try Tensor(shape: shape, strings: strings)
                : try Tensor(elementType: type, shape: shape, bytes: bytes)
        }

        /// False when the value doesn't fit the type.
        mutating func append(_ value: JSONValue) -> Bool {
            switch type {
            case .float32: return append(finite: value.double.map { Float($0) })
            case .float64: return append(finite: value.double)
            case .float16:
                #if !(os(macOS) && arch(x86_64))
                    return append(finite: value.double.map { Float16($0) })
                #else
                    return false
                #endif
            case .int8: return append(value.integer.flatMap { Int8(exactly: $0) })
            case .int16: return append(value.integer.flatMap { Int16(exactly: $0) })
            case .int32: return append(value.integer.flatMap { Int32(exactly: $0) })
            case .int64: return append(value.integer)
            case .uint8: return append(value.integer.flatMap { UInt8(exactly: $0) })
            case .uint16: return append(value.integer.flatMap { UInt16(exactly: $0) })
            case .uint32: return append(value.integer.flatMap { UInt32(exactly: $0) })
            case .uint64:
                // Above Int64 the JSON reader gives a double, which is not exact: refused rather than rounded.
                return append(value.integer.flatMap { UInt64(exactly: $0) })
            case .bool:
                let truth = value.bool ?? [0: false, 1: true][value.integer ?? 2]
                return append(truth.map { UInt8($0 ? 1 : 0) })
            case .string:
                guard let text = value.string else { return false }
                strings.append(text)
                return true
            }
        }

        /// A number beyond the type's range would become an infinity, which nobody sent: refused rather than changed.
        private mutating func append<Number: BinaryFloatingPoint & BitwiseCopyable>(finite number: Number?) -> Bool {
            append(number.flatMap { $0.isFinite ? $0 : nil })
        }

        private mutating func append<Number: BitwiseCopyable>(_ number: Number?) -> Bool {
            guard let number else { return false }
            bytes.append(raw: number)
            return true
        }
    }
}

extension ElementType {
    /// What JSON may hold for one element.
    var expectation: String {
        switch self {
        case .float16: "a number from -65504 to 65504"
        case .float32, .float64: "a number of \(byteWidth.map { $0 * 8 } ?? 0) bits"
        case .bool: "true or false"
        case .string: "a string"
        case .int8: "a whole number from -128 to 127"
        case .uint8: "a whole number from 0 to 255"
        case .int16: "a whole number from -32768 to 32767"
        case .uint16: "a whole number from 0 to 65535"
        case .int32, .int64: "a whole number of \(byteWidth.map { $0 * 8 } ?? 0) bits"
        case .uint32, .uint64: "a whole number, 0 or more, of \(byteWidth.map { $0 * 8 } ?? 0) bits"
        }
    }
}
