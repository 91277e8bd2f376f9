// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

/// An n-dimensional array of one element type, row by row; always consistent with its shape.
public struct Tensor: Sendable, Hashable {
    /// The type of the elements.
    public let elementType: ElementType
    /// The size of each dimension; empty for a scalar.
    public let shape: [Int]
    /// The elements in the machine's byte order; empty for text.
    public let bytes: [UInt8]
    /// The elements of a text tensor; empty for the others.
    public let strings: [String]
    /// What the columns of the last dimension stand for, where the model says so (the classes of a classifier).
    public var labels: [String]?

    /// A tensor of a fixed-width type.
    /// - Throws: `InferenceError.invalidInput` when `bytes` doesn't have the size that the shape asks for, or a truth value is
    ///   neither 0 nor 1: native code takes it as a number, such as the place to read from.
    public init(elementType: ElementType, shape: [Int], bytes: [UInt8]) throws(InferenceError) {
        guard let count = Self.elementCount(of: shape) else { throw Self.badShape(shape) }
        guard let width = elementType.byteWidth else {
            throw InferenceError(.invalidInput, "a tensor of type BYTES is made of strings, not of raw bytes")
        }
        let (size, overflow) = count.multipliedReportingOverflow(by: width)
        guard !overflow, size == bytes.count else {
            throw InferenceError(
                .invalidInput,
                "shape \(shape) of \(elementType.rawValue) needs \(count) elements of \(width) bytes, got "
                    + "\(bytes.count) bytes"
            )
        }
        if elementType == .bool, let place = bytes.firstIndex(where: { $0 > 1 }) {
            throw InferenceError(.invalidInput, "element \(place) is \(bytes[place]); a BOOL is the byte 0 or 1")
        }
        self.elementType = elementType
        self.shape = shape
        self.bytes = bytes
        strings = []
    }

    /// A tensor of text.
    /// - Throws: `InferenceError.invalidInput` when the number of strings doesn't fit the shape.
    public init(shape: [Int], strings: [String]) throws(InferenceError) {
        guard let count = Self.elementCount(of: shape) else { throw Self.badShape(shape) }
        guard count == strings.count else {
            throw InferenceError(.invalidInput, "shape \(shape) needs \(count) strings, got \(strings.count)")
        }
        elementType = .string
        self.shape = shape
        self.strings = strings
        bytes = []
    }

    /// The number of elements.
    public var elementCount: Int { elementType == .string ? strings.count : bytes.count / (elementType.byteWidth ?? 1) }

    /// The size of the first dimension; 1 for a scalar.
    public var rowCount: Int { shape.first ?? 1 }

    /// The number of elements that `shape` asks for; `nil` when a size is negative or the product overflows.
    public static func elementCount(of shape: [Int]) -> Int? {
        var count = 1
        for size in shape {
            guard size >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow else { return nil }
            count = product
        }
        return count
    }

    /// The rows `range` of the first dimension; `nil` when they don't exist.
    public func rows(_ range: Range<Int>) -> Tensor? {
        guard let first = shape.first, range.lowerBound >= 0, range.upperBound <= first else { return nil }
        if range == 0..<first { return self }
        let newShape = [range.count] + shape.dropFirst()
        let perRow = elementCount / max(1, first)
        var slice: Tensor?
        if let width = elementType.byteWidth {
            let step = perRow * width
            let part = Array(bytes[range.lowerBound * step..<range.upperBound * step])
            slice = try? Tensor(elementType: elementType, shape: newShape, bytes: part)
        } else {
            let part = Array(strings[range.lowerBound * perRow..<range.upperBound * perRow])
            slice = try? Tensor(shape: newShape, strings: part)
        }
        slice?.labels = labels
        return slice
    }

    /// One tensor with the rows of all `tensors` in order.
    /// - Throws: `InferenceError.invalidInput` when types or the other dimensions differ, or there is none.
    public static func joining(_ tensors: [Tensor]) throws(InferenceError) -> Tensor {
        guard let first = tensors.first else { throw InferenceError(.invalidInput, "no tensor to join") }
        if tensors.count == 1 { return first }
        var rows = 0
        var bytes: [UInt8] = []
        var strings: [String] = []
        for tensor in tensors {
            guard tensor.elementType == first.elementType, !tensor.shape.isEmpty,
                tensor.shape.dropFirst() == first.shape.dropFirst()
            else { throw InferenceError(.invalidInput, "only tensors of one type and row shape can be joined") }
            rows += tensor.rowCount
            bytes += tensor.bytes
            strings += tensor.strings
        }
        let shape = [rows] + first.shape.dropFirst()
        var joined =
            first.elementType == .string
            ? try Tensor(shape: shape, strings: strings)
            : try Tensor(elementType: first.elementType, shape: shape, bytes: bytes)
        joined.labels = first.labels
        return joined
    }

    private static func badShape(_ shape: [Int]) -> InferenceError {
        InferenceError(.invalidInput, "shape \(shape) is not possible: sizes must be 0 or more and their product fit")
    }
}

/// A tensor under the name of a model's input or output.
public struct NamedTensor: Sendable, Hashable {
    /// The name of the input or output.
    public var name: String
    /// The values.
    public var tensor: Tensor

    /// A tensor under a name.
    public init(name: String, tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}
