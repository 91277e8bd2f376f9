// Copyright the ModelFleet authors.
// SPDX-License-Identifier: Apache-2.0

internal import Inference

/// How often the model gave which kind of answer: what two versions of a model are compared by.
///
/// | a row's output | category |
/// | --- | --- |
/// | text, a whole number or a truth value | the value itself |
/// | several numbers | the largest one's label, or its place from 0 |
/// | one number | the power of two below its magnitude, with its sign: `-2^3` for -8 down to above -16; `0`, `NaN`, `Inf` |
///
/// The first output that has one of these for each row counts. Only the first categories that occur get a series of their own; text
/// that differs in every answer can't fill the page.
struct OutputTally {
    /// The categories with a series of their own; all others are `other`.
    static let maximumCategories = 32
    /// The elements of one answer that are looked at; the first rows of a larger one stand for all.
    static let maximumElements = 10_000
    /// The bytes of a category: a character may have any number of them.
    static let maximumLength = 256

    /// The answers' rows by category.
    private(set) var counts: [String: Int] = [:]

    /// Counts what `categories(of:)` found.
    mutating func add(_ categories: [String: Int]) {
        for (category, count) in categories.sorted(by: { $0.key < $1.key }) {
            let isKnown = counts[category] != nil || counts.count < Self.maximumCategories
            counts[isKnown ? category : "other", default: 0] += count
        }
    }

    /// The rows of an answer by category; empty where no output tells them apart.
    static func categories(of outputs: [NamedTensor]) -> [String: Int] {
        for output in outputs {
            let tensor = output.tensor
            let rows = tensor.shape.isEmpty ? 1 : tensor.rowCount
            guard rows > 0, tensor.elementCount >= rows, tensor.elementCount % rows == 0 else { continue }
            let columns = tensor.elementCount / rows
            let seen = min(rows, maximumElements / columns)
            let isScore = tensor.elementType.isFractional
            // Rows larger than that, images for example, have no largest column that means something.
            guard seen > 0, columns == 1 || isScore else { continue }
            let part = tensor.shape.isEmpty ? tensor : tensor.rows(0..<seen) ?? tensor
            if let numbers = numbers(part) {
                if columns == 1 { return count(numbers.map { isScore ? magnitude($0) : whole($0) }) }
                return count(
                    (0..<seen).map { row in
                        largest(numbers[row * columns..<(row + 1) * columns], labels: tensor.labels)
                    }
                )
            }
            return count(part.strings.map(shortened))
        }
        return [:]
    }

    private static func count(_ categories: [String]) -> [String: Int] {
        categories.reduce(into: [:]) { $0[$1, default: 0] += 1 }
    }

    private static func largest(_ row: ArraySlice<Double>, labels: [String]?) -> String {
        var place = 0
        var most = -Double.infinity
        for (index, value) in row.enumerated() where value > most { (place, most) = (index, value) }
        if row.contains(where: \.isNaN) { return "NaN" }
        guard let labels, place < labels.count else { return "\(place)" }
        return shortened(labels[place])
    }

    /// The beginning of a text, whole Unicode scalars of it.
    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > maximumLength else { return text }
        var bytes = Array(text.utf8.prefix(maximumLength + 1))
        // A byte that goes on with a scalar can't come first in what is left out.
        while let last = bytes.popLast(), last & 0xc0 == 0x80 {}
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func whole(_ value: Double) -> String { abs(value) < 1e15 ? String(Int(value)) : magnitude(value) }

    private static func magnitude(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value == 0 { return "0" }
        let sign = value < 0 ? "-" : ""
        return value.isFinite ? "\(sign)2^\(value.exponent)" : "\(sign)Inf"
    }

    /// The elements as numbers; `nil` for text.
    private static func numbers(_ tensor: Tensor) -> [Double]? {
        let bytes = tensor.bytes
        switch tensor.elementType {
        case .bool, .uint8: return bytes.map(Double.init)
        case .uint16: return bytes.elements(as: UInt16.self).map(Double.init)
        case .uint32: return bytes.elements(as: UInt32.self).map(Double.init)
        case .uint64: return bytes.elements(as: UInt64.self).map(Double.init)
        case .int8: return bytes.elements(as: Int8.self).map(Double.init)
        case .int16: return bytes.elements(as: Int16.self).map(Double.init)
        case .int32: return bytes.elements(as: Int32.self).map(Double.init)
        case .int64: return bytes.elements(as: Int64.self).map(Double.init)
        case .float16:
            #if !(os(macOS) && arch(x86_64))
                return bytes.elements(as: Float16.self).map(Double.init)
            #else
                return []
            #endif
        case .float32: return bytes.elements(as: Float.self).map(Double.init)
        case .float64: return bytes.elements(as: Double.self)
        case .string: return nil
        }
    }
}

extension ElementType {
    /// Whether the elements are scores or measures, not names of something.
    fileprivate var isFractional: Bool { self == .float16 || self == .float32 || self == .float64 }
}
